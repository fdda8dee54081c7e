"""The one interface to every detector, from Keras or from a function, and its file."""

from __future__ import annotations

from deepfake_generalize.models.detectors.archive import UNREADABLE
from deepfake_generalize.models.detectors.batching import PART, in_turn, on_gpu
from deepfake_generalize.models.detectors.callables import as_detector
from deepfake_generalize.models.detectors.detector import Detector, weights_sha256
from deepfake_generalize.models.detectors.loading import load_detector, load_pretrained, named
from deepfake_generalize.models.detectors.video import ScoresVideos, VideoScore, face_scores

__all__ = [
    "PART",
    "UNREADABLE",
    "Detector",
    "ScoresVideos",
    "VideoScore",
    "as_detector",
    "face_scores",
    "in_turn",
    "load_detector",
    "load_pretrained",
    "named",
    "on_gpu",
    "weights_sha256",
]
