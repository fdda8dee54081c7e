"""Which dense neurons contribute to a decision, measured by interventions."""

from __future__ import annotations

import deepfake_generalize._system.keras_backend  # noqa: F401 - it refuses
from deepfake_generalize.causal.controls import control
from deepfake_generalize.causal.effect import NeuronEffects, average_causal_effect, site_activations
from deepfake_generalize.causal.neurons import Overlap, overlap, top_neurons, universal_neurons
from deepfake_generalize.causal.stability import TopStability, top_stability

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
