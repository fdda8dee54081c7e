"""Which dense neurons contribute to a decision, measured by interventions."""

from __future__ import annotations

import deepfake_generalize._system.keras_backend  # noqa: F401 - it refuses
from deepfake_generalize.causal.controls import new_head, untrained
from deepfake_generalize.causal.effect import (
    NeuronEffects,
    average_causal_effect,
    site_activations,
)
from deepfake_generalize.causal.neurons import (
    Overlap,
    overlap,
    shared_by_chance,
    top_neurons,
    universal_neurons,
)
from deepfake_generalize.causal.stability import TopStability, top_stability

__all__ = [
    "NeuronEffects",
    "Overlap",
    "TopStability",
    "average_causal_effect",
    "new_head",
    "overlap",
    "shared_by_chance",
    "site_activations",
    "top_neurons",
    "top_stability",
    "universal_neurons",
    "untrained",
]


def __dir__() -> list[str]:
    return sorted(__all__)
