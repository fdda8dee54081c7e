"""Points of faces, in one file beside their crops: too many numbers for columns of a table."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize._system.files import (
    absolute,
    open_arrays,
    read_regular,
    write_arrays,
    write_whole,
)
from deepfake_generalize.data.manifests import require_columns
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, FloatArray

LANDMARKS_FILE = "landmarks.npz"


def write_landmarks(folder: str | Path, points: Mapping[str, AnyArray]) -> Path:
    """Write `landmarks.npz` into a folder that is there, all of it or nothing.

    `points` maps the paths of crops, relative to the folder, to (K, 2) of one K, in pixels of the
    crop. The file is an `np.savez` archive of `paths` (N,) and `points` (N, K, 2) float32.
    """
    shapes = {np.shape(of_one) for of_one in points.values()}
    shape = next(iter(shapes), ())
    if len(shapes) != 1 or len(shape) != 2 or shape[1] != 2 or not shape[0]:
        raise InputError(
            f"expected points of one shape (K, 2) for each crop, received {sorted(shapes)}.",
            hint="Give x and y of the same points of every face.",
        )
    file, out = absolute(folder) / LANDMARKS_FILE, io.BytesIO()
    stacked = np.stack([np.asarray(of_one, np.float32) for of_one in points.values()])
    write_arrays(out, {"paths": np.array(list(points)), "points": stacked})
    write_whole(file, out.getvalue())
    return file


def read_landmarks(crops: pd.DataFrame) -> FloatArray:
    """Read the points of faces that lie beside their crops.

    `extract_faces` keeps the 468 points of its aligner "landmarks" (MediaPipe's face mesh), and
    `synthetic.make_datasets` 68 (in dlib's order); of DeepfakeBench's crops the files in the column
    `landmarks` are read (81). A pack keeps none: read the crops it was made of.

    Args:
        crops: Rows with at least `path`, and maybe `landmarks`, the path of an .npy file.

    Returns:
        (N, K, 2) float32, x to the right and y down, in pixels of the crop; NaN where a crop has
        none.

    Raises:
        InputError: No crop has landmarks, they differ in their number, or a file is none.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = write_landmarks(folder, {"a.png": np.ones((68, 2))})
        ...     paths = [f"{folder}/a.png", f"{folder}/b.png"]
        ...     points = read_landmarks(pd.DataFrame({"path": paths}))
        >>> points.shape, np.isnan(points).any(axis=(1, 2)).tolist()
        ((2, 68, 2), [False, True])
    """
    require_columns(crops, ("path",), what="crops")
    files = crops["landmarks"] if "landmarks" in crops.columns else pd.Series(pd.NA, crops.index)
    known: dict[Path, dict[Path, AnyArray]] = {}
    found: list[AnyArray | None] = []
    for path, file in zip(crops["path"], files, strict=True):
        crop = absolute(str(path))
        points = _beside(crop.parent, known).get(crop)
        found.append(_load(Path(file)) if points is None and not pd.isna(file) else points)
    shapes = {of_one.shape for of_one in found if of_one is not None}
    shape = next(iter(shapes), ())
    if len(shapes) != 1 or len(shape) != 2 or shape[1] != 2:
        raise InputError(
            f"expected landmarks of one shape (K, 2) beside the crops, found {sorted(shapes)}.",
            hint='Use data.extract_faces with aligner="landmarks" into a new folder; a pack keeps '
            "none.",
        )
    nothing = np.full(shape, np.nan)
    stacked = [nothing if of_one is None else of_one for of_one in found]
    return np.stack(stacked).astype(np.float32)


def _beside(folder: Path, known: dict[Path, dict[Path, AnyArray]]) -> dict[Path, AnyArray]:
    """Return crops to points, of the nearest folder upwards that has such a file."""
    if folder not in known:
        if (folder / LANDMARKS_FILE).is_file():
            content = _load(folder / LANDMARKS_FILE)
            places = [folder / path for path in content["paths"].tolist()]
            known[folder] = dict(zip(places, content["points"], strict=True))
        else:
            known[folder] = {} if folder == folder.parent else _beside(folder.parent, known)
    return known[folder]


def _load(file: Path) -> Any:
    """Return the array of an .npy file, or the arrays of an .npz."""
    try:
        if file.suffix == ".npy":
            return np.load(io.BytesIO(read_regular(file)), allow_pickle=False)
        with open_arrays(file) as arrays:
            return {name: arrays[name] for name in ("paths", "points")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"expected landmarks in {str(file)!r}: {error}.", hint="Extract the faces again."
        ) from error
