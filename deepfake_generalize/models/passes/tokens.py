"""Tokens as pictures: which of them stand for a place in the image, and in what grid."""

from __future__ import annotations

import math

from deepfake_generalize.errors import InputError


def token_grid(
    count: int, image: tuple[int, int], grid: tuple[int, int] | None, layer: str
) -> tuple[int, int]:
    """Return the (height, width) of the places among `count` tokens, which are the last of them.

    By default all tokens, or all but a class token before them, in a grid with the proportions of
    the image, (height, width).
    """
    if grid is None:
        before = prefix(count, image)
        if before is not None:
            return _sides(count - before, image)
    elif 1 <= grid[0] * grid[1] <= count:
        return grid
    raise InputError(
        f"expected tokens on a grid at {layer!r}, received {count} of an image of {image[0]}x"
        f"{image[1]}" + ("." if grid is None else f" for a grid of {grid[0]}x{grid[1]}."),
        hint="Say how many patches are above and beside each other: grid=(height, width). What "
        "stands before them (class and register tokens) is left out.",
    )


def prefix(count: int, image: tuple[int, int]) -> int | None:
    """Return how many of the tokens stand for no place, 0 or 1; None where there is no grid."""
    fits = [before for before in (0, 1) if math.prod(_sides(count - before, image)) > 1]
    return fits[0] if fits else None


def _sides(count: int, image: tuple[int, int]) -> tuple[int, int]:
    """Return the grid of so many places with the image's proportions, (0, 0) if there is none."""
    height = math.isqrt(count * image[0] // image[1])
    width = count // height if height else 0
    exact = height * width == count and height * image[1] == width * image[0]
    return (height, width) if exact else (0, 0)
