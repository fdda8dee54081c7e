"""Videos in, balanced and disjoint batches of face crops out."""

from deepfake_generalize.data import synthetic
from deepfake_generalize.data.crops import (
    CROP_COLUMNS,
    FAILURE_COLUMNS,
    pack,
    read_crops,
    read_failures,
    read_image,
    read_landmarks,
    read_set,
    to_dataset,
)
from deepfake_generalize.data.extraction import Extraction, extract_faces
from deepfake_generalize.data.faces import (
    CascadeFinder,
    Face,
    FaceFinder,
    MediaPipeFinder,
    VideoCrops,
    crop_video,
)
from deepfake_generalize.data.layouts import (
    VIDEO_COLUMNS,
    LayoutWarning,
    find_videos,
    layouts,
    unpack_archives,
)
from deepfake_generalize.data.leakage import (
    LeakageWarning,
    Selection,
    audit_leakage,
    exclude,
    only_identities,
)
from deepfake_generalize.data.manifests import select
from deepfake_generalize.data.perturbations import PERTURBATIONS, Perturbation
from deepfake_generalize.data.shortcuts import ShortcutWarning, audit_shortcuts
from deepfake_generalize.data.splits import Splits, balanced_splits

__all__ = [
    "CROP_COLUMNS",
    "FAILURE_COLUMNS",
    "PERTURBATIONS",
    "VIDEO_COLUMNS",
    "CascadeFinder",
    "Extraction",
    "Face",
    "FaceFinder",
    "LayoutWarning",
    "LeakageWarning",
    "MediaPipeFinder",
    "Perturbation",
    "Selection",
    "ShortcutWarning",
    "Splits",
    "VideoCrops",
    "audit_leakage",
    "audit_shortcuts",
    "balanced_splits",
    "crop_video",
    "exclude",
    "extract_faces",
    "find_videos",
    "layouts",
    "only_identities",
    "pack",
    "read_crops",
    "read_failures",
    "read_image",
    "read_landmarks",
    "read_set",
    "select",
    "synthetic",
    "to_dataset",
    "unpack_archives",
]


def __dir__() -> list[str]:
    return sorted(__all__)
