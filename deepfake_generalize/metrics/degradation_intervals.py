"""How far a degradation might lie from what the test sets say: the bootstrap over several sets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.errors import UndefinedMetricError
from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.metrics.degradation import degradation, degradation_difference
from deepfake_generalize.metrics.intervals import right_calls
from deepfake_generalize.metrics.resampling import Interval, Resampling, group_codes, resample_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from deepfake_generalize.types import DoubleArray


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of one test set.

    Attributes:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        groups: (N,), the video of each image, or None where every image stands for itself.
        undecided: (N,), True for images that a coin decides, or None.
    """

    labels: npt.ArrayLike
    scores: npt.ArrayLike
    groups: npt.ArrayLike | None = None
    undecided: npt.ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class ResampledAccuracy:
    """The accuracy on one set and in every resample of it, fractions.

    Attributes:
        estimate: On the set itself.
        values: (n_resamples,).
    """

    estimate: float
    values: DoubleArray


def degradation_interval(
    original: Scored,
    unseen: Sequence[Scored],
    *,
    threshold: float = 0.5,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the degradation of a detector with its percentile bootstrap interval.

    Every set is resampled by itself, by its groups: what the original set's videos happen to be
    says nothing about the unseen ones. Sets that share videos (the real ones of FaceForensics++,
    for instance) vary together, which this leaves out: the interval is then somewhat off, too
    narrow for the mean of the unseen sets.

    Args:
        original: The scores on the original test set.
        unseen: The scores on each unseen set; each set counts alike.
        threshold: Of the accuracies.
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        Estimate, low and high, as fractions; 0.42 means 42 percentage points.

    Raises:
        InputError: Wrong labels, scores, groups or threshold.
        UndefinedMetricError: No unseen set, no images, or one group only.

    Examples:
        >>> at_home = Scored([1, 1, 0, 0] * 50, [0.9, 0.8, 0.1, 0.2] * 50)
        >>> abroad = Scored([1, 1, 0, 0] * 50, [0.9, 0.2, 0.1, 0.2] * 50)
        >>> lost = degradation_interval(at_home, [abroad])
        >>> lost.estimate, 0.15 < lost.low < 0.25 < lost.high < 0.35
        (0.25, True)
    """
    resampling = Resampling(level, n_resamples, seed)
    base, others = _resampled(original, unseen, threshold, resampling)
    return degradation_from(base, others, resampling)


def degradation_difference_interval(
    original: Scored,
    unseen: Sequence[Scored],
    specialized: Sequence[Scored],
    *,
    threshold: float = 0.5,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the degradation difference with its percentile bootstrap interval.

    Args:
        original: The scores on the original test set. They cancel: the difference is between the
            specialized and the unseen sets.
        unseen: The scores on each unseen set.
        specialized: The scores on each set that shares method or people with the training data.
        threshold: Of the accuracies.
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        Fractions, as `degradation_interval`.

    Raises:
        InputError: Wrong labels, scores, groups or threshold.
        UndefinedMetricError: No unseen or no specialized set, no images, or one group only.

    Examples:
        >>> at_home = Scored([1, 1, 0, 0] * 50, [0.9, 0.8, 0.1, 0.2] * 50)
        >>> abroad = Scored([1, 1, 0, 0] * 50, [0.9, 0.2, 0.1, 0.2] * 50)
        >>> degradation_difference_interval(at_home, [abroad], [at_home]).estimate
        0.25
    """
    resampling = Resampling(level, n_resamples, seed)
    base, others = _resampled(original, [*unseen, *specialized], threshold, resampling)
    return degradation_difference_from(
        base, others[: len(unseen)], others[len(unseen) :], resampling
    )


def resampled_accuracy(
    scored: Scored, *, threshold: float, resampling: Resampling
) -> ResampledAccuracy:
    """Return the accuracy on one set and in every resample.

    Raises:
        InputError: Wrong labels, scores, groups or threshold.
        UndefinedMetricError: No images, or one group only.
    """
    labels, scores = check_pair(scored.labels, scored.scores, metric="accuracy")
    right = right_calls(labels, scores, threshold=threshold, undecided=scored.undecided)
    codes = group_codes(scored.groups, labels.size)
    return ResampledAccuracy(float(right.mean()), resample_means(right, codes, resampling))


def degradation_from(
    original: ResampledAccuracy, unseen: Sequence[ResampledAccuracy], resampling: Resampling
) -> Interval:
    """Return the degradation and its interval from accuracies that are resampled already."""
    estimate = degradation(original.estimate, [one.estimate for one in unseen], unit="fraction")
    return resampling.interval(estimate, original.values - _mean_of(unseen))


def degradation_difference_from(
    original: ResampledAccuracy,
    unseen: Sequence[ResampledAccuracy],
    specialized: Sequence[ResampledAccuracy],
    resampling: Resampling,
) -> Interval:
    """Return the degradation difference and its interval from resampled accuracies."""
    estimate = degradation_difference(
        original.estimate,
        [one.estimate for one in unseen],
        [one.estimate for one in specialized],
        unit="fraction",
    )
    return resampling.interval(estimate, _mean_of(specialized) - _mean_of(unseen))


def streams(resampling: Resampling, count: int) -> list[Resampling]:
    """Return `count` resamplings whose random streams have nothing to do with each other."""
    children = np.random.SeedSequence(resampling.seed).generate_state(count, np.uint64)
    return [replace(resampling, seed=int(child)) for child in children]


def _mean_of(sets: Sequence[ResampledAccuracy]) -> DoubleArray:
    return np.asarray(np.mean([one.values for one in sets], axis=0), dtype=np.float64)


def _resampled(
    original: Scored, others: Sequence[Scored], threshold: float, resampling: Resampling
) -> tuple[ResampledAccuracy, list[ResampledAccuracy]]:
    if not others:
        raise UndefinedMetricError(
            "degradation is undefined without unseen sets.", hint="Pass at least one."
        )
    sets = [original, *others]
    base, *rest = (
        resampled_accuracy(one, threshold=threshold, resampling=stream)
        for one, stream in zip(sets, streams(resampling, len(sets)), strict=True)
    )
    return base, rest
