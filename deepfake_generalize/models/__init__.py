"""The five architectures of the study, and the one interface to every detector."""

from __future__ import annotations

import deepfake_generalize._system.keras_backend  # noqa: F401 - it refuses
from deepfake_generalize.models.architectures import (
    ARCHITECTURES,
    efficientnet_b0,
    mesoinception,
    mesonet,
    shallownet,
    xception,
)
from deepfake_generalize.models.detectors import (
    Detector,
    VideoScore,
    as_detector,
    load_detector,
    load_pretrained,
)
from deepfake_generalize.models.training import AUGMENTATIONS, RECIPES, Recipe, train
from deepfake_generalize.types import Scorer

__all__ = [
    "ARCHITECTURES",
    "AUGMENTATIONS",
    "RECIPES",
    "Detector",
    "Recipe",
    "Scorer",
    "VideoScore",
    "as_detector",
    "efficientnet_b0",
    "load_detector",
    "load_pretrained",
    "mesoinception",
    "mesonet",
    "shallownet",
    "train",
    "xception",
]


def __dir__() -> list[str]:
    return sorted(__all__)
