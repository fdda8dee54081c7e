"""One number of labels and scores: how many are right, in what order, and how well calibrated."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import (
    check_choice,
    check_number,
    check_unit,
    check_whole,
    describe,
    refuse_masked,
)

_LABEL_HINT = "Label fakes 1 and reals 0."
SCORE_HINT = "Pass P(fake); a detector that returns P(real) needs 1 - score, logits a sigmoid."


def as_numbers(values: npt.ArrayLike, *, name: str, hint: str = "") -> DoubleArray:
    """Return `values` as finite float64, shape (N,), or raise `InputError`; a number has N = 1."""
    refuse_masked(name, values)
    try:
        if np.iscomplexobj(values):
            raise TypeError("complex numbers have no order")  # noqa: TRY301
        numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"expected {name} to be numbers, received {describe(values)}.", hint=hint
        ) from error
    if numbers.ndim != 1:
        raise InputError(f"expected {name} of shape (N,), received {describe(numbers)}.", hint=hint)
    if not np.isfinite(numbers).all():
        count = int((~np.isfinite(numbers)).sum())
        raise InputError(
            f"expected finite {name}, received NaN or infinity in {count} of {numbers.size}.",
            hint=hint or "Leave out what could not be measured, and say so.",
        )
    return numbers


def check_pair(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, both_classes: bool = False, metric: str
) -> tuple[IntArray, DoubleArray]:
    """Return labels as int64 in {0, 1} and scores as float64 in [0, 1], both (N,), N > 0."""
    checked_labels = as_numbers(labels, name="labels", hint=_LABEL_HINT)
    checked_scores = as_numbers(scores, name="scores", hint=SCORE_HINT)
    if checked_labels.size != checked_scores.size:
        raise InputError(
            "expected as many labels as scores, received "
            f"{checked_labels.size} labels and {checked_scores.size} scores.",
            hint="Pass one score for each label, in the same order.",
        )
    if not checked_labels.size:
        raise UndefinedMetricError(
            f"{metric} is undefined for no images at all.",
            hint="Pass at least one label and score.",
        )
    wrong = checked_labels[(checked_labels != 0) & (checked_labels != 1)]
    if wrong.size:
        raise InputError(f"expected labels 0 or 1, received {wrong[0]:g}.", hint=_LABEL_HINT)
    checked_scores = check_unit("scores", checked_scores, hint=SCORE_HINT)
    if both_classes and checked_labels.min() == checked_labels.max():
        only = "fake" if checked_labels[0] == 1 else "real"
        raise UndefinedMetricError(
            f"{metric} is undefined for one class: all {checked_labels.size} labels are {only}.",
            hint="Add images of the other class, or report the accuracy instead.",
        )
    return checked_labels.astype(np.int64), checked_scores


def accuracy(labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5) -> float:
    """Return the share of images that are called what they are, as in Tables IV to VII.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        threshold: In [0, 1]; a score at or above it counts as fake.

    Raises:
        InputError: Labels other than 0 and 1, scores or a threshold outside [0, 1], or unequal
            lengths.
        UndefinedMetricError: No images.

    Examples:
        >>> accuracy([1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7])
        0.75
    """
    checked_labels, checked_scores = check_pair(labels, scores, metric="accuracy")
    return float(np.mean(predict_fake(checked_scores, threshold) == checked_labels))


def balanced_accuracy(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5
) -> float:
    """Return the mean of the accuracy on the reals and that on the fakes: 0.5 is chance.

    Arguments and errors are those of `accuracy`, and `UndefinedMetricError` for one class only.

    Examples:
        >>> balanced_accuracy([1, 1, 1, 0], [0.9, 0.5, 0.2, 0.1])
        0.8333333333333333
    """
    pair = check_pair(labels, scores, both_classes=True, metric="balanced accuracy")
    found = per_class_accuracy(*pair, threshold=threshold)
    return (found["real"] + found["fake"]) / 2


def per_class_accuracy(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5
) -> dict[str, float]:
    """Return the accuracy on the reals and on the fakes, under the keys "real" and "fake".

    Arguments and errors are those of `accuracy`; a class that does not occur is left out.

    Examples:
        >>> per_class_accuracy([1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7])
        {'real': 0.5, 'fake': 1.0}
    """
    checked_labels, checked_scores = check_pair(labels, scores, metric="per-class accuracy")
    correct = predict_fake(checked_scores, threshold) == checked_labels
    return {
        name: float(np.mean(correct[checked_labels == label]))
        for label, name in enumerate(("real", "fake"))
        if (checked_labels == label).any()
    }


def predict_fake(scores: AnyArray, threshold: float) -> AnyArray:
    """Return where scores count as fake, or raise `InputError` for a threshold outside [0, 1]."""
    check_number("threshold", threshold, least=0, most=1, hint="0.5 is the paper's threshold.")
    return np.asarray(scores >= threshold)


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

    Arguments and errors are those of `auc`.

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

    Arguments and errors are those of `auc`.

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


def brier_score(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the mean squared distance of the scores from the labels: 0 is best, 0.25 a constant.

    Labels, scores and errors are those of `accuracy`.

    Examples:
        >>> brier_score([1, 0], [0.5, 0.0])
        0.125
    """
    checked_labels, checked_scores = check_pair(labels, scores, metric="Brier score")
    return float(np.mean((checked_scores - checked_labels) ** 2))


def log_loss(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the mean negative log-likelihood of the labels, in nats; a constant 0.5 gets 0.693.

    Labels, scores and errors are those of `accuracy`. A score that is sure and wrong costs 36 nats,
    not infinity.

    Examples:
        >>> round(log_loss([1, 0], [0.5, 0.5]), 3)
        0.693
    """
    from sklearn.metrics import log_loss as mean_loss

    return float(mean_loss(*check_pair(labels, scores, metric="log loss"), labels=[0, 1]))


def expected_calibration_error(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = 15
) -> float:
    """Return by how much scores miss the share of fakes among images with such scores; 0 is best.

    The distance between mean score and share of fakes of each bin, averaged over the images. Bins
    are of P(fake), as in scikit-learn's `calibration_curve`, not of the confidence in the class
    called, as in Guo et al. (2017).

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        bins: How many, of equal width; a score on a border belongs to the lower one.

    Raises:
        InputError, UndefinedMetricError: As `accuracy`, or no bins.

    Examples:
        >>> round(expected_calibration_error([1, 1, 0, 0], [0.9, 0.9, 0.9, 0.1]), 3)
        0.2
    """
    check_whole("bins", bins, least=1, hint="15 is usual.")
    checked_labels, checked_scores = check_pair(labels, scores, metric="calibration error")
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], checked_scores)
    excess = np.bincount(bin_of, weights=checked_scores - checked_labels)
    return float(np.abs(excess).sum() / checked_labels.size)


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
