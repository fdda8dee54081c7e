"""Where a detector looks, and whether its relatives look there too."""

from __future__ import annotations

import deepfake_generalize._system.keras_backend  # noqa: F401 - it refuses
from deepfake_generalize.interpret.faithfulness import (
    Curves,
    deletion_insertion,
    localization,
    randomization_check,
)
from deepfake_generalize.interpret.maps import (
    grad_cam,
    grad_cam_plus_plus,
    guided_grad_cam,
    hires_cam,
)
from deepfake_generalize.interpret.rendering import colorize, overlay
from deepfake_generalize.interpret.similarity import congenetic_similarity, similarity_bins, ssim

__all__ = [
    "Curves",
    "colorize",
    "congenetic_similarity",
    "deletion_insertion",
    "grad_cam",
    "grad_cam_plus_plus",
    "guided_grad_cam",
    "hires_cam",
    "localization",
    "overlay",
    "randomization_check",
    "similarity_bins",
    "ssim",
]


def __dir__() -> list[str]:
    return sorted(__all__)
