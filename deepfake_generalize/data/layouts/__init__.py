"""One reader per on-disk layout; each returns the same video manifest."""

from deepfake_generalize.data.layouts.archives import unpack_archives
from deepfake_generalize.data.layouts.catalogue import layouts
from deepfake_generalize.data.layouts.find_videos import find_pictures, find_videos, survey
from deepfake_generalize.data.layouts.folders import Place, place_of
from deepfake_generalize.data.layouts.manifest import (
    REAL,
    VIDEO_COLUMNS,
    LayoutWarning,
    Problem,
    at_frame,
)
from deepfake_generalize.data.layouts.problems import counts_of, left_out, told_by_folder
from deepfake_generalize.data.layouts.scanning import (
    VIDEO_SUFFIXES,
    is_video_name,
    looks_like,
    walk_files,
)

__all__ = [
    "REAL",
    "VIDEO_COLUMNS",
    "VIDEO_SUFFIXES",
    "LayoutWarning",
    "Place",
    "Problem",
    "at_frame",
    "counts_of",
    "find_pictures",
    "find_videos",
    "is_video_name",
    "layouts",
    "left_out",
    "looks_like",
    "place_of",
    "survey",
    "told_by_folder",
    "unpack_archives",
    "walk_files",
]
