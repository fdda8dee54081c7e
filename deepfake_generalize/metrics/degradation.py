"""What a detector loses on data it has not seen: the measures of the paper's Tables V to VII."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics._checks import as_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from deepfake_generalize.types import DoubleArray

_UNIT_HINT = "Pass all accuracies in one unit, fractions or percent."


Unit = Literal["fraction", "percent"]


def degradation(original: float, unseen: npt.ArrayLike, *, unit: Unit | None = None) -> float:
    """Return how much accuracy is lost from the original test set to the unseen ones.

    The paper's measure of generalizability (section IV-A, Table V): the original accuracy minus
    the mean of the unseen accuracies. Lower is better; negative means that the detector does
    better on unseen data.

    Args:
        original: The accuracy on the original test set.
        unseen: The accuracies on the unseen sets, (N,), or a single one. Each set counts alike,
            however many images it holds.
        unit: "fraction" (all in [0, 1]) or "percent" (all in [0, 100]), which is then checked. Not
            said, either will do, but not both at once: a value above 1 beside one above 0 and up
            to 1 is refused. So say "percent" where an accuracy can be 1 % or less.

    Returns:
        The difference, in the unit that came in: fractions give a fraction, percent gives
        percentage points.

    Raises:
        InputError: Not numbers, not finite, or of mixed units.
        UndefinedMetricError: No unseen accuracy.

    Examples:
        >>> round(degradation(97.60, [51.15, 52.30, 61.80, 55.75]), 2)
        42.35
    """
    base, (on_unseen,) = _read(original, {"unseen": unseen}, unit)
    return base - on_unseen


def degradation_difference(
    original: float,
    unseen: npt.ArrayLike,
    specialized: npt.ArrayLike,
    *,
    unit: Unit | None = None,
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
        unit: As in `degradation`.

    Returns:
        The difference, in the unit that came in.

    Raises:
        InputError: Not numbers, not finite, or of mixed units.
        UndefinedMetricError: No unseen or no specialized accuracy.

    Examples:
        >>> round(degradation_difference(97.60, [51.15, 52.30, 61.80, 55.75], 80.20), 2)
        24.95
    """
    base, (on_unseen, on_specialized) = _read(
        original, {"unseen": unseen, "specialized": specialized}, unit
    )
    return (base - on_unseen) - (base - on_specialized)


def _read(
    original: float, sets: Mapping[str, npt.ArrayLike], unit: Unit | None
) -> tuple[float, list[float]]:
    """Return the original accuracy and the mean of each list of others, all in one unit."""
    base = _accuracies(original, name="original")
    if base.size != 1:
        raise InputError(
            f"expected original to be one accuracy, received {base.size}.", hint=_UNIT_HINT
        )
    others = [_accuracies(values, name=name) for name, values in sets.items()]
    _check_unit(np.concatenate([base, *others]), unit)
    # The exactly rounded sum: the order of the sets must not change the last digit.
    return float(base[0]), [math.fsum(values) / values.size for values in others]


def _check_unit(accuracies: DoubleArray, unit: Unit | None) -> None:
    if unit is not None:
        limits = {"fraction": 1.0, "percent": 100.0}
        if unit not in limits:
            raise InputError(
                f"expected the unit fraction or percent, received {unit!r}.", hint=_UNIT_HINT
            )
        wrong = accuracies[(accuracies < 0.0) | (accuracies > limits[unit])]
        if wrong.size:
            raise InputError(
                f"expected accuracies from 0 to {limits[unit]:g} as unit={unit!r} says, received "
                f"{wrong[0]:g}.",
                hint=_UNIT_HINT,
            )
        return
    fractions = accuracies[(accuracies > 0.0) & (accuracies <= 1.0)]
    if fractions.size and accuracies.max() > 1.0:
        raise InputError(
            f"expected accuracies in one unit, received {fractions[0]:g}, which looks like a "
            f"fraction, beside {accuracies.max():g}, which is percent.",
            hint=f'{_UNIT_HINT} If {fractions[0]:g} is percent, say unit="percent".',
        )


def _accuracies(values: npt.ArrayLike, *, name: str) -> DoubleArray:
    numbers = as_numbers(values, name=f"{name} accuracies", hint=_UNIT_HINT)
    if not numbers.size:
        raise UndefinedMetricError(
            f"degradation is undefined without {name} accuracies.", hint="Pass at least one."
        )
    return numbers
