"""Which dense neurons contribute to a decision, measured by interventions."""

from __future__ import annotations

import deepfake_generalize._system.keras_backend  # noqa: F401 - it refuses
from deepfake_generalize.causal.effect import (
    NeuronEffects,
    average_causal_effect,
    control,
    site_activations,
)
from deepfake_generalize.causal.neurons import (
    Overlap,
    TopStability,
    overlap,
    top_neurons,
    top_stability,
    universal_neurons,
)

__all__ = [
    "NeuronEffects",
    "Overlap",
    "TopStability",
    "average_causal_effect",
    "control",
    "overlap",
    "site_activations",
    "top_neurons",
    "top_stability",
    "universal_neurons",
]


def __dir__() -> list[str]:
    return sorted(__all__)
