"""From a decoded frame to the picture that players show: pixels square, the right way up."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.buffer import Buffer

from deepfake_generalize.types import UInt8Array
from deepfake_generalize.validation import MAX_PIXELS

MAX_SIDE = 32_766
"""Of a frame, in pixels: the native code behind the face finder ends the process beyond it."""
MAX_ASPECT = 4
"""A pixel that is said to be wider than this, or narrower than one by it, is not believed."""


def is_too_large(width: int, height: int) -> bool:
    """Whether a frame has more pixels, or a longer side, than is worked on."""
    return width * height > MAX_PIXELS or max(width, height) > MAX_SIDE


def shown_width(width: int, aspect: Fraction | None) -> int:
    """Return the width of a frame whose pixels are `aspect` times as wide as high, if credible."""
    if aspect is None or not 1 <= MAX_ASPECT * aspect <= MAX_ASPECT**2:
        return width
    return max(1, round(width * aspect))


def to_rgb(frame: av.VideoFrame, aspect: Fraction | None = None) -> UInt8Array:
    """Return the frame as it is shown, contiguous RGB (H, W, 3); ValueError if it is too large."""
    width = shown_width(frame.width, aspect)
    if is_too_large(width, frame.height):
        raise ValueError(f"a frame of {width} x {frame.height} pixels is too large")
    data = cast("Buffer | None", frame.side_data.get("DISPLAYMATRIX"))
    content = b"" if data is None else bytes(data)
    if width != frame.width:
        frame = frame.reformat(width=width, format="rgb24", interpolation="BICUBIC")
    image: UInt8Array = frame.to_ndarray(format="rgb24").view(np.uint8)
    if len(content) == 36:
        image = turned(image, struct.unpack("=9i", content))
    return np.ascontiguousarray(image)


def turned(image: UInt8Array, matrix: tuple[int, ...]) -> UInt8Array:
    """Turn an image (H, W, 3) by a display matrix of nine numbers: quarter turns and mirrors."""
    a, b, _, c, d = matrix[:5]
    if not math.hypot(a, c) or not math.hypot(b, d):
        return image
    angle = round(math.degrees(math.atan2(b / math.hypot(b, d), a / math.hypot(a, c)))) % 360
    if angle == 90:
        return image.swapaxes(0, 1) if c > 0 else np.rot90(image, -1)
    if angle == 180:
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    if angle == 270:
        return np.rot90(image, -1)[::-1] if c < 0 else np.rot90(image)
    return image[::-1] if angle == 0 and d < 0 else image
