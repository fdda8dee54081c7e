"""The five networks of the study; `ARCHITECTURES` lists them by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import keras

from deepfake_generalize.models.architectures.applications import efficientnet_b0, xception
from deepfake_generalize.models.architectures.mesonet import mesoinception, mesonet
from deepfake_generalize.models.architectures.shallownet import shallownet

__all__ = ["ARCHITECTURES", "efficientnet_b0", "mesoinception", "mesonet", "shallownet", "xception"]

ARCHITECTURES: Mapping[str, Callable[..., keras.Model]] = MappingProxyType(
    {
        "mesonet": mesonet,
        "mesoinception": mesoinception,
        "shallownet": shallownet,
        "xception": xception,
        "efficientnet_b0": efficientnet_b0,
    }
)
"""Name -> builder, `builder(input_shape, *, classes=1, weights=None)`."""
