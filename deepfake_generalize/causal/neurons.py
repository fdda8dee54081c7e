"""Neurons that contribute most, and on how many datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb

import numpy as np

from deepfake_generalize.causal.effect import NeuronEffects
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import check_mapping, describe, is_whole, refuse_masked


@dataclass(frozen=True)
class Overlap:
    """How many neurons are among the top of how many datasets.

    Attributes:
        counts: (n_datasets,) int64; `counts[j]` neurons are in the top k of exactly j + 1 datasets.
        expected: (n_datasets,) float64; the mean of the same if every dataset's top k were sampled
            at random, independently of the others.
    """

    counts: IntArray
    expected: DoubleArray


def top_neurons(effects: NeuronEffects | AnyArray, k: float) -> IntArray:
    """Return the neurons that contribute most.

    Args:
        effects: From `average_causal_effect`, or contributions of shape (neurons,).
        k: A whole number: how many, from 1 to all. A float: the fraction of the layer, above 0 and
            at most 1.0, rounded to whole neurons, at least one.

    Returns:
        (k,) int64, indices, the largest contribution first; of equal ones the lower index first.

    Raises:
        InputError: Contributions that are not finite numbers of shape (neurons,), or such a k.

    Examples:
        >>> top_neurons(np.array([0.1, 0.4, 0.1, 0.3]), 3)
        array([1, 3, 0])
        >>> top_neurons(np.array([0.1, 0.4, 0.1, 0.3]), 1 / 4)
        array([1])
    """
    contribution = _contribution(effects)
    order = np.argsort(-contribution, kind="stable")
    return order[: _count(k, len(contribution))].astype(np.int64)


def overlap(effects: Mapping[str, NeuronEffects | AnyArray], k: float) -> Overlap:
    """Count the neurons that are in the top k of exactly 1, 2, ... of the datasets.

    Source: "How Generalizable are Deepfake Detectors?", section IV-D, Figure 5. The count expected
    by chance is ours: n C(d, j) p^j (1 - p)^(d - j) of n neurons, with p = k / n and d datasets.
    It is exact: a neuron is in each random top with probability p, independently of the other
    datasets, and means add up although the neurons compete for k places. (The overlap of two
    random tops is hypergeometric; this is its mean.)

    Args:
        effects: Dataset's name -> effects of one detector on it, all at the same site.
        k: As in `top_neurons`.

    Returns:
        Counts, and the counts expected by chance.

    Raises:
        InputError: No datasets, sites of unequal size, or what `top_neurons` refuses.

    Examples:
        >>> a, b = np.array([0.4, 0.3, 0.0, 0.0]), np.array([0.4, 0.0, 0.3, 0.0])
        >>> found = overlap({"FS": a, "NT": b}, 2)
        >>> found.counts, found.expected
        (array([2, 1]), array([2., 1.]))
    """
    times, taken = _times_in_top(effects, k)
    neurons, datasets = len(times), len(effects)
    counts = np.bincount(times, minlength=datasets + 1)[1:].astype(np.int64)
    share = taken / neurons
    expected = [
        neurons * comb(datasets, j) * share**j * (1 - share) ** (datasets - j)
        for j in range(1, datasets + 1)
    ]
    return Overlap(counts, np.asarray(expected))


def universal_neurons(effects: Mapping[str, NeuronEffects | AnyArray], k: float) -> IntArray:
    """Return the neurons that are in the top k of every dataset.

    Source: "How Generalizable are Deepfake Detectors?", section IV-D, Finding 4.

    Args:
        effects: As in `overlap`.
        k: As in `top_neurons`.

    Returns:
        int64 indices, ascending; empty where there is none.

    Raises:
        InputError: As in `overlap`.

    Examples:
        >>> a, b = np.array([0.4, 0.3, 0.0]), np.array([0.4, 0.0, 0.3])
        >>> universal_neurons({"FS": a, "NT": b}, 2)
        array([0])
    """
    times, _ = _times_in_top(effects, k)
    return np.flatnonzero(times == len(effects)).astype(np.int64)


def _times_in_top(
    effects: Mapping[str, NeuronEffects | AnyArray], k: float
) -> tuple[IntArray, int]:
    """Return for each neuron the number of datasets that have it in their top, and k."""
    if effects or not isinstance(effects, Mapping):
        check_mapping("effects", effects, of="the name of a dataset to its effects")
    sizes = {name: len(_contribution(value)) for name, value in effects.items()}
    if len(set(sizes.values())) != 1:
        raise InputError(
            "expected effects of one site on at least one dataset, received "
            f"{sizes or 'no dataset'}.",
        )
    neurons = next(iter(sizes.values()))
    times = np.zeros(neurons, np.int64)
    for value in effects.values():
        times[top_neurons(value, k)] += 1
    return times, _count(k, neurons)


def _contribution(effects: object) -> AnyArray:
    given = effects.contribution if isinstance(effects, NeuronEffects) else effects
    if not isinstance(given, np.ndarray) or given.ndim != 1 or not given.size:
        raise InputError(
            f"expected NeuronEffects or contributions of shape (neurons,), received "
            f"{describe(given)}."
        )
    refuse_masked("contributions", given)
    if not np.issubdtype(given.dtype, np.number) or not np.isfinite(given).all():
        raise InputError("expected finite contributions, received NaN or infinity.")
    return given


def _count(k: object, neurons: int) -> int:
    if is_whole(k, least=1) and k <= neurons:
        return int(k)
    if isinstance(k, float | np.floating) and 0 < k <= 1:
        return max(1, round(float(k) * neurons))
    raise InputError(
        f"expected k as a whole number from 1 to {neurons}, or as a fraction above 0 and at most "
        f"1.0, received {k!r}."
    )
