"""Networks at work: forward, back to a layer, on from a site; one framework beside another."""

from __future__ import annotations

from deepfake_generalize.models.passes.keras_maps import (
    default_layer,
    guided_gradient,
    weighted_maps,
)
from deepfake_generalize.models.passes.keras_site import open_site, redrawn

__all__ = ["default_layer", "guided_gradient", "open_site", "redrawn", "weighted_maps"]
