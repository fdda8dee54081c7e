"""The one interface to every detector, from Keras or from a function, and its file."""

from __future__ import annotations

from deepfake_generalize.models.detectors.batching import unit_batches
from deepfake_generalize.models.detectors.callables import FunctionDetector, as_detector
from deepfake_generalize.models.detectors.detector import Detector
from deepfake_generalize.models.detectors.pretrained import PRETRAINED, load_pretrained
from deepfake_generalize.models.detectors.video import VideoScore, score_video
from deepfake_generalize.models.detectors.zip_faults import UNREADABLE

__all__ = [
    "PRETRAINED",
    "UNREADABLE",
    "Detector",
    "FunctionDetector",
    "VideoScore",
    "as_detector",
    "load_pretrained",
    "score_video",
    "unit_batches",
]
