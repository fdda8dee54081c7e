"""Several trainings of the same detectors: their mean, and how much they differ."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from deepfake_generalize.metrics import Interval
from deepfake_generalize.metrics.resampling import Replicates
from deepfake_generalize.types import DoubleArray


def over_trainings(
    trainings: Sequence[Replicates],
    values: Sequence[DoubleArray],
    sets: Iterable[str] | None = None,
    *,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Return the mean of a number over trainings, and its interval over videos and trainings.

    Args:
        trainings: Of each training, resampled alike.
        values: For each (ways, 1 + resamples), itself first, of arithmetic on its replicates.
        sets: The sets that they are of, as `Replicates.interval`.
        within: As there.

    Returns:
        With one training, the interval over videos. With more, each half of it is the root of the
        sum of squares of that half and of Student's interval of the mean over the trainings. This
        is the method of variance estimates recovery: Zou and Donner, "Construction of confidence
        limits about effect measures", Statistics in Medicine 2008.
    """
    from scipy.special import stdtrit

    found = trainings[0].interval(np.mean(values, axis=0), sets, within=within)
    count = len(values)
    if count == 1:
        return found
    margin = stdtrit(count - 1, 0.975) * between_trainings(values) / math.sqrt(count)
    low = found.estimate - math.hypot(found.estimate - found.low, margin)
    high = found.estimate + math.hypot(found.high - found.estimate, margin)
    low, high = np.clip((low, high), *within)
    return dataclasses.replace(found, low=float(low), high=float(high))


def between_trainings(values: Sequence[DoubleArray]) -> float:
    """Return the standard deviation of a number between trainings; NaN of one training."""
    each = [np.ravel(one)[0] for one in values]
    return float(np.std(each, ddof=1)) if len(values) > 1 else math.nan


def renamed(accuracies: Replicates, names: Mapping[str, str]) -> Replicates:
    """Return the accuracies of the detectors named, under other names."""
    numbers = {
        (names[name], key, metric): value
        for (name, key, metric), value in accuracies.numbers.items()
        if name in names
    }
    return dataclasses.replace(accuracies, numbers=numbers)


def mean_accuracies(trainings: Sequence[Replicates]) -> Replicates:
    """Return the mean over trainings of every accuracy, in every resample."""
    numbers = {
        key: np.mean([each.numbers[key] for each in trainings], axis=0)
        for key in trainings[0].numbers
    }
    return dataclasses.replace(trainings[0], numbers=numbers)
