"""Video files in, decoded frames out."""

from __future__ import annotations

from deepfake_generalize.data.video.containers import MAX_SIDE
from deepfake_generalize.data.video.sampling import (
    FrameBatch,
    probe,
    read_frames,
    sample_frames,
    sample_indices,
)
from deepfake_generalize.data.video.scene_cuts import find_cuts

__all__ = [
    "MAX_SIDE",
    "FrameBatch",
    "find_cuts",
    "probe",
    "read_frames",
    "sample_frames",
    "sample_indices",
]
