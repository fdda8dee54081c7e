"""Few-shot augmentation: transfer, merge and neuron-focused fine-tuning of a trained detector."""

from __future__ import annotations

import deepfake_generalize._system.keras_backend  # noqa: F401 - it refuses
from deepfake_generalize.augment.fine_tuning import merge, transfer
from deepfake_generalize.augment.focus import focus
from deepfake_generalize.augment.mixing import few_shot_mix
from deepfake_generalize.augment.self_blending import self_blend

__all__ = ["few_shot_mix", "focus", "merge", "self_blend", "transfer"]


def __dir__() -> list[str]:
    return sorted(__all__)
