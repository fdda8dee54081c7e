"""AUC, average precision and EER of many resamples at once, from one sort of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from deepfake_generalize.types import AnyArray, DoubleArray, IntArray

RankedMetric: TypeAlias = Literal["auc", "average_precision", "eer"]


class RankedScores:
    """Scores in their order, ready to be measured with any weights of their groups.

    A resample counts every image as often as its group was sampled. With the images sorted once,
    the number of reals (and of fakes) below any score is a cumulative sum of those counts; nothing
    is copied or sorted again.

    Args:
        labels: (N,), 0 and 1, both present.
        scores: (N,).
        codes: (N,), the number of the group of each image.

    Attributes:
        fakes: The groups of the fakes, by rising score; `reals` likewise.
        reals_below: For each fake, how many reals have a lower score; `fakes_below` likewise.
        reals_up_to: For each fake, how many reals have a lower score or the same.
        has_ties: Whether a fake and a real share a score.
        level_fakes: How many fakes lie below each score that occurs; `level_reals` likewise.
        dtype: Of the counts.
    """

    def __init__(self, labels: IntArray, scores: DoubleArray, codes: IntArray) -> None:
        """Sort once."""
        order = np.argsort(scores, kind="stable")
        is_fake = labels[order] == 1
        self.fakes, self.reals = codes[order][is_fake], codes[order][~is_fake]
        fakes, reals = scores[order][is_fake], scores[order][~is_fake]
        self.reals_below = np.searchsorted(reals, fakes, side="left")
        self.reals_up_to = np.searchsorted(reals, fakes, side="right")
        self.fakes_below = np.searchsorted(fakes, fakes, side="left")
        self.has_ties = bool((self.reals_below != self.reals_up_to).any())
        # One step beyond the highest score stands for the threshold that nothing reaches.
        levels = np.unique(scores)
        self.level_fakes = np.append(np.searchsorted(fakes, levels, side="left"), fakes.size)
        self.level_reals = np.append(np.searchsorted(reals, levels, side="left"), reals.size)
        # Half the time of int64, and wide enough for twice the images that a resample can hold.
        most = 2 * int(np.bincount(codes).max()) * (int(codes.max()) + 1)
        self.dtype = np.int32 if most < np.iinfo(np.int32).max else np.int64

    def measure(self, counts: IntArray, wanted: Sequence[RankedMetric]) -> DoubleArray:
        """Return (wanted, resamples) from how often each group was sampled, (resamples, groups).

        NaN where no fake or no real was sampled.
        """
        sampled = _Sampled(self, counts.astype(self.dtype, copy=False))
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.stack([getattr(sampled, name)() for name in wanted])
        values[:, (sampled.n_fakes == 0) | (sampled.n_reals == 0)] = np.nan
        return values


class _Sampled:
    """A block of resamples: (resamples, images) of how often each was sampled, and their sums.

    What several metrics need is made once, and only where one needs it.
    """

    def __init__(self, scores: RankedScores, weights: AnyArray) -> None:
        self._scores = scores
        # "clip" spares the check of every index; all are in range by construction.
        self._fakes: AnyArray = weights.take(scores.fakes, axis=1, mode="clip")
        self._reals_before = self._cumulative(weights.take(scores.reals, axis=1, mode="clip"))
        self.n_fakes: IntArray = self._fakes.sum(axis=1, dtype=np.int64)
        self.n_reals: IntArray = self._reals_before[:, -1].astype(np.int64)

    def auc(self) -> DoubleArray:
        """Count the pairs in which the fake has the higher score."""
        pairs = self.n_fakes * self.n_reals
        if not self._scores.has_ties:
            return _row_products(self._fakes, self._reals_below) / pairs
        # A tie counts as half a win: the mean of wins without ties and with them.
        beaten = self._reals_before.take(self._scores.reals_up_to, axis=1, mode="clip")
        beaten += self._reals_below
        return _row_products(self._fakes, beaten) / (2 * pairs)

    def average_precision(self) -> DoubleArray:
        """Take each fake's score for the threshold in turn."""
        before = self._fakes_before
        hits = before[:, -1:] - before.take(self._scores.fakes_below, axis=1, mode="clip")
        found = self._reals_before[:, -1:] - self._reals_below
        found += hits
        # Above the highest score sampled nothing is found; those fakes weigh nothing either.
        precision = hits / np.maximum(found, 1, out=found)
        return _row_products(self._fakes, precision) / self.n_fakes

    def eer(self) -> DoubleArray:
        """Search where false alarms and misses cross, which is once: one rises, the other falls."""
        rows = np.arange(len(self.n_fakes))
        reals, fakes = self._scores.level_reals, self._scores.level_fakes

        def rates(level: IntArray) -> tuple[DoubleArray, DoubleArray]:
            alarms = 1.0 - self._reals_before[rows, reals[level]] / self.n_reals
            hits = 1.0 - self._fakes_before[rows, fakes[level]] / self.n_fakes
            return alarms, alarms + hits - 1.0

        low = np.zeros(len(rows), dtype=np.int64)
        high = np.full(len(rows), fakes.size - 1, dtype=np.int64)
        while (high - low > 1).any():
            middle = (low + high) // 2
            loose = rates(middle)[1] >= 0.0
            low, high = np.where(loose, middle, low), np.where(loose, high, middle)
        alarms_after, after = rates(low)
        alarms_before, before = rates(high)
        share = -before / (after - before)
        return np.asarray(alarms_before + share * (alarms_after - alarms_before))

    @cached_property
    def _fakes_before(self) -> AnyArray:
        return self._cumulative(self._fakes)

    @cached_property
    def _reals_below(self) -> AnyArray:
        """How many reals have a lower score than each fake."""
        below: AnyArray = self._reals_before.take(self._scores.reals_below, axis=1, mode="clip")
        return below

    def _cumulative(self, weights: AnyArray) -> AnyArray:
        before = np.zeros((weights.shape[0], weights.shape[1] + 1), dtype=weights.dtype)
        np.cumsum(weights, axis=1, out=before[:, 1:])
        return before


def _row_products(weights: AnyArray, values: AnyArray) -> DoubleArray:
    """Return the product of each row with the other array's.

    NumPy converts a piece at a time, which takes half the time of converting whole arrays first.
    """
    products = np.einsum("ij,ij->i", weights, values, dtype=np.float64, casting="safe")
    return np.asarray(products)
