"""What maps and sites go by, whatever the framework: rectifiers, and tokens as pictures."""

from __future__ import annotations

import math

from deepfake_generalize.errors import InputError

SCALES = (1.0, 2.0**8, 2.0**15)
"""Of the logit, in half precision: float16 holds up to 65,504."""
_KIN = ["LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Swish", "Mish"]
_HARD = ["ReLU6", "HardSiLU", "HardSwish"]
_RECTIFIERS = frozenset(name.lower() for name in ("ReLU", *_KIN, *_HARD))


def is_rectifier(name: str) -> bool:
    """Say whether this is the name of ReLU or one of its kin, a class or a function."""
    return name.replace("_", "").lower() in _RECTIFIERS


_BEFORE = (0, 1, 2, 4, 5)
"""Tokens before the places: none, of class, and of distillation, registers, and of class, too."""


def token_grid(
    count: int, image: tuple[int, int], grid: tuple[int, int] | None, layer: str
) -> tuple[int, int]:
    """Return the (height, width) of the places among `count` tokens, which are the last of them."""
    if grid is None:
        sides = (_sides(count - before, image) for before in _BEFORE)
        if found := next((each for each in sides if math.prod(each) > 1), None):
            return found
    elif 1 <= grid[0] * grid[1] <= count:
        return grid
    raise InputError(
        f"expected tokens on a grid at {layer!r}, received {count} of an image of {image[0]}x"
        f"{image[1]}" + ("." if grid is None else f" for a grid of {grid[0]}x{grid[1]}."),
        hint="Say how many patches are above and beside each other: grid=(height, width). What "
        "stands before them (class and register tokens) is left out. Or name another layer.",
    )


def in_proportion(sides: tuple[int, int], image: tuple[int, int]) -> bool:
    """Say whether a picture of these sides, rounded, can be the image made smaller."""
    return abs(sides[0] * image[1] - sides[1] * image[0]) < max(image)


def _sides(count: int, image: tuple[int, int]) -> tuple[int, int]:
    """Return the grid of so many places with the image's proportions, (0, 0) if there is none."""
    height = math.isqrt(max(count, 0) * image[0] // image[1])
    width = count // height if height else 0
    exact = height * width == count and height * image[1] == width * image[0]
    return (height, width) if exact else (0, 0)
