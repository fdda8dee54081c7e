"""The five architectures of the study, and the one interface to every detector."""

from __future__ import annotations

from deepfake_generalize.models.architectures import ARCHITECTURES
from deepfake_generalize.models.callables import FunctionDetector, as_detector
from deepfake_generalize.models.detector import Detector
from deepfake_generalize.models.efficientnet_b0 import efficientnet_b0
from deepfake_generalize.models.mesoinception import mesoinception
from deepfake_generalize.models.mesonet import mesonet
from deepfake_generalize.models.pretrained import PRETRAINED, load_pretrained
from deepfake_generalize.models.recipes import RECIPES, Recipe
from deepfake_generalize.models.shallownet import shallownet
from deepfake_generalize.models.training import train
from deepfake_generalize.models.video import VideoScore, score_video
from deepfake_generalize.models.xception import xception
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
