"""How well the scores order fakes above reals, whatever the threshold."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from deepfake_generalize.metrics._checks import as_numbers, check_pair
from deepfake_generalize.types import IntArray
from deepfake_generalize.validation import check_choice, check_number


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the area under the ROC curve, a fraction; 0.5 is chance.

    It is the chance that a fake scores above a real, ties counting one half.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1].

    Raises:
        InputError: Labels other than 0 and 1, scores outside [0, 1], or unequal lengths.
        UndefinedMetricError: No images, or one class only.

    Examples:
        >>> auc([1, 1, 0, 0], [0.9, 0.4, 0.2, 0.7])
        0.75
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*check_pair(labels, scores, both_classes=True, metric="AUC")))


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the average precision, fakes being the class looked for; their share is chance.

    Scikit-learn's definition: the step sum over recall, not interpolated.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1].

    Raises:
        InputError, UndefinedMetricError: As `auc`.

    Examples:
        >>> round(average_precision([1, 1, 0, 0], [0.9, 0.4, 0.2, 0.7]), 4)
        0.8333
    """
    from sklearn.metrics import average_precision_score

    pair = check_pair(labels, scores, both_classes=True, metric="average precision")
    return float(average_precision_score(*pair))


def eer(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the equal error rate: where as large a share of reals as of fakes is called wrong.

    Between two thresholds of the ROC curve the rates are interpolated linearly; 0.5 is chance.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1].

    Raises:
        InputError, UndefinedMetricError: As `auc`.

    Examples:
        >>> eer([1, 1, 0, 0], [0.9, 0.4, 0.2, 0.7])
        0.5
    """
    from sklearn.metrics import roc_curve

    pair = check_pair(labels, scores, both_classes=True, metric="EER")
    false_alarms, hits, _ = roc_curve(*pair, drop_intermediate=False)
    # Rises from -1 at the strictest threshold to 1 at the loosest, so it crosses zero once.
    excess = false_alarms + hits - 1.0
    after = int(np.argmax(excess >= 0.0))
    before = after - 1
    share = -excess[before] / (excess[after] - excess[before])
    return float(false_alarms[before] + share * (false_alarms[after] - false_alarms[before]))


def tpr_at_fpr(labels: npt.ArrayLike, scores: npt.ArrayLike, *, fpr: float = 0.01) -> float:
    """Return the share of fakes found where at most so large a share of reals is called fake.

    The largest of any threshold that keeps to `fpr`. Nothing is interpolated, so with fewer than
    1 / fpr reals none of them may be called fake.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1].
        fpr: The false positive rate allowed, in [0, 1].

    Raises:
        InputError, UndefinedMetricError: As `auc`.

    Examples:
        >>> tpr_at_fpr([1, 1, 0, 0], [0.9, 0.4, 0.2, 0.7], fpr=0.05)
        0.5
    """
    from sklearn.metrics import roc_curve

    check_number("fpr", fpr, least=0, most=1, hint="0.01 and 0.05 are usual.")
    pair = check_pair(labels, scores, both_classes=True, metric="TPR at a fixed FPR")
    false_alarms, hits, _ = roc_curve(*pair, drop_intermediate=False)
    return float(hits[false_alarms <= fpr].max())


def ranks(
    values: npt.ArrayLike, *, best: Literal["low", "high"] = "low", decimals: int = 6
) -> IntArray:
    """Return (N,) int64 places, 1 for the best; equal values share the better place.

    Degradations are best "low" (Table V), their differences "high" (Tables VI and VII). Values that
    agree to so many decimals are equal: 42.349999999999994 is 42.35.
    """
    hint = "Degradations are best low, degradation differences best high."
    check_choice("best", best, ("low", "high"), hint=hint)
    numbers = as_numbers(values, name="values").round(decimals)
    if best == "high":
        numbers = -numbers
    return np.searchsorted(np.sort(numbers), numbers, side="left").astype(np.int64) + 1
