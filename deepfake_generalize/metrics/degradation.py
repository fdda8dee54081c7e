"""What a detector loses on data it has not seen: the measures of the paper's Tables V to VII."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics._checks import as_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from deepfake_generalize.types import DoubleArray

_UNIT_HINT = "Pass all accuracies in one unit, fractions or percent."


def degradation(original: float, unseen: npt.ArrayLike) -> float:
    """Return how much accuracy is lost from the original test set to the unseen ones.

    The paper's measure of generalizability (section IV-A, Table V): the original accuracy minus
    the mean of the unseen accuracies. Lower is better; negative means that the detector does
    better on unseen data.

    Args:
        original: The accuracy on the original test set.
        unseen: The accuracies on the unseen sets, (N,), or a single one. Each set counts alike,
            however many images it holds.

    Returns:
        The difference, in the unit that came in: fractions give a fraction, percent gives
        percentage points.

    Raises:
        InputError: Not numbers, or not finite.
        UndefinedMetricError: No unseen accuracy.

    Examples:
        >>> round(degradation(97.60, [51.15, 52.30, 61.80, 55.75]), 2)
        42.35
    """
    base = _one(original, name="original")
    return base - _mean(unseen, name="unseen")


def degradation_difference(
    original: float, unseen: npt.ArrayLike, specialized: npt.ArrayLike
) -> float:
    """Return how much less is lost on specialized sets than on the other unseen ones.

    The paper's measure of what a detector has learnt besides forgery (section IV-B, Tables VI and
    VII): the degradation on the unseen sets minus the degradation on the specialized ones.
    Positive means that the detector generalizes better to the specialized sets.

    Args:
        original: The accuracy on the original test set.
        unseen: The accuracies on the unseen sets, (N,), or a single one.
        specialized: The accuracies on the sets that share the synthesis method, or the people,
            with the training data, (M,), or a single one.

    Returns:
        The difference, in the unit that came in.

    Raises:
        InputError: Not numbers, or not finite.
        UndefinedMetricError: No unseen or no specialized accuracy.

    Examples:
        >>> round(degradation_difference(97.60, [51.15, 52.30, 61.80, 55.75], 80.20), 2)
        24.95
    """
    lost_on_unseen = degradation(original, unseen)
    lost_on_specialized = _one(original, name="original") - _mean(specialized, name="specialized")
    return lost_on_unseen - lost_on_specialized


def _one(value: float, *, name: str) -> float:
    numbers = _accuracies(value, name=name)
    if numbers.size != 1:
        raise InputError(
            f"expected {name} to be one accuracy, received {numbers.size}.", hint=_UNIT_HINT
        )
    return float(numbers[0])


def _mean(values: npt.ArrayLike, *, name: str) -> float:
    numbers = _accuracies(values, name=name)
    # The exactly rounded sum: the order of the sets must not change the last digit.
    return math.fsum(numbers) / numbers.size


def _accuracies(values: npt.ArrayLike, *, name: str) -> DoubleArray:
    numbers = as_numbers(values, name=f"{name} accuracies", hint=_UNIT_HINT)
    if not numbers.size:
        raise UndefinedMetricError(
            f"degradation is undefined without {name} accuracies.", hint="Pass at least one."
        )
    return numbers
