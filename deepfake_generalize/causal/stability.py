"""How steady the top neurons are: would other videos have named the same ones?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepfake_generalize.causal.effect import NeuronEffects
from deepfake_generalize.causal.neurons import top_neurons
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import check_type


@dataclass(frozen=True)
class TopStability:
    """How the top k of one dataset holds when its videos are sampled again.

    Attributes:
        top: (k,) int64, the top neurons of the images themselves, the largest contribution first.
        inclusion: (neurons,) float64 in [0, 1], the share of resamples in whose top each neuron is.
        jaccard: The mean over the resamples of how much of both tops is shared: the neurons in
            both over the neurons in either.
        low: The lower quantile of that among the resamples, by `level`.
        high: The upper quantile.
        expected: What two tops sampled at random, independently, would have on average.
    """

    top: IntArray
    inclusion: DoubleArray
    jaccard: float
    low: float
    high: float
    expected: float


def top_stability(effects: NeuronEffects, k: float, *, level: float = 0.95) -> TopStability:
    """Measure how steady the top k neurons are when the videos are sampled again.

    Args:
        effects: From `average_causal_effect(..., resampling=Resampling(), groups=videos)`.
        k: As in `top_neurons`.
        level: The share of resamples between `low` and `high`, in (0, 1).

    Raises:
        InputError: Effects without resamples, or another k or level.

    Reproduction notes:
        Not in the paper. Each resample keeps the values that neurons are set to. Resamples are
        noisier than the data, so the overlap is somewhat smaller than that of two independent sets.

    Examples:
        >>> resampled = np.array([[0.4, 0.3, 0.0, 0.1], [0.4, 0.0, 0.3, 0.1]])
        >>> values = np.array([[0.0, 0.4], [0.0, 0.3], [0.0, 0.0], [0.0, 0.1]])
        >>> top_stability(NeuronEffects(values, values, resampled), 2).inclusion.tolist()
        [1.0, 0.5, 0.5, 0.0]
    """
    check_type("NeuronEffects of average_causal_effect", effects, NeuronEffects)
    if effects.resampled is None:
        raise InputError(
            "expected effects with resamples, received effects without.",
            hint="Call average_causal_effect with resampling=Resampling() and groups=videos.",
        )
    top = top_neurons(effects, k)
    named: AnyArray = np.zeros(effects.resampled.shape, np.bool_)
    for row, contribution in zip(named, effects.resampled, strict=True):
        row[top_neurons(contribution, k)] = True
    shared = named[:, top].sum(axis=1)
    jaccard = shared / (2 * len(top) - shared)
    share = Resampling(level).level
    low, high = np.quantile(jaccard, [(1.0 - share) / 2.0, (1.0 + share) / 2.0])
    return TopStability(
        top=top,
        inclusion=named.mean(axis=0),
        jaccard=float(jaccard.mean()),
        low=float(low),
        high=float(high),
        expected=_expected(len(effects.effects), len(top)),
    )


def _expected(neurons: int, k: int) -> float:
    """Return the mean Jaccard index of two random tops: their overlap is hypergeometric."""
    from scipy.stats import hypergeom

    shared = np.arange(k + 1)
    probability = hypergeom(neurons, k, k).pmf(shared)
    return float((probability * shared / (2 * k - shared)).sum())
