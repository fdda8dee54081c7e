"""Who is seen in a frame: finders, tracks, alignment, and the crop that is cut."""

from __future__ import annotations

from deepfake_generalize.data.faces.alignment import Aligner, cut_out
from deepfake_generalize.data.faces.crop_video import (
    CropSettings,
    VideoCrops,
    check_frame_count,
    crop_opened,
    crop_settings,
    crop_video,
    open_tools,
)
from deepfake_generalize.data.faces.finders import (
    CascadeFinder,
    Face,
    FaceFinder,
    MediaPipeFinder,
    check_finder,
)
from deepfake_generalize.data.faces.subject import mask_of

__all__ = [
    "Aligner",
    "CascadeFinder",
    "CropSettings",
    "Face",
    "FaceFinder",
    "MediaPipeFinder",
    "VideoCrops",
    "check_finder",
    "check_frame_count",
    "crop_opened",
    "crop_settings",
    "crop_video",
    "cut_out",
    "mask_of",
    "open_tools",
]
