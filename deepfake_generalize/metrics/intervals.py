"""How far a metric might lie from what one test set says, by the bootstrap over videos."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Collection
from typing import overload

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.metrics._ranked import RankedMetric, RankedScores
from deepfake_generalize.metrics.accuracy import accuracy, per_class_accuracy, predict_fake
from deepfake_generalize.metrics.ranking import auc, average_precision, eer
from deepfake_generalize.metrics.resampling import (
    Interval,
    Resampling,
    group_codes,
    resample,
    resample_means,
)
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import check_choice, refuse_masked

_RANKED: dict[Callable[..., float], RankedMetric] = {
    auc: "auc",
    average_precision: "average_precision",
    eer: "eer",
}
METRICS = ("accuracy", "accuracy_real", "accuracy_fake", *_RANKED.values())
"""The metrics that have intervals by name."""


@overload
def bootstrap_interval(
    metric: Callable[..., float],
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval: ...
@overload
def bootstrap_interval(
    metric: Collection[str],
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    tie: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]: ...
def bootstrap_interval(
    metric: Callable[..., float] | Collection[str],
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    tie: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval | dict[str, Interval]:
    """Return a metric, or several, with percentile bootstrap intervals, resampled by group.

    The frames of one video are alike, so intervals over single frames are far too narrow: pass the
    videos as `groups`, and whole videos are sampled, with replacement, as many as there are.

    Args:
        metric: From (labels, scores) to a number. `accuracy`, `auc`, `average_precision`, `eer`
            and `functools.partial(accuracy, threshold=...)` take a fast path: a million scores and
            a thousand resamples need seconds. Any other is called once a resample. Or a list of
            names, all measured on the same resamples: accuracy, accuracy_real and accuracy_fake
            (on the images of one class), auc, average_precision, eer.
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        groups: (N,), the video of each image, as strings or numbers. None samples single images.
        threshold: Of the accuracies that are asked for by name; a score at or above it counts as
            fake.
        tie: (N,), True for images that a coin decides: in the accuracies that are asked for
            by name they count half right whatever their score. None for no such image.
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        Estimate, low and high, in the metric's unit; of several names, a dictionary of name to
        that, without the metrics that do not exist (with one class only, all but its accuracies).
        A resample in which the metric does not exist (no fake was sampled: it raises, or gives
        NaN) is made anew.

    Raises:
        InputError: Wrong labels, scores, groups, level or number of resamples; an unknown name;
            `threshold` or `tie` with a function.
        UndefinedMetricError: The metric does not exist for the data, or not for most resamples;
            or there is one group only.

    Reproduction notes:
        The paper gives no intervals. This is the percentile interval of Efron and Tibshirani, An
        Introduction to the Bootstrap (1993), section 13.3, with groups as the units sampled. With
        few videos (under about 30) it is somewhat too narrow.

    Examples:
        >>> labels = [1, 1, 1, 1, 0, 0, 0, 0]
        >>> scores = [0.9, 0.8, 0.7, 0.2, 0.1, 0.2, 0.3, 0.6]
        >>> videos = ["a", "a", "b", "b", "c", "c", "d", "d"]
        >>> bootstrap_interval(accuracy, labels, scores, groups=videos)
        Interval(estimate=0.75, low=0.5, high=1.0)
        >>> bootstrap_interval(["accuracy_fake"], labels, scores, groups=videos)
        {'accuracy_fake': Interval(estimate=0.75, low=0.5, high=1.0)}
    """
    resampling = Resampling(level, n_resamples, seed)
    if not callable(metric):
        names = _check_names(metric)
        return _intervals_by_name(names, labels, scores, groups, threshold, tie, resampling)
    if threshold != 0.5 or tie is not None:
        raise InputError(
            "expected threshold and tie with names of metrics, received them with a function.",
            hint='Pass ["accuracy"], or functools.partial(accuracy, threshold=...).',
        )
    if getattr(metric, "__name__", "") == per_class_accuracy.__name__:
        raise InputError(
            "expected a metric that returns one number, received per_class_accuracy.",
            hint='Pass ["accuracy_real", "accuracy_fake"].',
        )
    checked_labels, checked_scores = check_pair(labels, scores, metric="an interval")
    estimate = float(metric(checked_labels, checked_scores))
    codes = group_codes(groups, checked_labels.size)
    own_threshold = _threshold_of(metric)
    if own_threshold is not None:
        right = (checked_scores >= own_threshold) == checked_labels
        values = resample_means(right, codes, resampling)
    elif metric in _RANKED:
        ranked = RankedScores(checked_labels, checked_scores, codes)
        values = _resample_ranked(ranked, (_RANKED[metric],), codes, resampling)[0]
    else:
        if math.isnan(estimate):
            raise UndefinedMetricError(
                f"{getattr(metric, '__name__', 'the metric')} is undefined for these images: it "
                "gave NaN."
            )
        values = _resample_copies(metric, checked_labels, checked_scores, codes, resampling)
    return resampling.interval(estimate, values)


def _check_names(names: object) -> list[str]:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise InputError(
            f"expected a function, or a list of names of metrics, received {names!r}.",
            hint=f"The names are {', '.join(METRICS)}.",
        )
    return [check_choice("metric", name, METRICS) for name in names]


def _intervals_by_name(
    names: Collection[str],
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: npt.ArrayLike | None,
    threshold: float,
    tie: npt.ArrayLike | None,
    resampling: Resampling,
) -> dict[str, Interval]:
    """Return the metrics that exist with their intervals, in the order of `METRICS`."""
    truth, checked = check_pair(labels, scores, metric="an interval")
    codes = group_codes(groups, truth.size)
    right = is_correct(truth, checked, threshold=threshold, tie=tie)
    found: dict[str, Interval] = {}
    counted = {"accuracy": np.ones(truth.size), "accuracy_real": truth == 0}
    counted["accuracy_fake"] = truth == 1
    for name, counts in counted.items():
        with contextlib.suppress(UndefinedMetricError):
            if name in names and counts.any():
                values = resample_means(right, codes, resampling, weights=counts)
                estimate = float(right[np.flatnonzero(counts)].mean())
                found[name] = resampling.interval(estimate, values)
    ranked_metrics = {metric: name for metric, name in _RANKED.items() if name in names}
    if ranked_metrics and truth.min() != truth.max():
        ranked = RankedScores(truth, checked, codes)
        rows = _resample_ranked(ranked, tuple(ranked_metrics.values()), codes, resampling)
        for (metric, name), row in zip(ranked_metrics.items(), rows, strict=True):
            found[name] = resampling.interval(metric(truth, checked), row)
    return found


def _resample_ranked(
    ranked: RankedScores,
    wanted: tuple[RankedMetric, ...],
    codes: IntArray,
    resampling: Resampling,
) -> DoubleArray:
    return resample(lambda counts: ranked.measure(counts, wanted), codes, resampling, threads=True)


def is_correct(
    labels: IntArray,
    scores: DoubleArray,
    *,
    threshold: float,
    tie: npt.ArrayLike | None = None,
) -> DoubleArray:
    """Return (N,): 1 where the decision is right, 0 where wrong, a half where a coin decides."""
    right = np.asarray(predict_fake(scores, threshold) == labels, dtype=np.float64)
    if tie is None:
        return right
    refuse_masked("tie", tie)
    tie = np.asarray(tie, dtype=bool)
    if tie.shape != labels.shape:
        raise InputError(
            f"expected tie for each of {labels.size} images, received shape {tie.shape}.",
            hint="Pass True where a coin decides, False elsewhere.",
        )
    return np.asarray(np.where(tie, 0.5, right), dtype=np.float64)


def _threshold_of(metric: Callable[..., float]) -> float | None:
    """Return the threshold if the metric is our accuracy, else None."""
    if metric is accuracy:
        return 0.5
    if isinstance(metric, functools.partial) and metric.func is accuracy and not metric.args:
        return float(metric.keywords.get("threshold", 0.5))
    return None


def _resample_copies(
    metric: Callable[..., float],
    labels: IntArray,
    scores: DoubleArray,
    codes: IntArray,
    resampling: Resampling,
) -> DoubleArray:
    """Resample a metric that knows no weights: it sees the images sampled.

    It gave a number for all the images, so what it raises is about those that were sampled.
    """
    raised: list[Exception] = []

    def measure(times: AnyArray) -> float:
        try:
            return float(metric(np.repeat(labels, times), np.repeat(scores, times)))
        except UndefinedMetricError:
            return float("nan")
        except MemoryError:
            raise
        except Exception as error:
            # Anyone's function, anyone's exceptions.
            raised[:] = [error]
            return float("nan")

    def statistic(counts: IntArray) -> DoubleArray:
        return np.array([[measure(row[codes]) for row in counts]])

    try:
        values = resample(statistic, codes, resampling, threads=False)
    except UndefinedMetricError as error:
        if not raised:
            raise
        raise UndefinedMetricError(
            f"{error.message} The metric raised {type(raised[0]).__name__}: {raised[0]}",
            hint=error.hint,
        ) from raised[0]
    return np.asarray(values[0])
