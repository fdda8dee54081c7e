"""Every metric with an interval, of images that count more or less: of many resamples at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics.measures import (
    auc,
    average_precision,
    eer,
    predict_fake,
    tpr_at_fpr,
)
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import refuse_masked

MEANS = (
    "accuracy",
    "accuracy_real",
    "accuracy_fake",
    "balanced_accuracy",
    "brier_score",
    "log_loss",
)
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "auc": auc,
    "average_precision": average_precision,
    "eer": eer,
    "tpr_at_fpr_1": partial(tpr_at_fpr, fpr=0.01),
    "tpr_at_fpr_5": partial(tpr_at_fpr, fpr=0.05),
}
RANKED = tuple(_FUNCTIONS)
METRICS = (*MEANS[:4], *RANKED, *MEANS[4:])
"""The metrics that have intervals by name."""

LIMITS = {name: (0.0, 40.0 if name == "log_loss" else 1.0) for name in METRICS}
"""The lowest and the highest value of each."""
_LEVELS = 4096
"""Scores are told apart so finely in resamples; sets with fewer different scores are exact."""
_SMALLEST = np.finfo(np.float64).eps


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


def available(labels: IntArray, names: Sequence[str]) -> list[str]:
    """Return which of the metrics exist for these labels: of one class only its accuracy."""
    if labels.min() != labels.max():
        return list(names)
    own = "accuracy_fake" if labels[0] == 1 else "accuracy_real"
    return [name for name in names if name in {"accuracy", own, "brier_score", "log_loss"}]


class WeightedScores:
    """The scores of one set, ready to be measured with any weights of its units.

    Classes keep their shares: whatever weights the units of a class have, the class counts as much
    as it does in the set itself. `right` (N,) is 1 where the decision is right, 0 where wrong, a
    half where a coin decides; `codes` (N,) are the numbers of the images' units, `n_units` in all.
    """

    def __init__(
        self,
        labels: IntArray,
        scores: DoubleArray,
        right: DoubleArray,
        codes: IntArray,
        n_units: int,
    ) -> None:
        """Sum by unit."""
        self._labels, self._scores, self._codes, self._n_units = labels, scores, codes, n_units
        self._classes = [np.flatnonzero(labels == label) for label in (0, 1)]
        self._sizes = [self._sums(own, None) for own in self._classes]
        self._right = right
        self._totals: dict[str, list[DoubleArray]] = {}

    def measure(self, weights: DoubleArray, names: Sequence[str]) -> DoubleArray:
        """Return (names, resamples) from weights (units, resamples); NaN where a class has none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ranked = _Ranked(self, weights)
            return np.stack([self._measure(name, weights, ranked) for name in names])

    def itself(self, name: str) -> float:
        """Return a metric of the scores as they are, every digit as its function has it."""
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](self._labels, self._scores)
        if name == "accuracy":
            return float(self._right.mean())
        return float(self.measure(np.ones((self._n_units, 1)), [name])[0, 0])

    def _measure(self, name: str, weights: DoubleArray, ranked: _Ranked) -> DoubleArray:
        if name in RANKED:
            return ranked.measure(name)
        by_class = self._means("accuracy" if "accuracy" in name else name, weights)
        if name in ("accuracy_real", "accuracy_fake"):
            return by_class[int(name == "accuracy_fake")]
        shares = [len(own) / len(self._labels) for own in self._classes]
        if name == "balanced_accuracy":
            shares = [0.5, 0.5]
        total: DoubleArray = np.sum(
            [share * of for share, of in zip(shares, by_class, strict=True) if share], axis=0
        )
        return total

    def _means(self, name: str, weights: DoubleArray) -> list[DoubleArray]:
        """Return the mean of a value over each class."""
        if name not in self._totals:
            values = self._value(name)
            self._totals[name] = [self._sums(own, values[own]) for own in self._classes]
        return [
            total @ weights / (size @ weights)
            for total, size in zip(self._totals[name], self._sizes, strict=True)
        ]

    def _value(self, name: str) -> DoubleArray:
        if name == "accuracy":
            return self._right
        if name == "brier_score":
            return np.asarray((self._scores - self._labels) ** 2)
        given = np.where(self._labels == 1, self._scores, 1.0 - self._scores)
        return np.asarray(-np.log(np.clip(given, _SMALLEST, 1.0)))

    def _sums(self, own: IntArray, values: DoubleArray | None) -> DoubleArray:
        sums = np.bincount(self._codes[own], weights=values, minlength=self._n_units)
        return np.asarray(sums, dtype=np.float64)

    @cached_property
    def by_level(self) -> tuple[AnyArray, AnyArray]:
        """Sparse (levels, units): how many reals, and fakes, a unit has at each level of scores."""
        from scipy.sparse import csr_array

        _, level, often = np.unique(self._scores, return_inverse=True, return_counts=True)
        n_levels = often.size
        if n_levels > _LEVELS:
            # As many images at each level: where scores lie close, they are told apart as well.
            level = ((np.cumsum(often) - often) * _LEVELS // len(self._scores))[level]
            n_levels = _LEVELS
        reals, fakes = (
            csr_array(
                (np.ones(len(own)), (level[own], self._codes[own])), (n_levels, self._n_units)
            )
            for own in self._classes
        )
        return reals, fakes


class _Ranked:
    """The ROC curves of all resamples, made once and only where a metric needs them."""

    def __init__(self, scores: WeightedScores, weights: DoubleArray) -> None:
        self._scores, self._weights = scores, weights

    @cached_property
    def _at(self) -> tuple[DoubleArray, DoubleArray]:
        """(levels, resamples): the share of reals, and of fakes, at each level."""
        reals, fakes = (counts @ self._weights for counts in self._scores.by_level)
        return reals / reals.sum(axis=0), fakes / fakes.sum(axis=0)

    @cached_property
    def _rates(self) -> tuple[DoubleArray, DoubleArray]:
        """(levels + 1, resamples): false alarms and hits by threshold: each level, then none."""
        reals, fakes = (_from_above(at) for at in self._at)
        return reals, fakes

    def measure(self, name: str) -> DoubleArray:
        """Return a metric of each resample, (resamples,)."""
        alarms, hits = self._rates
        at_reals, at_fakes = self._at
        if name == "auc":
            # A tie counts as half a win: reals below, and half of those beside.
            return _products(at_fakes, 1.0 - alarms[:-1] + at_reals / 2)
        if name == "average_precision":
            n_reals, n_fakes = self._scores.by_level
            found = hits[:-1] * n_fakes.sum()
            precision = found / np.maximum(found + alarms[:-1] * n_reals.sum(), _SMALLEST)
            return _products(at_fakes, precision)
        if name == "eer":
            return _equal_errors(alarms, hits)
        most = {"tpr_at_fpr_1": 0.01, "tpr_at_fpr_5": 0.05}[name]
        allowed = (alarms > most + 1e-12).sum(axis=0)
        return np.asarray(np.take_along_axis(hits, allowed[np.newaxis], axis=0)[0])


def _products(weights: DoubleArray, values: DoubleArray) -> DoubleArray:
    return np.asarray(np.einsum("ij,ij->j", weights, values))


def _from_above(shares: DoubleArray) -> DoubleArray:
    """Return the sums of each row and those after it, and a row of zeros."""
    sums = np.zeros((len(shares) + 1, shares.shape[1]))
    np.cumsum(shares[::-1], axis=0, out=sums[1:])
    return sums[::-1]


def _equal_errors(alarms: DoubleArray, hits: DoubleArray) -> DoubleArray:
    """Find where false alarms and misses cross, which is once, between two thresholds."""
    excess = alarms + hits - 1.0
    loose = np.clip((excess >= 0.0).sum(axis=0) - 1, 0, len(excess) - 2)[np.newaxis]
    strict = loose + 1
    after, before = (np.take_along_axis(excess, at, axis=0) for at in (loose, strict))
    low, high = (np.take_along_axis(alarms, at, axis=0) for at in (strict, loose))
    share = -before / (after - before)
    return np.asarray((low + share * (high - low))[0])
