"""Which dense neurons contribute to a decision, measured by interventions."""

from deepfake_generalize.causal.effect import NeuronEffects, average_causal_effect
from deepfake_generalize.causal.neurons import Overlap, overlap, top_neurons, universal_neurons

__all__ = [
    "NeuronEffects",
    "Overlap",
    "average_causal_effect",
    "overlap",
    "top_neurons",
    "universal_neurons",
]
