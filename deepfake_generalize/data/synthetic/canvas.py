"""The grid of pixels that everything is painted on, and how to paint with soft edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from deepfake_generalize.types import AnyArray, FloatArray

CROP_SIDE, CROP_MIDDLE = 2.1, 0.17
"""Side of a crop, and how far its middle lies below the face's, in face units: what `extract_faces`
cuts out of synthetic frames, where the boxes of MediaPipe's finder are 1.6 wide."""


@dataclass(frozen=True)
class View:
    """Where the camera is aimed."""

    height: int  # Of the picture in pixels
    width: int  # Of the picture in pixels
    scale: float  # Pixels a face unit
    x: float  # Pixel that the scene's origin falls on
    y: float  # The same, downwards

    @staticmethod
    def crop(size: int, *, zoom: float = 1.0, x: float = 0.0, y: float = 0.0) -> View:
        """Return the view of a square crop, its face `zoom` times larger, x and y off the middle.

        Examples:
            >>> View.crop(72).x
            35.5
        """
        scale = zoom * size / CROP_SIDE
        middle = (size - 1) / 2
        return View(size, size, scale, middle + x * scale, middle + (y - CROP_MIDDLE) * scale)

    def resized(self, factor: float) -> View:
        """Return the same view in more, or fewer, pixels along each side, rounded up."""
        return View(
            math.ceil(self.height * factor),
            math.ceil(self.width * factor),
            self.scale * factor,
            self.x * factor,
            self.y * factor,
        )

    @property
    def pixel(self) -> float:
        """The side of a pixel in face units."""
        return 1.0 / self.scale

    def grid(self) -> tuple[FloatArray, FloatArray]:
        """Return x and y of every pixel in face units, each (height, width) float32."""
        x = (np.arange(self.width, dtype=np.float32) - np.float32(self.x)) / np.float32(self.scale)
        y = (np.arange(self.height, dtype=np.float32) - np.float32(self.y)) / np.float32(self.scale)
        return np.broadcast_to(x, (self.height, self.width)).copy(), np.repeat(
            y[:, None], self.width, axis=1
        )


def planar(image: FloatArray) -> FloatArray:
    """Return a copy (H, W, 3) whose colours lie apart in memory, which paints faster."""
    apart: FloatArray = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    return apart


def soft(distance: AnyArray, edge: float) -> FloatArray:
    """Turn signed distances, negative inside, into coverage that falls from 1 to 0 over `edge`.

    Examples:
        >>> soft(np.array([-1.0, 0.0, 1.0], np.float32), 1.0).tolist()
        [1.0, 0.5, 0.0]
    """
    covered: FloatArray = np.clip(np.float32(0.5) - distance * np.float32(1.0 / edge), 0.0, 1.0)
    return covered


def over(image: FloatArray, mask: FloatArray, colour: Sequence[float] | AnyArray) -> None:
    """Paint three numbers, or (H, W, 3), over an image in place, where the mask (H, W) is 1."""
    paint = np.asarray(colour, dtype=np.float32)
    for channel in range(3):
        colours = image[..., channel]
        colours += mask * (paint[..., channel] - colours)


def tint(image: FloatArray, mask: FloatArray, factors: Sequence[float]) -> None:
    """Multiply an image by a colour in place, where the mask (H, W) is 1."""
    for channel, factor in enumerate(factors):
        image[..., channel] *= 1 + mask * np.float32(factor - 1)


def bump(
    u: FloatArray, v: FloatArray, at: tuple[float, float], width: float, height: float
) -> FloatArray:
    """Return a Gaussian hill of height 1 and the shape of `u`, so wide and high (1 sigma)."""
    a = (u - np.float32(at[0])) * np.float32(1 / width)
    b = (v - np.float32(at[1])) * np.float32(1 / height)
    hill: FloatArray = np.exp(np.float32(-0.5) * (a * a + b * b))
    return hill


def pattern(u: FloatArray, v: FloatArray, *, seed: int, stretch: tuple[float, float]) -> FloatArray:
    """Return a fixed random pattern at any places, mean 0, deviation 1; `stretch`: cells a unit."""
    tile = _tile(seed % _TILES)
    dx, dy = seed // _TILES % _TILE, seed // (_TILES * _TILE) % _TILE
    values: FloatArray = cv2.remap(
        tile,
        np.float32(stretch[0]) * u + np.float32(dx),
        np.float32(stretch[1]) * v + np.float32(dy),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return values


_TILES, _TILE = 16, 256


@lru_cache(maxsize=_TILES)
def _tile(number: int) -> FloatArray:
    noise = np.random.default_rng([7, number]).standard_normal((_TILE, _TILE))
    return noise.astype(np.float32)


def rotated(x: AnyArray, y: AnyArray, angle: float) -> tuple[AnyArray, AnyArray]:
    """Return the coordinates in a system turned clockwise (in a picture) by radians."""
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return cosine * x + sine * y, cosine * y - sine * x
