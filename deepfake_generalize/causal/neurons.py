"""Neurons that contribute most, on how many datasets, and how steadily."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deepfake_generalize.causal.effect import NeuronEffects
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.notebooks import card, html_table
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import (
    check_mapping,
    check_type,
    describe,
    is_whole,
    refuse_masked,
)


@dataclass(frozen=True)
class Overlap:
    """How many neurons are among the top of how many datasets.

    Attributes:
        counts: (n_datasets,) int64; `counts[j]` neurons are in the top k of exactly j + 1 datasets.
        expected: (n_datasets,) float64; the mean of the same if every dataset's top k were sampled
            at random, independently of the others.
        k: How many neurons are in a top.
        neurons: How many the layer has.
        controls: Kind of control -> (networks, n_datasets) int64, the counts of each of them.
    """

    counts: IntArray
    expected: DoubleArray
    k: int
    neurons: int
    controls: Mapping[str, IntArray] = field(default_factory=dict)

    @property
    def p_chance(self) -> float:
        """How likely random tops share as many neurons as all datasets do here, or more; exact.

        What one more random top leaves of those that are shared is hypergeometric.
        """
        likely = _shared_by(len(self.counts), self.k, self.neurons)
        return min(1.0, float(likely[self.counts[-1] :].sum()))

    @property
    def p_controls(self) -> dict[str, float]:
        """Kind of control -> how likely one more such network shares as many neurons, or more.

        One-sided, by Student's t: at .05 ends the 95 % prediction interval for one more network,
        each spread taken as one neuron at least. A kind of one network is left out.
        """
        from scipy.stats import t

        found = {}
        for kind, counts in self.controls.items():
            shared, n = counts[:, -1], len(counts)
            if n > 1:
                spread = max(float(shared.std(ddof=1)), 1.0) * math.sqrt(1 + 1 / n)
                found[kind] = float(t.sf((self.counts[-1] - shared.mean()) / spread, n - 1))
        return found

    def _repr_html_(self) -> str:
        """Show it in a notebook: how many neurons are shared, by chance, and by the controls."""
        kinds = {f"{kind} (mean)": of.mean(axis=0) for kind, of in self.controls.items()}
        rows: list[list[object]] = [["shared by", "neurons", "by chance", *kinds]]
        for j, (n, chance) in enumerate(zip(self.counts, self.expected, strict=True)):
            numbers = [f"{of:.2f}" for of in (chance, *(mean[j] for mean in kinds.values()))]
            rows.append([f"{j + 1} of {len(self.counts)} datasets", n, *numbers])
        table = html_table(rows, [False, *[True] * (len(rows[0]) - 1)])
        said = [f"as many or more by chance: p = {self.p_chance:.2g}"]
        said += [f"as many or more in {kind}: p = {p:.2g}" for kind, p in self.p_controls.items()]
        return card(f"Overlap of the top {self.k} of {self.neurons} neurons", [table], said)


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


def overlap(
    effects: Mapping[str, NeuronEffects | AnyArray],
    k: float,
    *,
    controls: Mapping[str, Sequence[Mapping[str, NeuronEffects | AnyArray]]] | None = None,
) -> Overlap:
    """Count the neurons that are in the top k of exactly 1, 2, ... of the datasets.

    Source: "How Generalizable are Deepfake Detectors?", section IV-D, Figure 5. The count expected
    by chance is ours: n C(d, j) p^j (1 - p)^(d - j) of n neurons, with p = k / n and d datasets.
    Chance is a low bar: in a network that was never trained, too, neurons with large weights
    contribute everywhere. Controls, which are ours, show how much of the overlap is learnt.

    Args:
        effects: Dataset's name -> effects of one detector on it, all at the same site.
        k: As in `top_neurons`.
        controls: Kind -> the same of each network, on the same images: those of `control`, say, or
            networks trained on shuffled labels.

    Raises:
        InputError: No datasets, sites of unequal size, controls on other datasets, or what
            `top_neurons` refuses.

    Examples:
        >>> a, b = np.array([0.4, 0.3, 0.0, 0.0]), np.array([0.4, 0.0, 0.3, 0.0])
        >>> found = overlap({"FS": a, "NT": b}, 2)
        >>> found.counts, found.expected
        (array([2, 1]), array([2., 1.]))
    """
    times, taken = _times_in_top(effects, k)
    neurons, datasets = len(times), len(effects)
    share = taken / neurons
    expected = [
        neurons * math.comb(datasets, j) * share**j * (1 - share) ** (datasets - j)
        for j in range(1, datasets + 1)
    ]
    compared: dict[str, list[IntArray]] = {}
    for kind, networks in (controls or {}).items():
        for control in networks:
            found, _ = _times_in_top(control, k)
            if control.keys() != effects.keys() or len(found) != neurons:
                raise InputError(
                    f"expected controls on {', '.join(effects)} with {neurons} neurons, received "
                    f"one of kind {kind!r} on {', '.join(control)} with {len(found)}.",
                    hint="Measure controls at the site and on the images of the detector.",
                )
            compared.setdefault(kind, []).append(_counts(found, datasets))
    stacked = {kind: np.stack(each) for kind, each in compared.items()}
    return Overlap(_counts(times, datasets), np.asarray(expected), taken, neurons, stacked)


@functools.lru_cache(maxsize=32)
def _shared_by(datasets: int, k: int, neurons: int) -> DoubleArray:
    """Return the probabilities that random tops share 0 to k neurons."""
    from scipy.stats import hypergeom

    had, kept = np.ogrid[: k + 1, : k + 1]
    left = hypergeom(neurons, had, k).pmf(kept)
    probabilities: DoubleArray = np.eye(k + 1)[k]
    for _ in range(datasets - 1):
        probabilities = probabilities @ left
    return probabilities


def universal_neurons(effects: Mapping[str, NeuronEffects | AnyArray], k: float) -> IntArray:
    """Return the neurons that are in the top k of every dataset.

    Source: "How Generalizable are Deepfake Detectors?", section IV-D, Finding 4.

    Arguments and errors are those of `overlap`.

    Returns:
        int64 indices, ascending; empty where there is none.

    Examples:
        >>> a, b = np.array([0.4, 0.3, 0.0]), np.array([0.4, 0.0, 0.3])
        >>> universal_neurons({"FS": a, "NT": b}, 2)
        array([0])
    """
    times, _ = _times_in_top(effects, k)
    return np.flatnonzero(times == len(effects)).astype(np.int64)


def _counts(times: IntArray, datasets: int) -> IntArray:
    return np.bincount(times, minlength=datasets + 1)[1:].astype(np.int64)


def _times_in_top(
    effects: Mapping[str, NeuronEffects | AnyArray], k: float
) -> tuple[IntArray, int]:
    """Return for each neuron the number of datasets that have it in their top, and k."""
    if effects or not isinstance(effects, Mapping):
        check_mapping("effects", effects, of="the name of a dataset to its effects")
    sizes = {name: len(_contribution(value)) for name, value in effects.items()}
    if len(set(sizes.values())) != 1:
        held = sizes or "no dataset"
        raise InputError(f"expected effects of one site on at least one dataset, received {held}.")
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
    likely, both = _shared_by(2, len(top), len(effects.effects)), np.arange(len(top) + 1)
    share = Resampling(level).level
    low, high = np.quantile(jaccard, [(1.0 - share) / 2.0, (1.0 + share) / 2.0])
    return TopStability(
        top=top,
        inclusion=named.mean(axis=0),
        jaccard=float(jaccard.mean()),
        low=float(low),
        high=float(high),
        expected=float((likely * both / (2 * len(top) - both)).sum()),
    )
