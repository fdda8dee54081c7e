"""The layouts of data sets on disk, one table of patterns each; all give the same manifest."""

from deepfake_generalize.data.layouts.catalogue import find_pictures, find_videos, layouts, survey
from deepfake_generalize.data.layouts.contract import REAL, LayoutWarning, fake_within, left_out
from deepfake_generalize.data.layouts.own import IMAGE_LABEL_FOLDERS
from deepfake_generalize.data.layouts.scanning import (
    is_video_name,
    looks_like,
    unpack_archives,
    walk_files,
)
from deepfake_generalize.data.manifests import VIDEO_COLUMNS

__all__ = [
    "IMAGE_LABEL_FOLDERS",
    "REAL",
    "VIDEO_COLUMNS",
    "LayoutWarning",
    "fake_within",
    "find_pictures",
    "find_videos",
    "is_video_name",
    "layouts",
    "left_out",
    "looks_like",
    "survey",
    "unpack_archives",
    "walk_files",
]
