"""Intervals of what is computed from many detectors on many sets, all resampled together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.metrics import Interval
from deepfake_generalize.study.experiment import derived_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from deepfake_generalize.types import DoubleArray, IntArray

LEVEL = 0.95


@dataclass(frozen=True)
class Accuracies:
    """Accuracies in percent of detectors on sets, and how they vary with the videos of the sets.

    Attributes:
        values: (detector, set) to the accuracy itself followed by that of every resample.
    """

    values: Mapping[tuple[str, str], DoubleArray]

    def __getitem__(self, key: tuple[str, str]) -> DoubleArray:
        """Return (1 + resamples,), the accuracy of a detector on a set first."""
        return self.values[key]

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Whether the detector was measured on the set."""
        return key in self.values

    def degradation(self, detector: str, original: str, sets: tuple[str, ...]) -> DoubleArray:
        """Return (1 + resamples,), the original accuracy less the mean of those on the sets."""
        unseen = np.mean([self[detector, name] for name in sets], axis=0)
        lost: DoubleArray = self[detector, original] - unseen
        return lost


def interval(values: DoubleArray, level: float = LEVEL) -> Interval:
    """Return the estimate (the first value) and the percentile interval of the others.

    Examples:
        >>> interval(np.array([5.0, 4.0, 6.0]), 1.0)
        Interval(estimate=5.0, low=4.0, high=6.0)
    """
    tail = (1 - level) / 2
    low, high = np.quantile(values[1:], [tail, 1 - tail])
    return Interval(float(values[0]), float(low), float(high))


def resample(
    scored: Mapping[str, Mapping[str, pd.DataFrame]], *, n_resamples: int, seed: int
) -> Accuracies:
    """Resample the videos of all sets, the same ones for all detectors.

    Args:
        scored: Set to detector to a table with label, score (P(fake)), status and video. The
            detectors of a set have the same rows in the same order.
        n_resamples: How often.
        seed: Of the weights.

    Returns:
        The accuracies at a threshold of 0.5, rows without a score left out.

    Reproduction notes:
        The paper gives no intervals. This is the Bayesian bootstrap (Rubin, "The Bayesian
        Bootstrap", 1981): each video gets an exponential weight, reals and fakes of a set keep
        their shares. Videos, not frames, are weighted: frames of one video are alike; and a video
        that stands in several sets, as the originals of FS, NT and DF do, has one weight in all.
        `metrics` draws whole videos instead, set by set. Here one draw would have to serve every
        set, and could leave one of them without reals or fakes; a weight is never zero.
        Detectors are not resampled: the intervals say how the numbers would vary with other videos
        for these very detectors, not with other trainings.
    """
    names = {
        name: next(iter(tables.values()))["label"].astype(str)
        + "\t"
        + next(iter(tables.values()))["video"].astype(str)
        for name, tables in scored.items()
    }
    videos = {name: number for number, name in enumerate(sorted(set().union(*names.values())))}
    rng = np.random.default_rng(derived_seed(seed, "resampling"))
    weights = np.ones((1 + n_resamples, len(videos)))
    weights[1:] = rng.exponential(size=(n_resamples, len(videos)))
    values = {
        (detector, name): _accuracies(table, np.asarray(names[name].map(videos), np.int64), weights)
        for name, tables in scored.items()
        for detector, table in tables.items()
    }
    return Accuracies(values)


def _accuracies(table: pd.DataFrame, videos: IntArray, weights: DoubleArray) -> DoubleArray:
    """Return the accuracy in percent under each row of weights, class by class."""
    usable = (table["status"] == "ok").to_numpy()
    labels = table["label"].to_numpy()
    right = ((table["score"] >= 0.5).to_numpy() == (labels == 1)) & usable
    total = np.zeros(len(weights))
    for label in (0, 1):
        own = usable & (labels == label)
        if own.any():
            counts = np.bincount(videos, weights=own, minlength=weights.shape[1])
            hits = np.bincount(videos, weights=own & right, minlength=weights.shape[1])
            total += own.sum() * (weights @ hits) / (weights @ counts)
    accuracies: DoubleArray = 100.0 * total / usable.sum()
    return accuracies
