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

__all__ = [
    "MAX_SIDE",
    "FrameBatch",
    "probe",
    "read_frames",
    "sample_frames",
    "sample_indices",
]
