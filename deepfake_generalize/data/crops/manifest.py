"""The crop manifest: one row a face crop, on disk beside the images and in memory.

On disk a folder of crops holds `crops.csv` and `failures.csv`, whose paths are relative to the
folder; a pack holds the same manifest inside. In memory all paths are absolute.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from deepfake_generalize._system.paths import absolute
from deepfake_generalize.data.crops.hdf5_reader import is_pack, open_pack
from deepfake_generalize.data.crops.image_files import IMAGE_SUFFIXES
from deepfake_generalize.data.layouts import VIDEO_COLUMNS
from deepfake_generalize.data.manifests import (
    check_labels,
    check_once,
    parse_manifest,
    read_manifest,
    restore_types,
    write_manifest,
)
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

CROP_COLUMNS: tuple[str, ...] = (
    "path",
    "video",
    "frame",
    *VIDEO_COLUMNS[1:],
    "box",
    "score",
    "aligner",
    "flag",
)
"""Columns of the crop manifest: `box` is text "left,top,right,bottom" in pixels of the frame with
two decimals, `score` the face finder's in [0, 1], `flag` NA or a word such as "low_score"."""

FAILURE_COLUMNS: tuple[str, ...] = ("path", "frame", "status", "reason")
"""Columns of the failures manifest: `path` is the video, `frame` NA where all of it failed."""

PATH_COLUMNS: tuple[str, ...] = ("path", "video")
"""Those columns of the crop manifest that hold paths."""

CROPS_FILE = "crops.csv"
FAILURES_FILE = "failures.csv"

# `df` is what the authors of MesoNet call the fakes of their sample images.
LABEL_FOLDERS: dict[str, int] = {"real": 0, "fake": 1, "df": 1}
SPLIT_FOLDERS: tuple[str, ...] = ("train", "val", "test")

_TREE_HINT = (
    "Give the folder subfolders real and fake (or train, val and test, each with real and fake) "
    "holding png, jpg, jpeg or bmp images, or pass the folder that extract_faces wrote."
)


def write_crops(crops: pd.DataFrame, folder: str | Path) -> Path:
    """Write the crop manifest `crops.csv` into a folder, all of it or nothing; make the folder.

    The rows have at least the columns `CROP_COLUMNS`, paths absolute or relative to the working
    directory. A missing column, and what the system refuses, raise `InputError`.
    """
    return _write(crops, Path(folder) / CROPS_FILE, CROP_COLUMNS, PATH_COLUMNS)


def write_failures(failures: pd.DataFrame, folder: str | Path) -> Path:
    """Write the failures manifest `failures.csv` as `write_crops` does, of `FAILURE_COLUMNS`."""
    return _write(failures, Path(folder) / FAILURES_FILE, FAILURE_COLUMNS, ("path",))


def _write(rows: pd.DataFrame, file: Path, columns: Sequence[str], paths: Sequence[str]) -> Path:
    try:
        return write_manifest(rows, file, columns, paths)
    except OSError as error:
        raise InputError(
            f"expected to write {file}, the system refused: {error.strerror or error}.",
            hint="Choose a folder that you may write to, on a disk with room.",
        ) from error


def read_crops(source: str | Path, *, video_pattern: str | None = None) -> pd.DataFrame:
    r"""Read the crops of a folder or a pack.

    A pack is one file, .h5 or .hdf5, as `pack` writes it. Three kinds of folder are accepted: one
    that `extract_faces` wrote (with `crops.csv`, which may also be named itself); a plain tree
    `real/*`, `fake/*`; and a study's tree `{train,val,test}/{real,fake}/*`, whose parts fill the
    column `split`. In the trees without a manifest images of any size (png, jpg, jpeg, bmp) are
    taken, the folder's name is the dataset, `method` is the name of the folder they lie in and the
    columns that nothing tells are NA.

    Args:
        source: The folder, its `crops.csv` (one edited or made by hand will do), or a pack.
        video_pattern: For trees without a manifest only: a regular expression, searched in each
            file's name, whose first group names the video. Without it each image counts as a
            video of its own, so frames of one video are not kept together in splits.

    Returns:
        A DataFrame with the columns `CROP_COLUMNS`; `label` int64 (1 = fake), `frame` Int64,
        `score` float64, the others pandas strings ("004" stays "004"); `path` and `video` absolute.

    Raises:
        InputError: No such folder, no crops in it, a manifest that is not one or lists a crop
            twice, a damaged pack, a pattern that does not fit.

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
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(
            f"expected the folder of the crops, received {describe(source)}.",
            hint="Pass a str or Path.",
        )
    path = absolute(source)
    if path.is_file() and path.suffix.lower() == ".csv":
        _refuse_pattern(path, video_pattern)
        return _checked(read_manifest(path, CROP_COLUMNS, PATH_COLUMNS), path)
    if is_pack(path):
        _refuse_pattern(path, video_pattern)
        text = open_pack(path).index.manifest
        return _checked(parse_manifest(text, path, path, CROP_COLUMNS, PATH_COLUMNS), path)
    if path.is_dir():
        if (path / CROPS_FILE).is_file():
            return read_crops(path / CROPS_FILE, video_pattern=video_pattern)
        return _read_loose_crops(path, video_pattern)
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


def read_failures(folder: str | Path) -> pd.DataFrame:
    """Read the failures manifest of a folder that `extract_faces` wrote.

    Args:
        folder: The folder.

    Returns:
        A DataFrame with the columns `FAILURE_COLUMNS`; `frame` Int64, the others strings.

    Raises:
        InputError: The folder has no `failures.csv`, or it is not one.
    """
    return read_manifest(absolute(folder) / FAILURES_FILE, FAILURE_COLUMNS, ("path",))


def _refuse_pattern(file: Path, video_pattern: str | None) -> None:
    if video_pattern is not None:
        raise InputError(
            f"expected video_pattern for folders without a manifest only, {str(file)!r} names "
            "the videos itself.",
            hint="Leave video_pattern out.",
        )


def _checked(crops: pd.DataFrame, file: Path) -> pd.DataFrame:
    check_labels(crops["label"], what=repr(str(file)), hint="Extract the faces again.")
    hint = "Remove the second row, or extract the faces again."
    check_once(crops["path"], what=repr(str(file)), hint=hint)
    return crops


def _read_loose_crops(root: Path, video_pattern: str | None) -> pd.DataFrame:
    """List the images of a tree `{real,fake}/*` or `{train,val,test}/{real,fake}/*`, unopened."""
    pattern = _compiled(video_pattern)
    places: list[tuple[str | None, Path]] = [(None, root)]
    places += [(name, root / name) for name in SPLIT_FOLDERS if (root / name).is_dir()]
    rows = [
        {
            "path": str(image),
            "video": str(image) if pattern is None else _video_of(root, image, pattern),
            "dataset": root.name,
            "method": folder,
            "label": label,
            "split": split,
        }
        for split, place in places
        for folder, label in LABEL_FOLDERS.items()
        if (place / folder).is_dir()
        for image in _images(place / folder)
    ]
    if not rows:
        raise InputError(f"expected crops in {str(root)!r}, found none.", hint=_TREE_HINT)
    frame = pd.DataFrame(rows, columns=list(CROP_COLUMNS)).sort_values("path", ignore_index=True)
    return restore_types(frame, CROP_COLUMNS)


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def _video_of(root: Path, image: Path, pattern: re.Pattern[str]) -> str:
    match = pattern.search(image.name)
    if match is None or not match.group(1):
        raise InputError(
            f"expected video_pattern to find a video in every file name, {pattern.pattern!r} finds "
            f"none in {image.name!r}.",
            hint="Make its first group match the part of the name that frames of a video share.",
        )
    return str(root / match.group(1))


def _compiled(video_pattern: str | None) -> re.Pattern[str] | None:
    if video_pattern is None:
        return None
    try:
        pattern = re.compile(video_pattern)
    except re.error as error:
        raise InputError(
            f"expected a regular expression as video_pattern, {video_pattern!r} is none: {error}.",
            hint="Escape special characters.",
        ) from error
    if pattern.groups < 1:
        raise InputError(
            f"expected video_pattern to have a group, {video_pattern!r} has none.",
            hint='Put the part that names the video in parentheses, as in r"^([a-z]+)-".',
        )
    return pattern
