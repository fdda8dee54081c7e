"""The crop manifest: one row a face crop, on disk beside the images and in memory.

On disk a folder of crops holds `crops.csv` and `failures.csv`, whose paths are relative to the
folder, and maybe the points of the faces, too many numbers for columns of a table; a pack holds the
same manifest inside. In memory all paths are absolute.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import (
    absolute,
    open_arrays,
    possible,
    read_regular,
    write_arrays,
    write_whole,
)
from deepfake_generalize.data import manifests
from deepfake_generalize.data.crops.packs import is_pack, open_pack
from deepfake_generalize.data.layouts import (
    IMAGE_LABEL_FOLDERS,
    REAL,
    find_pictures,
)
from deepfake_generalize.data.manifests import CROP_COLUMNS, FAILURE_COLUMNS
from deepfake_generalize.data.tables import read_header
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, FloatArray
from deepfake_generalize.validation import check_type

CROPS_FILE = "crops.csv"
FAILURES_FILE = "failures.csv"


def write_crops(crops: pd.DataFrame, folder: str | Path) -> Path:
    """Write the crop manifest `crops.csv` into a folder, all of it or nothing; make the folder."""
    return _write(crops, Path(folder) / CROPS_FILE, CROP_COLUMNS)


def write_failures(failures: pd.DataFrame, folder: str | Path) -> Path:
    """Write the failures manifest `failures.csv` as `write_crops` does, of `FAILURE_COLUMNS`."""
    return _write(failures, Path(folder) / FAILURES_FILE, FAILURE_COLUMNS)


def _write(rows: pd.DataFrame, file: Path, columns: Sequence[str]) -> Path:
    hint = "Choose a folder that you may write to, on a disk with room."
    with telling(f"expected to write {file}, the system refused", hint=hint):
        return manifests.write_manifest(rows, file, columns)


def read_crops(
    source: str | Path, *, video_pattern: str | None = None, layout: str = "auto", **choices: Any
) -> pd.DataFrame:
    r"""Read the crops of a folder or a pack.

    A pack is one file, .h5 or .hdf5, as `pack` writes it. A table is a CSV file with the columns
    `path` and `label` (0 or `real`, 1 or `fake`), and any other of `CROP_COLUMNS`; columns of other
    names are kept. Crops without a label can be scored, not learned from. Four kinds of folder are
    accepted: a data set of crops that `data.layouts()` lists, or a folder around several (of
    DeepfakeBench also a list, a .json file), with `mask` and `landmarks` where they lie beside a
    frame; one that `extract_faces` wrote (with `crops.csv`); a tree with folders `real` and
    `fake`, whose inner folders are methods; and a study's tree `{train,val,test}/{real,fake}`,
    whose parts fill the column `split`. In the trees PNG, JPEG, BMP and WebP images of any size are
    taken, at any depth; the columns that nothing tells are NA. `.attrs["problems"]` is as
    `find_videos` gives it.

    Args:
        source: The folder, a table, or a pack.
        video_pattern: For trees without a manifest only: what names the video of an image.
            `"folder"`: the folder it lies in. `"number"`: its name up to the last number, which is
            the frame's, so that 017_0042.jpg is of the video 017 in its folder. Else a regular
            expression, searched in each file's name, whose first group names the video. Without it
            each image counts as a video of its own.
        layout: A name of `data.layouts()` that reads crops, or `auto`: what is recognised, else
            `image_folder`.
        **choices: Of the layout: `methods=`; of DeepfakeBench `split="as-listed"` (its own parts:
            crops that it lists in several come once for each) and `frames=` (the folder of the
            frames, where it is not near the lists).

    Returns:
        A DataFrame with the columns `CROP_COLUMNS`; `label` int64 (1 = fake; Int64 where some are
        not known), `frame` Int64, `score` float64, the others pandas strings ("004" stays "004");
        `path` and `video` absolute.

    Raises:
        InputError: No such folder, no crops in it, a manifest that is not one or lists a crop
            twice, a damaged pack, a pattern that does not fit.

    Warns:
        LayoutWarning: Pictures or videos in a tree were not read; once, with their numbers.

    Examples:
        >>> import tempfile, cv2, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("real/a-0.png", "real/a-1.png", "fake/b-0.png"):
        ...         Path(folder, name).parent.mkdir(exist_ok=True)
        ...         _ = cv2.imwrite(f"{folder}/{name}", np.zeros((8, 8, 3), np.uint8))
        ...     crops = read_crops(folder, video_pattern=r"^([a-z]+)-")
        >>> crops["label"].tolist(), crops["video"].nunique()
        ([1, 0, 0], 2)
    """
    check_type("the folder of the crops", source, (str, os.PathLike), hint="Pass a str or Path.")
    expected = f"expected the folder of the crops at {str(source)[:200]!r}"
    with telling(expected, hint="Check the path."):
        path = possible(source)
    is_table = path.is_file() and path.suffix.lower() == ".csv"
    if video_pattern is not None and (is_table or is_pack(path)):
        raise InputError(
            f"expected video_pattern for folders without a manifest only, {str(path)!r} names "
            "the videos itself.",
            hint="Leave video_pattern out.",
        )
    if is_table:
        return _read_table(path)
    if is_pack(path):
        text = open_pack(path).index.manifest
        return _checked(manifests.parse_manifest(text, path, path, CROP_COLUMNS), path)
    if path.is_dir() or path.suffix.lower() == ".json":
        if (path / CROPS_FILE).is_file():
            return read_crops(path / CROPS_FILE, video_pattern=video_pattern)
        if video_pattern is not None:
            layout = "image_folder"
        found = find_pictures(path, layout, **choices)
        if video_pattern is not None:
            found["video"] = videos_of(path, found["path"].tolist(), video_pattern)
        if video_pattern == "folder":  # That of a video, right inside `fake`, is no method.
            above = found["video"].map(lambda video: Path(video).parent.name.lower())
            direct = (found["label"] == 1) & above.isin(IMAGE_LABEL_FOLDERS)
            found["method"] = found["method"].mask(direct, above)
        crops = manifests.restore_types(manifests.with_columns(found, CROP_COLUMNS), CROP_COLUMNS)
        crops.attrs |= found.attrs
        return crops
    if path.exists():
        raise InputError(
            f"expected a folder of crops, its {CROPS_FILE} or a pack (.h5), received the file "
            f"{str(path)!r}.",
            hint="Pass the folder that extract_faces wrote.",
        )
    raise InputError(
        f"expected a folder or a pack of crops, {str(path)!r} does not exist.",
        hint="Check the path.",
    )


def read_set(place: str | os.PathLike[str] | pd.DataFrame) -> pd.DataFrame:
    """Read a set of crops from wherever it is, as every option that names one does.

    Args:
        place: What `read_crops` reads, or a table of crops. A text may end in a query, as in
            "crops[method=FaceSwap,compression=c23]"; `select` says what it chooses. So one
            extraction of FaceForensics++ holds a set for each of its methods.

    Returns:
        As `read_crops`; a table as it came. `.attrs["selected"]` says what a query chose.

    Raises:
        InputError: As `read_crops` and `select`.

    Examples:
        >>> table = pd.DataFrame({"path": ["a.png"], "label": [1]})
        >>> read_set(table) is table
        True
    """
    if isinstance(place, pd.DataFrame):
        manifests.require_columns(place, ("path",), what="a set of crops")
        return place
    query = None
    if isinstance(place, (str, os.PathLike)):
        place, query = manifests.split_query(place)
    crops = read_crops(place)
    try:
        return crops if query is None else manifests.select(crops, query)
    except InputError as error:
        raise InputError(f"{place}: {error.message}", hint=error.hint) from error


def read_failures(folder: str | Path) -> pd.DataFrame:
    """Read the failures manifest of a folder that `extract_faces` wrote.

    Args:
        folder: The folder.

    Returns:
        A DataFrame with the columns `FAILURE_COLUMNS`; `frame` Int64, the others strings.

    Raises:
        InputError: The folder has no `failures.csv`, or it is not one.
    """
    return manifests.read_manifest(absolute(folder) / FAILURES_FILE, FAILURE_COLUMNS)


def _checked(crops: pd.DataFrame, file: Path) -> pd.DataFrame:
    hint = "Write 0 or real, 1 or fake, or nothing where it is not known."
    manifests.check_labels(crops["label"], what=repr(str(file)), hint=hint, unknown=True)
    hint = "Remove the second row, or extract the faces again."
    manifests.check_once(crops["path"], what=repr(str(file)), hint=hint)
    return crops


def _read_table(file: Path) -> pd.DataFrame:
    crops = _checked(manifests.read_manifest(file, CROP_COLUMNS, needed=("path",)), file)
    there = read_header(file, CROP_COLUMNS)
    if "dataset" not in there:
        crops["dataset"] = file.parent.name if file.name == CROPS_FILE else file.stem
    if "method" not in there:
        crops["method"] = crops["label"].map({0: REAL, 1: "fake"})
    return manifests.restore_types(crops, CROP_COLUMNS)


# The last number of a name, and what stands between it and the rest.
_FRAME = re.compile(r"(.*?)[ _.-]*(?:frame|img|image)?[ _.-]*\d+", re.IGNORECASE)


def videos_of(root: Path, paths: Sequence[str], video_pattern: str) -> list[str]:
    """Name the video of each image under a root, as `read_crops` says."""
    if video_pattern == "folder":
        return [folder for folder, _ in map(os.path.split, paths)]
    if video_pattern == "number":
        return [f"{folder}/{_numbered(name)}" for folder, name in map(os.path.split, paths)]
    pattern = _compiled(video_pattern)
    return [f"{root}/{_searched(name, pattern)}" for _, name in map(os.path.split, paths)]


def before_number(name: str) -> str:
    """Return what a file's name holds before its last number, as "017" of 017_0042.jpg, or ""."""
    found = _FRAME.fullmatch(Path(name).stem)
    return found[1] if found else ""


def _numbered(name: str) -> str:
    if not (video := before_number(name)):
        raise InputError(
            "expected names such as 017_0042.jpg, of a video and a number, with "
            f"video_pattern='number', received {name!r}.",
            hint="Give a regular expression whose first group names the video.",
        )
    return video


def _searched(name: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(name)
    if match is None or not match.group(1):
        raise InputError(
            f"expected video_pattern to find a video in every file name, {pattern.pattern!r} finds "
            f"none in {name!r}.",
            hint="Make its first group match the part of the name that frames of a video share.",
        )
    return match.group(1)


def _compiled(video_pattern: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(video_pattern)
    except re.error as error:
        raise InputError(
            f"expected a regular expression as video_pattern, {video_pattern!r} is none: {error}.",
            hint="Escape special characters, or use 'folder' or 'number'.",
        ) from error
    if pattern.groups < 1:
        raise InputError(
            f"expected video_pattern to have a group, {video_pattern!r} has none.",
            hint='Put the part that names the video in parentheses, as in r"^([a-z]+)-".',
        )
    return pattern


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
    manifests.require_columns(crops, ("path",), what="crops")
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
