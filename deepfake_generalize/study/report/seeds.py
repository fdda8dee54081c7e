"""Several trainings of the same detectors: their mean, and how much they differ."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from deepfake_generalize.metrics import Interval
from deepfake_generalize.metrics.resampling import Accuracies, percentile_interval
from deepfake_generalize.types import DoubleArray


def over_trainings(values: Sequence[DoubleArray]) -> Interval:
    """Return the mean of a number over trainings, and its interval over videos and trainings.

    Args:
        values: For each training (1 + resamples,), itself first; resamples of the same videos.

    Returns:
        With one training, the interval over videos. With more, each half of it is the root of the
        sum of squares of that half and of Student's interval of the mean over the trainings. This
        is the method of variance estimates recovery: Zou and Donner, "Construction of confidence
        limits about effect measures", Statistics in Medicine 2008.

    Examples:
        >>> over_trainings([np.full(9, 30.0), np.full(9, 32.0)])
        Interval(estimate=31.0, low=18.2..., high=43.7...)
    """
    found = percentile_interval(np.mean(values, axis=0))
    count = len(values)
    if count == 1:
        return found
    margin = stats.t.ppf(0.975, count - 1) * between_trainings(values) / math.sqrt(count)
    low = found.estimate - math.hypot(found.estimate - found.low, margin)
    high = found.estimate + math.hypot(found.high - found.estimate, margin)
    return Interval(found.estimate, low, high)


def between_trainings(values: Sequence[DoubleArray]) -> float:
    """Return the standard deviation of a number between trainings; NaN of one training."""
    each = [np.ravel(one)[0] for one in values]
    return float(np.std(each, ddof=1)) if len(values) > 1 else math.nan


def renamed(accuracies: Accuracies, names: Mapping[str, str]) -> Accuracies:
    """Return the accuracies of the detectors named, under other names."""
    known = [key for key in accuracies.values if key[0] in names]
    values = {(names[name], of): accuracies[name, of] for name, of in known}
    return dataclasses.replace(accuracies, values=values)


def mean_accuracies(trainings: Sequence[Accuracies]) -> Accuracies:
    """Return the mean over trainings of every accuracy, in every resample."""
    first = trainings[0]
    values = {key: np.mean([each[key] for each in trainings], axis=0) for key in first.values}
    return dataclasses.replace(first, values=values)
