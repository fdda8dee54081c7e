"""Where a fake was manipulated: the mask videos that FaceForensics++ and DFD bring along."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_generalize.data.faces.alignment import cut_out
from deepfake_generalize.data.faces.finders import Box
from deepfake_generalize.data.video import read_frames
from deepfake_generalize.errors import VideoError
from deepfake_generalize.types import DoubleArray, UInt8Array

BoolArray: TypeAlias = npt.NDArray[np.bool_]
# Masks are compressed videos, black but for the face in white or in colours.
_MARKED = 64
MIN_OVERLAP = 0.1
"""Of a face with its own mask: the box is about one and a half times the mask."""
# Specks of compression are far smaller.
_MIN_SHARE = 1e-4


@dataclass(frozen=True)
class Masks:
    """What a mask video shows of the sampled frames."""

    areas: tuple[BoolArray | None, ...]
    """(H, W) bool by frame, True where the picture was changed; None where none says that."""
    note: Literal["", "mask_unreadable", "mask_short", "mask_empty"] = ""
    """What is wrong with it: "mask_short" where it ends before a sampled frame."""


def mask_of(video: str | os.PathLike[str]) -> Path | None:
    """Return the mask video of a fake in a root of FaceForensics++ or DFD; None without one."""
    # It lies under the same name in `<method>/masks/videos/`, beside `<method>/<level>/videos/`.
    path = Path(video)
    if path.parent.name != "videos" or len(path.parts) < 4:
        return None
    mask = path.parents[2] / "masks" / "videos" / path.name
    try:
        return mask if mask != path and mask.is_file() else None
    except (OSError, ValueError):
        return None


def read_masks(path: Path, indices: Sequence[int]) -> Masks:
    """Read the frames of a mask video that belong to sampled frames of its video; raise nothing."""
    try:
        batch = read_frames(path, indices)
    except VideoError:
        return Masks((None,) * len(indices), "mask_unreadable")
    areas = tuple(_area(image) for image in batch.images)
    if any(index >= batch.n_frames for index in indices):
        return Masks(areas, "mask_short")
    if all(image is None for image in batch.images):
        return Masks(areas, "mask_unreadable")
    return Masks(areas, "" if any(area is not None for area in areas) else "mask_empty")


def _area(image: UInt8Array | None) -> BoolArray | None:
    if image is None:
        return None
    area: BoolArray = image.max(axis=2) >= _MARKED
    return area if area.mean() >= _MIN_SHARE else None


def overlap(box: Box, area: BoolArray, height: int, width: int) -> float:
    """Return the IoU of a face's box in a frame of that size and a changed area, of any size."""
    down, right = area.shape[0] / height, area.shape[1] / width
    x0, x1 = (round(min(max(x * right, 0), area.shape[1])) for x in (box[0], box[2]))
    y0, y1 = (round(min(max(y * down, 0), area.shape[0])) for y in (box[1], box[3]))
    both = int(area[y0:y1, x0:x1].sum())
    either = int(area.sum()) + (y1 - y0) * (x1 - x0) - both
    return both / either if either else 0.0


def bounds(area: BoolArray, height: int, width: int) -> Box:
    """Return the box around a changed area, in pixels of a frame of that size."""
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    down, right = height / area.shape[0], width / area.shape[1]
    x0, x1 = float(columns[0] * right), float((columns[-1] + 1) * right)
    return x0, float(rows[0] * down), x1, float((rows[-1] + 1) * down)


def cut_area(
    area: BoolArray | None, frame: UInt8Array, matrix: DoubleArray, size: int
) -> BoolArray:
    """Cut a changed area as the crop of its frame, (size, size) bool; all False for None."""
    if area is None:
        return np.zeros((size, size), bool)
    whole = cv2.resize(area.astype(np.uint8) * 255, frame.shape[1::-1])
    return np.asarray(cut_out(np.asarray(whole, np.uint8), matrix, size) >= 128)
