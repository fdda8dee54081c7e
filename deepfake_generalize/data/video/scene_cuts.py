"""Where a video cuts to another scene: nobody is followed across a cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import cv2
import numpy as np

from deepfake_generalize.types import UInt8Array

_THUMBNAIL_WH = (64, 36)
# Pixels a side of a large frame that make one of the thumbnail: all of them cost ten times as much.
_SAMPLES = 4
# Both must be small at a cut: colours survive a moving camera, the layout a change of light. Frames
# of one real shot a second apart had at least .73 or .50; across cuts at most .54 and .20.
_MAX_SHARED_COLOURS = 0.6
_MAX_CORRELATION = 0.45
_Summary: TypeAlias = tuple[tuple[int, ...], UInt8Array, UInt8Array]
"""Of a frame: its shape, its thumbnail in grey, and the shares of its colours."""


def find_cuts(images: Sequence[UInt8Array | None]) -> frozenset[int]:
    """Return the positions, from 1, at which another shot, or frames of another size, begin."""
    seen = [(at, _summary(image)) for at, image in enumerate(images) if image is not None]
    return frozenset(at for (_, last), (at, now) in pairwise(seen) if _differ(last, now))


def _summary(image: UInt8Array) -> _Summary:
    width, height = _THUMBNAIL_WH
    step = max(1, min(image.shape[0] // (height * _SAMPLES), image.shape[1] // (width * _SAMPLES)))
    some = np.ascontiguousarray(image[::step, ::step])
    small = cv2.resize(some, _THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 8], [0, 180, 0, 256, 0, 256])
    return image.shape, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), counts / counts.sum()


def _differ(a: _Summary, b: _Summary) -> bool:
    if a[0] != b[0]:  # Places in frames of another size are other places.
        return True
    if np.minimum(a[2], b[2]).sum() >= _MAX_SHARED_COLOURS:
        return False
    x, y = (grey.astype(float) - grey.mean() for grey in (a[1], b[1]))
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return spread == 0.0 or float((x * y).sum()) / spread < _MAX_CORRELATION
