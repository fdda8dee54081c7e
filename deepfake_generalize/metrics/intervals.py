"""How far a metric might lie from what one test set says, by the bootstrap over videos."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.metrics._resampling import (
    GroupWeightedAuc,
    check_resampling,
    group_codes,
    resampled,
    resampled_ratios,
)
from deepfake_generalize.metrics.accuracy import accuracy
from deepfake_generalize.metrics.ranking import auc

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from deepfake_generalize.types import DoubleArray, IntArray


@dataclass(frozen=True)
class Interval:
    """A value and the interval around it.

    Attributes:
        estimate: The metric on the data themselves.
        low: The lower end.
        high: The upper end. The estimate need not lie in the middle, and of a biased metric not
            even within.
    """

    estimate: float
    low: float
    high: float


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
        metric: From (labels, scores) to a number, such as `metrics.auc`. `metrics.accuracy` and
            `metrics.auc`, and `functools.partial(accuracy, threshold=...)`, take a fast path: a
            million scores and a thousand resamples need seconds. Any other is called once a
            resample.
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
    check_resampling(level, n_resamples)
    checked_labels, checked_scores = check_pair(labels, scores, metric="an interval")
    estimate = float(metric(checked_labels, checked_scores))
    codes = group_codes(groups, checked_labels.size)
    rng = np.random.default_rng(seed)
    threshold = _threshold_of(metric)
    if threshold is not None:
        right = (checked_scores >= threshold) == checked_labels
        values = resampled_ratios(right, codes, n_resamples=n_resamples, rng=rng)
    else:
        statistic = _statistic(metric, checked_labels, checked_scores, codes)
        values = resampled(statistic, int(codes.max()) + 1, n_resamples=n_resamples, rng=rng)
    return percentile_interval(estimate, values, level)


def percentile_interval(estimate: float, values: DoubleArray, level: float) -> Interval:
    """Return the central share `level` of the resampled values, around the estimate."""
    low, high = np.quantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(estimate, float(low), float(high))


def _threshold_of(metric: Callable[..., float]) -> float | None:
    """Return the threshold if the metric is our accuracy, else None."""
    if metric is accuracy:
        return 0.5
    if isinstance(metric, functools.partial) and metric.func is accuracy and not metric.args:
        return float(metric.keywords.get("threshold", 0.5))
    return None


def _statistic(
    metric: Callable[..., float], labels: IntArray, scores: DoubleArray, codes: IntArray
) -> Callable[[IntArray], float]:
    if metric is auc:
        return GroupWeightedAuc(labels, scores, codes)

    def copied(drawn: IntArray) -> float:
        times = drawn[codes]
        return float(metric(np.repeat(labels, times), np.repeat(scores, times)))

    return copied
