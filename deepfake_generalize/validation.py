"""Checks of arguments: each returns the value, or refuses it with the same words everywhere."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import numpy as np

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from deepfake_generalize.types import AnyArray

MAX_PIXELS = 100_000_000
"""No picture or frame larger than this is decoded: its header alone could ask for all memory."""

ROUNDING = 1e-6
"""What is outside [0, 1] by no more than this is there by rounding: a float32 softmax gives
1.0000001, a resized image likewise."""

T = TypeVar("T")

_IMAGE_HINT = (
    "Pass RGB images as uint8 in 0 to 255 or as float in [0, 1], channels last; "
    "the scale is never guessed."
)


def describe(value: object) -> str:
    """Describe a value for a message: an array by shape and dtype, all else by its type.

    Examples:
        >>> describe(np.zeros((2, 3), np.int32))
        'an array of shape (2, 3) and dtype int32'
        >>> describe("x")
        'str'
    """
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return type(value).__name__


def is_whole(value: object, *, least: int | None = None) -> TypeGuard[int]:
    """Return whether this is a whole number, Python's or NumPy's; True and False are not.

    Args:
        value: Anything.
        least: The smallest allowed; None allows all.

    Examples:
        >>> is_whole(np.int64(3), least=1), is_whole(0, least=1), is_whole(2.0), is_whole(True)
        (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return least is None or bool(value >= least)


def check_whole(
    name: str,
    value: object,
    *,
    least: int | None = None,
    most: int | None = None,
    even: bool = False,
    hint: str = "",
) -> int:
    """Return a whole number as Python's `int`, or refuse it by the name of its argument.

    Examples:
        >>> check_whole("batch_size", np.int64(3), least=1)
        3
        >>> check_whole("batch_size", 2.5, least=1)
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected batch_size to be a whole number from 1, \
received 2.5.
    """
    if (
        not is_whole(value, least=least)
        or (most is not None and value > most)
        or (even and value % 2)
    ):
        kind = "an even" if even else "a whole"
        low = "" if least is None else f" from {least}"
        high = "" if most is None else f" {'to' if low else 'up to'} {most}"
        raise InputError(
            f"expected {name} to be {kind} number{low}{high}, received {value!r}.", hint=hint
        )
    return int(value)


def check_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    hint: str = "",
) -> float:
    """Return a finite number as `float`, or refuse it by the name of its argument and its range.

    Examples:
        >>> check_number("level", 0.95, above=0, below=1)
        0.95
        >>> check_number("level", 95, above=0, below=1)
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected level to be a number above 0 and below 1, \
received 95.
    """
    asked = [
        (word, bound, holds)
        for word, bound, holds in (
            ("above", above, operator.gt),
            ("from", least, operator.ge),
            ("below", below, operator.lt),
            ("at most", most, operator.le),
        )
        if bound is not None
    ]
    number = math.nan
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # From 10**400, say.
            number = float(value)
    if not math.isfinite(number) or not all(holds(number, bound) for _, bound, holds in asked):
        limits = " and".join(f" {word} {bound:.15g}" for word, bound, _ in asked)
        raise InputError(f"expected {name} to be a number{limits}, received {value!r}.", hint=hint)
    return number


def check_choice(name: str, value: object, choices: Collection[str], *, hint: str = "") -> str:
    """Return a word if it is one of the choices, or refuse it and list them.

    Examples:
        >>> check_choice("target", "fake", ("fake", "real"))
        'fake'
        >>> check_choice("target", "forged", ("fake", "real"))
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected target to be one of fake, real, \
received 'forged'.
    """
    if not isinstance(value, str) or value not in choices:
        raise InputError(
            f"expected {name} to be one of {', '.join(choices)}, received {value!r}.", hint=hint
        )
    return value


def check_type(what: str, value: object, kind: type[T], *, hint: str = "") -> T:
    """Return a value if it is of a class, or refuse it: `what` says what was expected.

    Examples:
        >>> check_type("the name of a set", 3, str)
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected the name of a set, received int.
    """
    if not isinstance(value, kind):
        raise InputError(f"expected {what}, received {describe(value)}.", hint=hint)
    return value


def check_mapping(name: str, value: object, *, of: str, hint: str = "") -> Mapping[str, Any]:
    """Return a mapping of texts to what `of` says, with at least one entry, or refuse it.

    Examples:
        >>> check_mapping("unseen", [1], of="the name of a set to its crops")
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected unseen to map the name of a set to its \
crops, received list.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        came = describe(value) if not isinstance(value, Mapping) else f"keys {list(value)!r}"
        raise InputError(f"expected {name} to map {of}, received {came}.", hint=hint)
    if not value:
        raise InputError(f"expected {name} to map {of}, received nothing in it.", hint=hint)
    return value


def check_unit(
    what: str,
    values: AnyArray,
    *,
    source: str = "",
    least: float = 0.0,
    most: float = 1.0,
    hint: str = "",
) -> AnyArray:
    """Return numbers that lie in [0, 1], with those outside by rounding put at the border.

    This is the one rule for scores, images, heat maps and accuracies.

    Args:
        what: What the message calls them.
        values: Floats of any shape, or whole numbers.
        source: Where they are from, for the message.
        least: The lower border.
        most: The upper border, 100 for percent; `ROUNDING` is a share of it. Types whose own steps
            are coarser than `ROUNDING` (float16) may be one step outside.
        hint: What to do about values that are truly outside.

    Returns:
        The same array, not copied, where all are inside; else a copy.

    Raises:
        InputError: A value outside by more than rounding, infinity or NaN.

    Examples:
        >>> check_unit("scores", np.array([0.5, 1.0000001, -1e-9])).tolist()
        [0.5, 1.0, 0.0]
        >>> check_unit("scores", np.array([0.5, 1.00001]))
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected scores in [0, 1], received values from \
0.5 to 1.00001.
    """
    if not values.size:
        return values
    low, high = float(values.min()), float(values.max())
    if low >= least and high <= most:
        return values
    steps = np.finfo(values.dtype).eps if np.issubdtype(values.dtype, np.floating) else 0.0
    hair = most * max(ROUNDING, float(steps))
    if not (low >= least - hair and high <= most + hair):
        where = f" from {source}" if source else ""
        raise InputError(
            f"expected {what} in [{least:g}, {most:g}]{where}, received values from {low:.9g} to "
            f"{high:.9g}.",
            hint=hint,
        )
    return np.clip(values, least, most)


def check_counts(what: str, values: AnyArray, *, most: float = math.inf) -> None:
    """Refuse what are no counts, nor numbers to be expected of counts: below 0 or above `most`.

    Examples:
        >>> check_counts("faces", np.array([3, -1]))
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected faces from 0, received -1.
    """
    for value in np.ravel(values).tolist():
        if not isinstance(value, int | float) or not 0 <= value <= most or math.isinf(value):
            top = "" if math.isinf(most) else f" to {most:g}"
            raise InputError(f"expected {what} from 0{top}, received {value!r}.")


def refuse_masked(what: str, values: object, *, hint: str = "") -> None:
    """Raise if some values are masked: NumPy drops masks on the way, and they would count.

    Examples:
        >>> refuse_masked("scores", np.ma.masked_less([0.5, -1.0], 0))
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected scores without gaps, received 1 of 2 \
masked. Leave out what is masked, for instance by compressed(), and say so.
    """
    flags: AnyArray = np.zeros(0, np.bool_)
    if isinstance(values, np.ma.MaskedArray):
        flags = np.asarray(np.ma.getmaskarray(values))
    elif isinstance(values, list | tuple):
        flags = np.fromiter((value is np.ma.masked for value in values), np.bool_, len(values))
    if flags.any():
        raise InputError(
            f"expected {what} without gaps, received {flags.sum()} of {flags.size} masked.",
            hint=hint or "Leave out what is masked, for instance by compressed(), and say so.",
        )


def check_image_shape(images: object, *, name: str = "images") -> AnyArray:
    """Return `images` unchanged if shape and dtype are right; the values are not looked at.

    Args:
        images: Expected: (N, H, W, 3), uint8 or float16/32/64. N may be 0.
        name: What the message calls it.

    Returns:
        The same array, not copied.

    Raises:
        InputError: Not an array, wrong number of axes or channels, or wrong dtype.

    Examples:
        >>> check_image_shape(np.zeros((1, 8, 8, 3))).shape
        (1, 8, 8, 3)
    """
    if not isinstance(images, np.ndarray):
        raise InputError(
            f"expected {name} to be a NumPy array, received {describe(images)}.", hint=_IMAGE_HINT
        )
    refuse_masked(name, images)
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:3]:
        single = images.ndim == 3 and images.shape[-1] == 3
        raise InputError(
            f"expected {name} of shape (N, H, W, 3), received {describe(images)}.",
            hint=f"For a single image pass {name}[np.newaxis]. {_IMAGE_HINT}"
            if single
            else _IMAGE_HINT,
        )
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            f"expected {name} of dtype uint8 or float, received {describe(images)}.",
            hint=_IMAGE_HINT,
        )
    return np.asarray(images)


def check_images(images: object, *, name: str = "images") -> AnyArray:
    """Return `images` if it is a batch of RGB images, raise otherwise.

    Args:
        images: Expected: (N, H, W, 3), uint8 in 0 to 255, or float16/32/64 in [0, 1]. N may be 0.
        name: What the message calls it.

    Returns:
        The same array, not copied; a copy only where values are outside by rounding, see
        `check_unit`.

    Raises:
        InputError: Not an array, wrong number of axes or channels, wrong dtype, NaN, or values
            outside [0, 1] by more than rounding.

    Examples:
        >>> check_images(np.zeros((1, 8, 8, 3), np.uint8)).shape
        (1, 8, 8, 3)
    """
    images = check_image_shape(images, name=name)
    if images.dtype == np.uint8:
        return images
    if np.isnan(images.max(initial=0.0)):
        raise InputError(f"expected finite {name}, received NaN.", hint=_IMAGE_HINT)
    return check_unit(f"float {name}", images, hint=_IMAGE_HINT)
