"""AUC, average precision and EER of many resamples at once, from one sort of the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepfake_generalize.types import AnyArray, DoubleArray, IntArray

RankedMetric: TypeAlias = Literal["auc", "average_precision", "eer"]


class RankedScores:
    """Scores in their order, ready to be measured with any weights of their groups.

    A resample counts every image as often as its group was drawn. With the images sorted once, the
    number of reals (and of fakes) below any score is a cumulative sum of those counts; nothing is
    copied or sorted again.

    Args:
        labels: (N,), 0 and 1, both present.
        scores: (N,).
        codes: (N,), the number of the group of each image.
    """

    def __init__(self, labels: IntArray, scores: DoubleArray, codes: IntArray) -> None:
        """Sort once."""
        order = np.argsort(scores, kind="stable")
        is_fake = labels[order] == 1
        self._fakes, self._reals = codes[order][is_fake], codes[order][~is_fake]
        fakes, reals = scores[order][is_fake], scores[order][~is_fake]
        self._reals_below = np.searchsorted(reals, fakes, side="left")
        self._reals_up_to = np.searchsorted(reals, fakes, side="right")
        self._fakes_below = np.searchsorted(fakes, fakes, side="left")
        self._has_ties = bool((self._reals_below != self._reals_up_to).any())
        # One step beyond the highest score stands for the threshold that nothing reaches.
        levels = np.unique(scores)
        self._level_fakes = np.append(np.searchsorted(fakes, levels, side="left"), fakes.size)
        self._level_reals = np.append(np.searchsorted(reals, levels, side="left"), reals.size)
        # Half the time of int64, and wide enough for twice the images that a resample can hold.
        most = 2 * int(np.bincount(codes).max()) * (int(codes.max()) + 1)
        self._dtype = np.int32 if most < np.iinfo(np.int32).max else np.int64

    def measure(self, counts: IntArray, wanted: Sequence[RankedMetric]) -> DoubleArray:
        """Return (wanted, resamples) from how often each group was drawn, (resamples, groups).

        NaN where no fake or no real was drawn.
        """
        weights = counts.astype(self._dtype, copy=False)
        # "clip" spares the check of every index; all are in range by construction.
        fakes = weights.take(self._fakes, axis=1, mode="clip")
        reals = weights.take(self._reals, axis=1, mode="clip")
        reals_before = self._cumulative(reals)
        n_reals = reals_before[:, -1].astype(np.int64)
        fakes_before = self._cumulative(fakes) if set(wanted) - {"auc"} else fakes
        n_fakes = fakes.sum(axis=1, dtype=np.int64)
        found: dict[str, DoubleArray] = {}
        with np.errstate(divide="ignore", invalid="ignore"):
            if "auc" in wanted:
                found["auc"] = self._auc(fakes, reals_before, n_fakes, n_reals)
            if "average_precision" in wanted:
                found["average_precision"] = self._average_precision(
                    fakes, fakes_before, reals_before, n_fakes
                )
            if "eer" in wanted:
                found["eer"] = self._eer(fakes_before, reals_before, n_fakes, n_reals)
        values = np.stack([found[name] for name in wanted])
        values[:, (n_fakes == 0) | (n_reals == 0)] = np.nan
        return values

    def _cumulative(self, weights: AnyArray) -> AnyArray:
        before = np.zeros((weights.shape[0], weights.shape[1] + 1), dtype=self._dtype)
        np.cumsum(weights, axis=1, out=before[:, 1:])
        return before

    def _above(self, before: AnyArray, below: IntArray) -> AnyArray:
        left: AnyArray = before[:, -1:] - before.take(below, axis=1, mode="clip")
        return left

    def _auc(
        self, fakes: AnyArray, reals_before: AnyArray, n_fakes: IntArray, n_reals: IntArray
    ) -> DoubleArray:
        beaten = reals_before.take(self._reals_below, axis=1, mode="clip")
        if not self._has_ties:
            return _row_products(fakes, beaten) / (n_fakes * n_reals)
        # A tie counts as half a win: the mean of wins without ties and with them.
        beaten += reals_before.take(self._reals_up_to, axis=1, mode="clip")
        return _row_products(fakes, beaten) / (2 * n_fakes * n_reals)

    def _average_precision(
        self,
        fakes: AnyArray,
        fakes_before: AnyArray,
        reals_before: AnyArray,
        n_fakes: IntArray,
    ) -> DoubleArray:
        hits = self._above(fakes_before, self._fakes_below)
        found = self._above(reals_before, self._reals_below)
        found += hits
        # Above the highest score drawn nothing is found; those fakes weigh nothing either.
        precision = hits / np.maximum(found, 1, out=found)
        return _row_products(fakes, precision) / n_fakes

    def _eer(
        self, fakes_before: AnyArray, reals_before: AnyArray, n_fakes: IntArray, n_reals: IntArray
    ) -> DoubleArray:
        """Search where false alarms and misses cross, which is once: one rises, the other falls."""
        rows = np.arange(len(n_fakes))

        def rates(level: IntArray) -> tuple[DoubleArray, DoubleArray]:
            alarms = 1.0 - reals_before[rows, self._level_reals[level]] / n_reals
            hits = 1.0 - fakes_before[rows, self._level_fakes[level]] / n_fakes
            return alarms, alarms + hits - 1.0

        low = np.zeros(len(rows), dtype=np.int64)
        high = np.full(len(rows), self._level_fakes.size - 1, dtype=np.int64)
        while (high - low > 1).any():
            middle = (low + high) // 2
            loose = rates(middle)[1] >= 0.0
            low, high = np.where(loose, middle, low), np.where(loose, high, middle)
        alarms_after, after = rates(low)
        alarms_before, before = rates(high)
        share = -before / (after - before)
        return np.asarray(alarms_before + share * (alarms_after - alarms_before))


def _row_products(weights: AnyArray, values: AnyArray) -> DoubleArray:
    """Return the product of each row with the other array's, without a loop in Python."""
    products = np.einsum(
        "ij,ij->i", weights.astype(np.float64), values.astype(np.float64, copy=False)
    )
    return np.asarray(products)
