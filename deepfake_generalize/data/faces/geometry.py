"""The geometry of a crop: how far a head is tilted, and the map from the frame to the crop."""

from __future__ import annotations

import math

import cv2
import numpy as np

from deepfake_generalize.data.faces.finder import Box, Point
from deepfake_generalize.types import DoubleArray, UInt8Array


def centre(box: Box) -> Point:
    """Return the middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def roll_of(eyes: tuple[Point, Point]) -> float:
    """Return the tilt of a head in degrees, above 0 where its second (left) eye is lower."""
    (x0, y0), (x1, y1) = eyes
    return math.degrees(math.atan2(y1 - y0, x1 - x0))


def wrapped(degrees: float) -> float:
    """Return the same angle in [-180, 180)."""
    return (degrees + 180.0) % 360.0 - 180.0


def crop_matrix(box: Box, *, roll: float, size: int, margin: float) -> DoubleArray:
    """Return the (2, 3) affine map from pixels of the frame to pixels of the crop.

    The crop is a square `margin` times the box's larger side, around its centre, in which a head
    tilted by `roll` degrees is upright. Pixel centres are whole numbers on both sides.
    """
    x0, y0, x1, y1 = box
    scale = size / (margin * max(x1 - x0, y1 - y0))
    cosine = scale * math.cos(math.radians(roll))
    sine = scale * math.sin(math.radians(roll))
    # A box's edges lie between pixels, half a pixel before the centre of the first one.
    x, y, middle = (x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5, (size - 1) / 2
    return np.array(
        [
            [cosine, sine, middle - cosine * x - sine * y],
            [-sine, cosine, middle + sine * x - cosine * y],
        ]
    )


def mapped(points: DoubleArray, matrix: DoubleArray) -> DoubleArray:
    """Return (K, 2) points where a (2, 3) affine map takes them."""
    moved: DoubleArray = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def cut_out(image: UInt8Array, matrix: DoubleArray, size: int) -> UInt8Array:
    """Apply `crop_matrix`'s map to an (H, W, 3) uint8 frame; return (size, size, 3) uint8.

    Bilinear; where the frame is shrunk by a factor f > 1, it is first smoothed by a Gaussian of
    standard deviation (f - 1) / 2 pixels, as by scikit-image's resize. Outside the frame is black.
    """
    factor = 1.0 / float(np.hypot(matrix[0, 0], matrix[0, 1]))
    sigma = max(0.0, (factor - 1.0) / 2.0)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], float)
    reached = corners @ cv2.invertAffineTransform(matrix).T
    spare = math.ceil(4 * sigma) + 2
    left, top = np.maximum(np.floor(reached.min(axis=0)).astype(int) - spare, 0).tolist()
    right, bottom = (np.ceil(reached.max(axis=0)).astype(int) + spare + 1).tolist()
    part = image[top : max(bottom, top), left : max(right, left)]
    if part.size == 0:
        return np.zeros((size, size, 3), np.uint8)
    if sigma > 0.1:  # Below, the kernel is a single pixel at eight bits.
        part = cv2.GaussianBlur(part, (0, 0), sigma)
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([left, top], float)
    crop: UInt8Array = cv2.warpAffine(
        part, moved, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return crop
