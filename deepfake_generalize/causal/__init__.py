"""Which dense neurons contribute to a decision, measured by interventions."""

from deepfake_generalize.causal.bootstrap import Bootstrap
from deepfake_generalize.causal.effect import NeuronEffects, average_causal_effect
from deepfake_generalize.causal.neurons import Overlap, overlap, top_neurons, universal_neurons
from deepfake_generalize.causal.stability import TopStability, top_stability

__all__ = [
    "Bootstrap",
    "NeuronEffects",
    "Overlap",
    "TopStability",
    "average_causal_effect",
    "overlap",
    "top_neurons",
    "top_stability",
    "universal_neurons",
]
