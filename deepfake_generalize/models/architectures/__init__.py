"""The five networks of the study, each from its own module."""

from __future__ import annotations

from deepfake_generalize.models.architectures.catalogue import ARCHITECTURES
from deepfake_generalize.models.architectures.efficientnet_b0 import efficientnet_b0
from deepfake_generalize.models.architectures.mesoinception import mesoinception
from deepfake_generalize.models.architectures.mesonet import mesonet
from deepfake_generalize.models.architectures.shallownet import shallownet
from deepfake_generalize.models.architectures.xception import xception

__all__ = ["ARCHITECTURES", "efficientnet_b0", "mesoinception", "mesonet", "shallownet", "xception"]
