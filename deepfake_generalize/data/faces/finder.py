"""What a face finder is, and the faces that it returns."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from deepfake_generalize.data.video import MAX_SIDE
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import UInt8Array
from deepfake_generalize.validation import describe

Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]

LOW_SCORE = 0.7
"""Faces scored below this are flagged: full range at 0.5 finds them, some are not faces."""


@dataclass(frozen=True)
class Face:
    """One face in one frame.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the frame; may reach beyond its edges.
        score: The finder's confidence in [0, 1].
        eyes: The subject's right and left eye, (x, y) in pixels, or None.

    Examples:
        >>> Face((10.0, 20.0, 50.0, 60.0), 0.9).area
        1600.0
    """

    box: Box
    score: float
    eyes: tuple[Point, Point] | None = None

    @property
    def side(self) -> float:
        """The larger side of the box in pixels."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)

    @property
    def area(self) -> float:
        """The area of the box in square pixels."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, 0.0) * max(y1 - y0, 0.0)


@runtime_checkable
class FaceFinder(AbstractContextManager["FaceFinder"], Protocol):
    """Anything that finds faces in a frame.

    A finder is used inside `with`, which gives it back, ready, and closes it at the end. To be used
    by several processes it must survive pickling; every worker then opens its own copy.
    """

    @property
    def name(self) -> str:
        """What manifests and settings call it; two finders that differ have different names."""
        ...

    def find(self, image: UInt8Array) -> list[Face]:
        """Return the faces in `image`, (H, W, 3) uint8 RGB, in any order."""
        ...

    def close(self) -> None:
        """Free what the finder holds; safe to call twice."""
        ...


def check_finder(finder: object, *, opens: bool = False) -> None:
    """Refuse what is no `FaceFinder` or None; `opens` says if it will be entered and closed too."""
    methods = ("find", "close", "__enter__", "__exit__") if opens else ("find",)
    if finder is None or (
        isinstance(getattr(finder, "name", None), str)
        and all(callable(getattr(finder, method, None)) for method in methods)
        and not isinstance(finder, type)
    ):
        return
    raise InputError(
        "expected finder to be None or a FaceFinder (a name, find(image), close(), and a context "
        f"manager), received {describe(finder)}.",
        hint="Use finder=CascadeFinder().",
    )


def check_frame(image: object) -> UInt8Array:
    """Return `image` as a contiguous (H, W, 3) uint8 array, raise InputError if it is not one."""
    # Contiguous because MediaPipe reads memory as if it always were, and finds nothing otherwise.
    if (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
        and max(image.shape) <= MAX_SIDE
    ):
        return np.ascontiguousarray(image)
    raise InputError(
        f"expected a frame of shape (H, W, 3), sides of at most {MAX_SIDE:,} pixels, and dtype "
        f"uint8, received {describe(image)}.",
        hint="Pass one RGB image, channels last, 0 to 255.",
    )
