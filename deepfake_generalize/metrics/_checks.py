"""What every metric asks of its inputs, in one home, so that all refuse with the same words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.types import DoubleArray, IntArray
from deepfake_generalize.validation import check_unit, describe, refuse_masked

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
