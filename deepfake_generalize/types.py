"""The types that several rooms share: array aliases and the protocols at the plug points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

UInt8Array: TypeAlias = npt.NDArray[np.uint8]
FloatArray: TypeAlias = npt.NDArray[np.float32]
DoubleArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
AnyArray: TypeAlias = npt.NDArray[Any]

Images: TypeAlias = npt.NDArray[Any] | Sequence[npt.NDArray[Any]]
"""(N, H, W, 3) RGB, uint8 or float in [0, 1]; or a sequence of (H, W, 3) of unequal sizes."""

ImagePaths: TypeAlias = "Sequence[str | Path] | pd.DataFrame"
"""Paths of pictures, or a table with such a column `path`."""


@runtime_checkable
class Scorer(Protocol):
    """Anything that turns face crops into fake-probabilities.

    `models.Detector` is one, and so is what `models.as_detector` returns; a class of your own with
    these two members is one too.
    """

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def scores(self, images: Images) -> FloatArray:
        """Return P(fake) in [0, 1], shape (N,), for RGB images (N, H, W, 3)."""
        ...
