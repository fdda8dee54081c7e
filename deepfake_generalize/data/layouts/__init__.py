"""The layouts of data sets on disk, one table of patterns each; all give the same manifest."""

from deepfake_generalize.data.layouts.archives import unpack_archives
from deepfake_generalize.data.layouts.catalogue import layouts
from deepfake_generalize.data.layouts.find_videos import find_pictures, find_videos, survey
from deepfake_generalize.data.layouts.folders import IMAGE_LABEL_FOLDERS
from deepfake_generalize.data.layouts.manifest import REAL, LayoutWarning, fake_within
from deepfake_generalize.data.layouts.problems import left_out
from deepfake_generalize.data.layouts.scanning import (
    VIDEO_SUFFIXES,
    is_video_name,
    looks_like,
    walk_files,
)
from deepfake_generalize.data.manifests import VIDEO_COLUMNS

__all__ = [
    "IMAGE_LABEL_FOLDERS",
    "REAL",
    "VIDEO_COLUMNS",
    "VIDEO_SUFFIXES",
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
