"""The one interface to every detector, from Keras or from a function, and its file."""

from __future__ import annotations

from deepfake_generalize.models.detectors.archive import UNREADABLE
from deepfake_generalize.models.detectors.batching import RESIZING, unit_batches
from deepfake_generalize.models.detectors.callables import as_detector
from deepfake_generalize.models.detectors.detector import Detector, weights_sha256
from deepfake_generalize.models.detectors.pretrained import PRETRAINED, load_pretrained
from deepfake_generalize.models.detectors.video import VideoScore

__all__ = [
    "PRETRAINED",
    "RESIZING",
    "UNREADABLE",
    "Detector",
    "VideoScore",
    "as_detector",
    "load_pretrained",
    "unit_batches",
    "weights_sha256",
]
