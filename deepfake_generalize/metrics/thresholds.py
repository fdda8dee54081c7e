"""Which threshold, and how much of a degradation is the threshold's and not the detector's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepfake_generalize.errors import UndefinedMetricError
from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.metrics.accuracy import accuracy
from deepfake_generalize.metrics.ranking import auc
from deepfake_generalize.types import DoubleArray, IntArray
from deepfake_generalize.validation import check_choice, check_mapping, check_number

ThresholdRule = Literal["half", "eer", "balanced_accuracy", "fixed_fpr"]
LabelsAndScores: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]


def choose_threshold(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    rule: ThresholdRule = "balanced_accuracy",
    fpr: float = 0.01,
) -> float:
    """Return the threshold that a rule finds on a set, to be used on others.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1], of a validation set: what a threshold gives on the set
            that it was chosen on is no result.
        rule: "balanced_accuracy", the best one; "eer", where reals and fakes are called wrong as
            nearly alike as can be; "fixed_fpr", the lowest that calls at most `fpr` of the reals
            fake; or "half", 0.5 whatever the scores.
        fpr: The false positive rate allowed by "fixed_fpr", in [0, 1].

    Returns:
        A threshold in [0, 1]; a score at or above it counts as fake. It lies half-way between two
        scores. Of several that are equally good it is the one nearest to 0.5.

    Raises:
        InputError, UndefinedMetricError: As `balanced_accuracy`, no such rule, or no threshold
            keeps to `fpr`.

    Examples:
        >>> choose_threshold([1, 1, 0, 0], [0.4, 0.3, 0.2, 0.1])
        0.25
    """
    hint = "balanced_accuracy is usual, half is the paper's."
    check_choice("rule", rule, get_args(ThresholdRule), hint=hint)
    check_number("fpr", fpr, least=0, most=1, hint="0.01 and 0.05 are usual.")
    pair = check_pair(labels, scores, both_classes=True, metric="a threshold")
    if rule == "half":
        return 0.5
    thresholds, hits, false = _cuts(*pair)
    fakes, reals = int(pair[0].sum()), int((1 - pair[0]).sum())
    # Whole numbers, so that thresholds which are equally good are seen to be.
    if rule == "eer":
        return _nearest_half(thresholds, -np.abs(false * fakes - (fakes - hits) * reals))
    if rule == "balanced_accuracy":
        return _nearest_half(thresholds, hits * reals - false * fakes)
    kept = np.flatnonzero(false / reals <= fpr)
    if not kept.size:
        raise UndefinedMetricError(
            f"expected a threshold that calls at most {fpr:g} of the reals fake, "
            f"{false[-1]} of {reals} have a score of 1.",
            hint="Allow a larger fpr, or pass scores that are not rounded to 1.",
        )
    return float(thresholds[kept[0]])


def decompose_degradation(
    original: LabelsAndScores,
    unseen: Mapping[str, LabelsAndScores],
    *,
    validation: LabelsAndScores | None = None,
) -> pd.DataFrame:
    """Take the degradation on each set apart: ranking lost, and threshold moved.

    With A for the accuracy at the threshold in use and A* for that at the set's own best one, which
    only an oracle knows,

        A(original) - A(set) = [A*(original) - A*(set)]
                               + [(A*(set) - A(set)) - (A*(original) - A(original))]
        degradation          = ranking lost + threshold moved.

    Args:
        original: Labels and scores of the original test set: (N,), 1 is fake and 0 is real, and
            (N,), P(fake) in [0, 1].
        unseen: Name to the same, for other sets.
        validation: The same of the source's validation split, whose threshold of best balanced
            accuracy is used beside 0.5.

    Returns:
        One row a set, "original" first; fractions. Columns: set, auc (NaN for one class),
        accuracy (at 0.5), validation_accuracy (NaN without `validation`), oracle_accuracy (for
        diagnosis; on small sets too good by chance), oracle_threshold, ranking_lost; degradation
        and threshold_moved at 0.5; validation_degradation and validation_threshold_moved.

    Raises:
        InputError, UndefinedMetricError: As `accuracy`, no unseen sets, or one class in
            `validation`.

    Examples:
        >>> labels = [1, 1, 0, 0]
        >>> moved = {"moved": (labels, [0.4, 0.4, 0.1, 0.1]), "lost": (labels, [0.4] * 4)}
        >>> parts = decompose_degradation((labels, [0.9, 0.9, 0.1, 0.1]), moved)
        >>> parts.set_index("set")[["degradation", "ranking_lost", "threshold_moved"]]
                  degradation  ranking_lost  threshold_moved
        set
        original          0.0           0.0              0.0
        moved             0.5           0.0              0.5
        lost              0.5           0.5              0.0
    """
    of = "the name of a set to its labels and scores"
    check_mapping("unseen", unseen, of=of, hint='Pass {"DFD": (labels, scores)}.')
    known = None if validation is None else choose_threshold(*validation)
    rows = []
    for name, (labels, scores) in {"original": original, **unseen}.items():
        pair = check_pair(labels, scores, metric="accuracy")
        thresholds, hits, false = _cuts(*pair)
        best = _nearest_half(thresholds, hits - false)
        ranked = auc(*pair) if len(set(pair[0])) > 1 else np.nan
        at_known = np.nan if known is None else accuracy(*pair, threshold=known)
        found = (accuracy(*pair), at_known, accuracy(*pair, threshold=best))
        rows.append((name, ranked, *found, best))
    names = ("auc", "accuracy", "validation_accuracy", "oracle_accuracy", "oracle_threshold")
    table = pd.DataFrame(rows, columns=["set", *names])
    table["ranking_lost"] = table["oracle_accuracy"].iloc[0] - table["oracle_accuracy"]
    for which in ("", "validation_"):
        used = table[f"{which}accuracy"]
        table[f"{which}degradation"] = used.iloc[0] - used
        table[f"{which}threshold_moved"] = table[f"{which}degradation"] - table["ranking_lost"]
    return table


def _cuts(labels: IntArray, scores: DoubleArray) -> tuple[DoubleArray, IntArray, IntArray]:
    """Return thresholds that part the scores in every way, and fakes and reals at or above each."""
    distinct, which = np.unique(scores, return_inverse=True)
    below = np.r_[0.0, distinct[:-1]]
    middle = (below + distinct) / 2
    thresholds = np.where(middle > below, middle, distinct)
    hits, false = (
        np.bincount(which[labels == label], minlength=distinct.size)[::-1].cumsum()[::-1]
        for label in (1, 0)
    )
    if distinct[-1] < 1.0:
        above = (distinct[-1] + 1.0) / 2
        thresholds = np.r_[thresholds, above if above > distinct[-1] else 1.0]
        hits, false = np.r_[hits, 0], np.r_[false, 0]
    return thresholds, hits, false


def _nearest_half(thresholds: DoubleArray, goodness: IntArray) -> float:
    best = thresholds[goodness == goodness.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])
