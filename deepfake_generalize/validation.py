"""Checks on what callers pass in, in one home, so that every room refuses with the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from deepfake_generalize.types import AnyArray

_IMAGE_HINT = (
    "Pass RGB images as uint8 in 0 to 255 or as float in [0, 1], channels last; "
    "the scale is never guessed."
)


def describe(value: object) -> str:
    """Say what came: shape and dtype for an array, the type's name for anything else.

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
    """Return whether this is a whole number, Python's or NumPy's; True and False are none.

    Args:
        value: What came.
        least: The smallest allowed; None allows all.

    Examples:
        >>> is_whole(np.int64(3), least=1), is_whole(0, least=1), is_whole(2.0), is_whole(True)
        (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return least is None or bool(value >= least)


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
    return images


def check_images(images: object, *, name: str = "images") -> AnyArray:
    """Return `images` unchanged if it is a batch of RGB images, raise otherwise.

    Args:
        images: Expected: (N, H, W, 3), uint8 in 0 to 255, or float16/32/64 in [0, 1]. N may be 0.
        name: What the message calls it.

    Returns:
        The same array, not copied.

    Raises:
        InputError: Not an array, wrong number of axes or channels, wrong dtype, NaN, or values
            outside [0, 1].

    Examples:
        >>> check_images(np.zeros((1, 8, 8, 3), np.uint8)).shape
        (1, 8, 8, 3)
    """
    images = check_image_shape(images, name=name)
    if images.dtype != np.uint8 and images.size:
        low, high = float(images.min()), float(images.max())
        if np.isnan(low) or np.isnan(high):
            raise InputError(f"expected finite {name}, received NaN.", hint=_IMAGE_HINT)
        if low < 0.0 or high > 1.0:
            raise InputError(
                f"expected float {name} in [0, 1], received values from {low:g} to {high:g}.",
                hint=_IMAGE_HINT,
            )
    return images
