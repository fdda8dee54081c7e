"""How far a metric might lie from what one test set says, by the bootstrap over videos."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.metrics._ranked import RankedMetric, RankedScores
from deepfake_generalize.metrics.accuracy import accuracy, called_fake, per_class_accuracy
from deepfake_generalize.metrics.ranking import auc, average_precision, eer
from deepfake_generalize.metrics.resampling import (
    Interval,
    Resampling,
    group_codes,
    resample,
    resample_means,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from deepfake_generalize.types import AnyArray, DoubleArray, IntArray

_RANKED: dict[Callable[..., float], RankedMetric] = {
    auc: "auc",
    average_precision: "average_precision",
    eer: "eer",
}


def bootstrap_interval(
    metric: Callable[..., float],
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return a metric with its percentile bootstrap interval, resampled by group.

    The frames of one video are alike, so intervals over single frames are far too narrow: pass the
    videos as `groups`, and whole videos are drawn, with replacement, as many as there are.

    Args:
        metric: From (labels, scores) to a number. `accuracy`, `auc`, `average_precision`, `eer`
            and `functools.partial(accuracy, threshold=...)` take a fast path: a million scores and
            a thousand resamples need seconds. Any other is called once a resample. For several
            metrics of the same scores, and for the accuracy of each class, `bootstrap_intervals`.
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        groups: (N,), the video of each image, as strings or numbers. None draws single images.
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        Estimate, low and high, in the metric's unit. A resample in which the metric does not
        exist (no fake was drawn) is drawn again.

    Raises:
        InputError: Wrong labels, scores, groups, level or number of resamples.
        UndefinedMetricError: The metric does not exist for the data, or not for most resamples;
            or there is one group only.

    Reproduction notes:
        The paper gives no intervals. This is the percentile interval of Efron and Tibshirani, An
        Introduction to the Bootstrap (1993), section 13.3, with groups as the units drawn. With
        few videos (under about 30) it is somewhat too narrow.

    Examples:
        >>> labels = [1, 1, 1, 1, 0, 0, 0, 0]
        >>> scores = [0.9, 0.8, 0.7, 0.2, 0.1, 0.2, 0.3, 0.6]
        >>> videos = ["a", "a", "b", "b", "c", "c", "d", "d"]
        >>> bootstrap_interval(accuracy, labels, scores, groups=videos)
        Interval(estimate=0.75, low=0.5, high=1.0)
    """
    resampling = Resampling(level, n_resamples, seed)
    if getattr(metric, "__name__", "") == per_class_accuracy.__name__:
        raise InputError(
            "expected a metric that returns one number, received per_class_accuracy.",
            hint="bootstrap_intervals gives accuracy_real and accuracy_fake.",
        )
    checked_labels, checked_scores = check_pair(labels, scores, metric="an interval")
    estimate = float(metric(checked_labels, checked_scores))
    codes = group_codes(groups, checked_labels.size)
    threshold = _threshold_of(metric)
    if threshold is not None:
        right = (checked_scores >= threshold) == checked_labels
        values = resample_means(right, codes, resampling)
    elif metric in _RANKED:
        ranked = RankedScores(checked_labels, checked_scores, codes)
        wanted = (_RANKED[metric],)
        values = resample(
            lambda drawn: ranked.measure(drawn, wanted), codes, resampling, threads=True
        )[0]
    else:
        statistic = _copying(metric, checked_labels, checked_scores, codes)
        values = resample(statistic, codes, resampling, threads=False)[0]
    return resampling.interval(estimate, values)


def bootstrap_intervals(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    undecided: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return every metric with its interval, from one set of resamples.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        groups: (N,), the video of each image, as strings or numbers. None draws single images.
        threshold: Of the accuracies; a score at or above it counts as fake.
        undecided: (N,), True for images that a coin decides: in accuracies they count half right
            whatever their score. None for no such image.
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        accuracy, accuracy_real, accuracy_fake, auc, average_precision and eer, fractions, those
        that exist: with one class only its accuracies alone.

    Raises:
        InputError: Wrong labels, scores, groups, threshold, or undecided of another length.
        UndefinedMetricError: No images, or one group only.

    Examples:
        >>> labels = [1, 1, 1, 1, 0, 0, 0, 0]
        >>> scores = [0.9, 0.8, 0.7, 0.2, 0.1, 0.2, 0.3, 0.6]
        >>> videos = ["a", "a", "b", "b", "c", "c", "d", "d"]
        >>> bootstrap_intervals(labels, scores, groups=videos)["accuracy_fake"]
        Interval(estimate=0.75, low=0.5, high=1.0)
    """
    resampling = Resampling(level, n_resamples, seed)
    truth, checked = check_pair(labels, scores, metric="an interval")
    codes = group_codes(groups, truth.size)
    right = right_calls(truth, checked, threshold=threshold, undecided=undecided)
    found: dict[str, Interval] = {}
    for name, counts in (
        ("accuracy", np.ones(truth.size)),
        ("accuracy_real", truth == 0),
        ("accuracy_fake", truth == 1),
    ):
        with contextlib.suppress(UndefinedMetricError):
            if counts.any():
                values = resample_means(right, codes, resampling, weights=counts)
                estimate = float(right[np.flatnonzero(counts)].mean())
                found[name] = resampling.interval(estimate, values)
    if truth.min() == truth.max():
        return found
    ranked = RankedScores(truth, checked, codes)
    wanted = tuple(_RANKED.values())
    values = resample(lambda drawn: ranked.measure(drawn, wanted), codes, resampling, threads=True)
    for metric, row in zip(_RANKED, values, strict=True):
        found[_RANKED[metric]] = resampling.interval(metric(truth, checked), row)
    return found


def right_calls(
    labels: IntArray,
    scores: DoubleArray,
    *,
    threshold: float,
    undecided: npt.ArrayLike | None = None,
) -> DoubleArray:
    """Return (N,), 1 where an image is called what it is, 0 where not, a half for a coin's.

    Raises:
        InputError: A threshold outside [0, 1], or `undecided` of another length.
    """
    right = np.asarray(called_fake(scores, threshold) == labels, dtype=np.float64)
    if undecided is None:
        return right
    coin = np.asarray(undecided, dtype=bool)
    if coin.shape != labels.shape:
        raise InputError(
            f"expected undecided for each of {labels.size} images, received shape {coin.shape}.",
            hint="Pass True where a coin decides, False elsewhere.",
        )
    return np.asarray(np.where(coin, 0.5, right), dtype=np.float64)


def _threshold_of(metric: Callable[..., float]) -> float | None:
    """Return the threshold if the metric is our accuracy, else None."""
    if metric is accuracy:
        return 0.5
    if isinstance(metric, functools.partial) and metric.func is accuracy and not metric.args:
        return float(metric.keywords.get("threshold", 0.5))
    return None


def _copying(
    metric: Callable[..., float], labels: IntArray, scores: DoubleArray, codes: IntArray
) -> Callable[[IntArray], DoubleArray]:
    """Return the statistic of a metric that knows no weights: it sees every image drawn."""

    def measure(times: AnyArray) -> float:
        try:
            return float(metric(np.repeat(labels, times), np.repeat(scores, times)))
        except UndefinedMetricError:
            return float("nan")

    return lambda drawn: np.array([[measure(row[codes]) for row in drawn]])
