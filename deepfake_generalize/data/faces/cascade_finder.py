"""A face finder that needs no model file: the LBP cascade that scikit-image carries."""

from __future__ import annotations

from typing import Any

from deepfake_generalize._system.closing import Closing
from deepfake_generalize.data.faces.finder import Face, check_frame
from deepfake_generalize.types import UInt8Array

_SMALLEST = 0.12
"""Face looked for, as a fraction of the frame's shorter side."""


class CascadeFinder(Closing):
    """The frontal LBP cascade that scikit-image ships: no model file, no network, no eyes.

    Weaker than MediaPipe (on a hundred frames of ten real clips: exactly one face in 77, none in
    8), slower by thirty times, and blind to turned faces. For machines where nothing else can be
    had; never chosen silently. It gives no confidence: every score is 1.

    Examples:
        >>> import numpy as np
        >>> with CascadeFinder() as finder:
        ...     finder.find(np.zeros((64, 64, 3), np.uint8))
        []
    """

    name = "cascade"

    def __init__(self) -> None:
        """The cascade is read when first used."""
        self._cascade: Any = None

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle no cascade."""
        return CascadeFinder, ()

    def find(self, image: UInt8Array) -> list[Face]:
        """Return the frontal faces, without eyes, in (H, W, 3) uint8 RGB; InputError for others."""
        frame = check_frame(image)
        if self._cascade is None:
            from skimage import data
            from skimage.feature import Cascade

            self._cascade = Cascade(data.lbp_frontal_face_cascade_filename())
        shorter = min(frame.shape[:2])
        smallest = max(24, round(shorter * _SMALLEST))
        if shorter < smallest:
            return []
        found = self._cascade.detect_multi_scale(
            img=frame,
            scale_factor=1.2,
            step_ratio=1,
            min_size=(smallest, smallest),
            max_size=(shorter, shorter),
        )
        boxes = ((at["c"], at["r"], at["c"] + at["width"], at["r"] + at["height"]) for at in found)
        return [Face((float(a), float(b), float(c), float(d)), 1.0) for a, b, c, d in boxes]

    def close(self) -> None:
        """Forget the cascade; it is read again when needed."""
        self._cascade = None
