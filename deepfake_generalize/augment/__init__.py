"""Few-shot augmentation: transfer, merge and neuron-focused fine-tuning of a trained detector."""

from __future__ import annotations

from deepfake_generalize.augment.mixing import few_shot_mix

__all__ = ["few_shot_mix"]
