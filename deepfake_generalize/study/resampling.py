"""Intervals of what is computed from many detectors on many sets, all resampled together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.metrics import Interval
from deepfake_generalize.study.family import derived_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from deepfake_generalize.types import DoubleArray

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
    """Resample the videos of every set, the same ones for all detectors, reals and fakes apart.

    Args:
        scored: Set to detector to a table with label, score (P(fake)), status and video. The
            detectors of a set have the same rows in the same order.
        n_resamples: How often.
        seed: Of the choice of videos.

    Returns:
        The accuracies at a threshold of 0.5, rows without a score left out.

    Reproduction notes:
        The paper gives no intervals. Videos, not frames, are drawn: frames of one video are alike.
        Detectors are not drawn: the intervals say how the numbers would vary with other videos for
        these very detectors, not with other trainings.
    """
    values = {}
    for name, tables in scored.items():
        rng = np.random.default_rng(derived_seed(seed, f"resampling {name}"))
        first = next(iter(tables.values()))
        draws = _draws(first, n_resamples, rng)
        for detector, table in tables.items():
            usable = (table["status"] == "ok").to_numpy()
            right = (
                (table["score"] >= 0.5).to_numpy() == (table["label"] == 1).to_numpy()
            ) & usable
            codes = _codes(table)
            hits = np.bincount(codes, weights=right, minlength=draws.shape[1])
            counts = np.bincount(codes, weights=usable, minlength=draws.shape[1])
            values[detector, name] = 100.0 * (draws @ hits) / (draws @ counts)
    return Accuracies(values)


def _codes(table: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    import pandas as pd

    # A video of a set is either real or fake; two that share a name are told apart by the label.
    names = table["label"].astype(str) + "\t" + table["video"].astype(str)
    codes: np.ndarray[tuple[int], np.dtype[np.int64]] = pd.factorize(names)[0]
    return codes


def _draws(table: pd.DataFrame, n_resamples: int, rng: np.random.Generator) -> DoubleArray:
    """Return (1 + n_resamples, videos): how often each video is drawn; once each in the first."""
    codes = _codes(table)
    labels = np.zeros(codes.max() + 1, np.int64)
    labels[codes] = table["label"].to_numpy()
    draws = np.ones((1 + n_resamples, len(labels)))
    for label in (0, 1):
        members = np.flatnonzero(labels == label)
        if members.size:
            even = np.full(members.size, 1 / members.size)
            draws[1:, members] = rng.multinomial(members.size, even, size=n_resamples)
    return draws
