"""One reader per on-disk layout; each returns the same video manifest."""

from deepfake_generalize.data.layouts.discovery import find_videos
from deepfake_generalize.data.layouts.manifest import VIDEO_COLUMNS, LayoutWarning

__all__ = ["VIDEO_COLUMNS", "LayoutWarning", "find_videos"]
