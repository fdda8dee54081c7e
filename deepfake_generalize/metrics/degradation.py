"""What a detector loses on data it has not seen: the measures of the paper's Tables V to VII."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics.measures import as_numbers
from deepfake_generalize.metrics.resampling import Interval, Resampling, Scored, resample
from deepfake_generalize.types import DoubleArray
from deepfake_generalize.validation import ROUNDING, check_choice, check_unit, describe

_UNIT_HINT = "Pass all accuracies in one unit, fractions or percent."

Unit: TypeAlias = Literal["fraction", "percent"]
ScoredSet: TypeAlias = "Scored | tuple[npt.ArrayLike | None, ...]"
"""(labels, scores), (labels, scores, groups), and tie and people behind them."""


def degradation(original: float, unseen: npt.ArrayLike, *, unit: Unit | None = None) -> float:
    """Return how much accuracy is lost from the original test set to the unseen ones.

    The paper's measure of generalizability (section IV-A, Table V): the original accuracy minus
    the mean of the unseen ones. Lower is better; negative is better on unseen data.

    Args:
        original: The accuracy on the original test set.
        unseen: The accuracies on the unseen sets, (N,), or a single one. Each set counts alike.
        unit: "fraction" (all in [0, 1]) or "percent" (all in [0, 100]), which is then checked. Not
            said, either will do, but not both at once: a value above 1 beside one above 0 and up
            to 1 is refused. So say "percent" where an accuracy can be 1 % or less.

    Returns:
        The difference, in the unit that came in.

    Raises:
        InputError: Not numbers, not finite, below 0, above 100 %, or of mixed units.
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
    VII): the degradation on the unseen sets minus that on the specialized ones.

    `specialized` are the accuracies on the sets that share synthesis method or people with the
    training data, (M,), or a single one. All else, and errors, are those of `degradation`.

    Examples:
        >>> round(degradation_difference(97.60, [51.15, 52.30, 61.80, 55.75], 80.20), 2)
        24.95
    """
    base, (on_unseen, on_specialized) = _read(
        original, {"unseen": unseen, "specialized": specialized}, unit
    )
    return (base - on_unseen) - (base - on_specialized)


def degradation_interval(
    original: ScoredSet,
    unseen: Sequence[ScoredSet],
    specialized: Sequence[ScoredSet] | None = None,
    *,
    threshold: float = 0.5,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the degradation of a detector, or its difference, with an interval from resampling.

    A video that stands in several sets (the real ones of FaceForensics++, for instance) varies
    together in all of them: equal names in `groups` are the same video.

    Args:
        original: The original test set as `(labels, scores)` or `(labels, scores, groups)`, arrays
            of shape (N,): 1 for fake and 0 for real, P(fake) in [0, 1], and the video of each
            image, without which every image stands for itself. A fourth array may say where a coin
            decides (True), a fifth who is seen, as `people` of `bootstrap_interval`.
        unseen: Each unseen set in the same way; each counts alike.
        specialized: Each set that shares method or people with the training data. With it the
            result is the `degradation_difference`, in which the original scores cancel.
        threshold: Of the accuracies.
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        Fractions; both ends are NaN where a set has fewer than five videos of a class.

    Raises:
        InputError: Wrong labels, scores, groups or threshold.
        UndefinedMetricError: No unseen or no specialized set, or no images.

    Examples:
        >>> at_home = ([1, 1, 0, 0] * 50, [0.9, 0.8, 0.1, 0.2] * 50)
        >>> abroad = ([1, 1, 0, 0] * 50, [0.9, 0.2, 0.1, 0.2] * 50)
        >>> lost = degradation_interval(at_home, [abroad])
        >>> lost.estimate, 0.15 < lost.low < 0.25 < lost.high < 0.35
        (0.25, True)
    """
    resampling = Resampling(level, n_resamples, seed)
    others = {"unseen": unseen} | ({} if specialized is None else {"specialized": specialized})
    sets = {"original": {"": _as_scored(original)}}
    names: dict[str, list[str]] = {}
    for kind, given in others.items():
        listed = _sets(kind, given)
        if not listed:
            raise UndefinedMetricError(
                f"degradation is undefined without {kind} sets.", hint="Pass at least one."
            )
        names[kind] = [f"{kind} {number}" for number in range(len(listed))]
        own = zip(names[kind], map(_as_scored, listed), strict=True)
        sets |= {name: {"": scored} for name, scored in own}
    found = resample(sets, ["accuracy"], resampling, threshold=threshold)
    lost = [found.degradation("", "original", own) for own in names.values()]
    if specialized is None:
        return found.interval(lost[0])
    return found.interval(lost[0] - lost[1], names["unseen"] + names["specialized"])


def _sets(name: str, sets: object) -> list[ScoredSet]:
    """Return the sets of a list, a tuple or any other thing that gives them in order."""
    if not isinstance(sets, Iterable) or isinstance(sets, str | Mapping):
        raise InputError(
            f"expected {name} as a list of sets, received {describe(sets)}.",
            hint="Pass a list with (labels, scores) or (labels, scores, groups) for each set.",
        )
    return list(sets)


def _as_scored(given: object) -> Scored:
    if isinstance(given, Scored):
        return given
    if not isinstance(given, tuple) or not 2 <= len(given) <= 5:
        came = f"{len(given)} of them" if isinstance(given, tuple) else describe(given)
        raise InputError(
            f"expected a set as (labels, scores) or (labels, scores, groups), received {came}.",
            hint="Pass a tuple of arrays for each set.",
        )
    return Scored(*given)


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
    every = _in_unit(np.concatenate([base, *others]), unit)
    base, *others = np.split(every, np.cumsum([1, *(values.size for values in others)])[:-1])
    # The exactly rounded sum: the order of the sets must not change the last digit.
    return float(base[0]), [math.fsum(values) / values.size for values in others]


def _in_unit(accuracies: DoubleArray, unit: Unit | None) -> DoubleArray:
    """Return accuracies that are all fractions or all percent, or refuse them."""
    if unit is not None:
        check_choice("unit", unit, get_args(Unit), hint=_UNIT_HINT)
    are_percent = unit == "percent" or (unit is None and accuracies.max() > 1.0 + ROUNDING)
    most = 100.0 if are_percent else 1.0
    what = f"accuracies, as unit={unit!r} says," if unit else "accuracies"
    inside = check_unit(what, accuracies, most=most, hint=_UNIT_HINT)
    fractions = inside[(inside > 0.0) & (inside <= 1.0 + ROUNDING)]
    if unit is None and are_percent and fractions.size:
        raise InputError(
            f"expected accuracies in one unit, received {fractions[0]:g}, which looks like a "
            f"fraction, beside {accuracies.max():g}, which is percent.",
            hint=f'{_UNIT_HINT} If {fractions[0]:g} is percent, say unit="percent".',
        )
    return inside


def _accuracies(values: npt.ArrayLike, *, name: str) -> DoubleArray:
    numbers = as_numbers(values, name=f"{name} accuracies", hint=_UNIT_HINT)
    if not numbers.size:
        raise UndefinedMetricError(
            f"degradation is undefined without {name} accuracies.", hint="Pass at least one."
        )
    return numbers
