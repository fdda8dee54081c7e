"""One reader per on-disk layout; each returns the same video manifest."""

from deepfake_generalize.data.layouts.find_videos import find_videos
from deepfake_generalize.data.layouts.manifest import VIDEO_COLUMNS, LayoutWarning
from deepfake_generalize.data.layouts.scanning import VIDEO_SUFFIXES, is_video_name

__all__ = ["VIDEO_COLUMNS", "VIDEO_SUFFIXES", "LayoutWarning", "find_videos", "is_video_name"]
