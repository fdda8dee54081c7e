"""Where a video cuts to another scene: nobody is followed across a cut."""

from __future__ import annotations

from collections.abc import Sequence

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


def find_cuts(images: Sequence[UInt8Array | None]) -> frozenset[int]:
    """Return the positions at which another shot begins.

    Positions count from 1; None among the sampled frames, (H, W, 3) uint8 RGB, is passed over.
    """
    cuts = set()
    last: tuple[UInt8Array, UInt8Array] | None = None
    for position, image in enumerate(images):
        if image is None:
            continue
        now = _summary(image)
        if last is not None and _differ(last, now):
            cuts.add(position)
        last = now
    return frozenset(cuts)


def _summary(image: UInt8Array) -> tuple[UInt8Array, UInt8Array]:
    width, height = _THUMBNAIL_WH
    step = max(1, min(image.shape[0] // (height * _SAMPLES), image.shape[1] // (width * _SAMPLES)))
    some = np.ascontiguousarray(image[::step, ::step])
    small = cv2.resize(some, _THUMBNAIL_WH, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 8], [0, 180, 0, 256, 0, 256])
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), counts / counts.sum()


def _differ(a: tuple[UInt8Array, UInt8Array], b: tuple[UInt8Array, UInt8Array]) -> bool:
    if np.minimum(a[1], b[1]).sum() >= _MAX_SHARED_COLOURS:
        return False
    x, y = (grey.astype(float) - grey.mean() for grey in (a[0], b[0]))
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return spread == 0.0 or float((x * y).sum()) / spread < _MAX_CORRELATION
