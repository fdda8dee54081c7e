"""Videos in, balanced and disjoint batches of face crops out."""

from deepfake_generalize.data import synthetic
from deepfake_generalize.data.batches import to_dataset
from deepfake_generalize.data.cascade import CascadeFinder
from deepfake_generalize.data.cropping import VideoCrops, crop_video
from deepfake_generalize.data.crops import CROP_COLUMNS, FAILURE_COLUMNS, read_crops, read_failures
from deepfake_generalize.data.extraction import Extraction, extract_faces
from deepfake_generalize.data.faces import Face, FaceFinder
from deepfake_generalize.data.images import read_image
from deepfake_generalize.data.layouts import VIDEO_COLUMNS, LayoutWarning, find_videos
from deepfake_generalize.data.leakage import LeakageWarning, audit_leakage, warn_of_leaks
from deepfake_generalize.data.mediapipe_finder import MediaPipeFinder
from deepfake_generalize.data.packing import pack, verify_pack
from deepfake_generalize.data.selection import (
    Selection,
    exclude_frames,
    exclude_identities,
    exclude_material,
    only_identities,
)
from deepfake_generalize.data.splits import Splits, balanced_splits
from deepfake_generalize.data.study_sets import StudySizes, shared_by_design, study_sets

__all__ = [
    "CROP_COLUMNS",
    "FAILURE_COLUMNS",
    "VIDEO_COLUMNS",
    "CascadeFinder",
    "Extraction",
    "Face",
    "FaceFinder",
    "LayoutWarning",
    "LeakageWarning",
    "MediaPipeFinder",
    "Selection",
    "Splits",
    "StudySizes",
    "VideoCrops",
    "audit_leakage",
    "balanced_splits",
    "crop_video",
    "exclude_frames",
    "exclude_identities",
    "exclude_material",
    "extract_faces",
    "find_videos",
    "only_identities",
    "pack",
    "read_crops",
    "read_failures",
    "read_image",
    "shared_by_design",
    "study_sets",
    "synthetic",
    "to_dataset",
    "verify_pack",
    "warn_of_leaks",
]
