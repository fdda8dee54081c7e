"""The five architectures of the study, and the one interface to every detector."""

from __future__ import annotations

from deepfake_generalize.models.architectures import (
    ARCHITECTURES,
    efficientnet_b0,
    mesoinception,
    mesonet,
    shallownet,
    xception,
)
from deepfake_generalize.models.detectors import (
    PRETRAINED,
    Detector,
    FunctionDetector,
    VideoScore,
    as_detector,
    load_pretrained,
    score_video,
)
from deepfake_generalize.models.training import RECIPES, Recipe, train
from deepfake_generalize.types import Scorer

__all__ = [
    "ARCHITECTURES",
    "PRETRAINED",
    "RECIPES",
    "Detector",
    "FunctionDetector",
    "Recipe",
    "Scorer",
    "VideoScore",
    "as_detector",
    "efficientnet_b0",
    "load_pretrained",
    "mesoinception",
    "mesonet",
    "score_video",
    "shallownet",
    "train",
    "xception",
]
