"""Anybody's videos or crops: in folders `real` and `fake`, in a CSV file, or without any label."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deepfake_generalize.data.layouts.contract import (
    REAL,
    SPLITS,
    Layout,
    Problem,
    Reading,
    VideoRow,
    choose_methods,
    told_by_folder,
)
from deepfake_generalize.data.layouts.scanning import Disk, looks_like, walk_files
from deepfake_generalize.data.manifests import ALIASES, LABELS, VIDEO_COLUMNS
from deepfake_generalize.data.tables import first_line, opened_table, read_header
from deepfake_generalize.errors import InputError

LABEL_FOLDERS: dict[str, int] = {REAL: 0, "fake": 1}
# `df` is what the authors of MesoNet call the fakes of their sample images.
IMAGE_LABEL_FOLDERS: dict[str, int] = {**LABEL_FOLDERS, "df": 1}

_FOR_CROPS = "pictures, and videos are read: use read_crops"
_FORMATS = "its format is not read; convert it to PNG, JPEG, BMP or WebP"


class Place(NamedTuple):
    """What the folders around a file say of it."""

    label: int | None
    method: str | None
    split: str | None


def recognise_folders(disk: Disk, root: Path) -> bool:
    """Say whether the root, or its folder of a split, has both folders; case does not matter."""
    inside = disk.subfolders(root)
    parts = [path for name, path in inside.items() if name.lower() in SPLITS]
    return any(
        LABEL_FOLDERS.keys() <= {name.lower() for name in names}
        for names in (inside, *map(disk.subfolders, parts))
    )


def read_folders(
    layout: Layout, disk: Disk, root: Path, *, methods: str | Sequence[str] | None = None
) -> Reading:
    """Read the videos, or pictures, in folders `real` and `fake`, in folders of splits or around.

    The method of a fake is the first folder under `fake`, or `fake` without one. What lies
    elsewhere, what the folders contradict each other about, and folders of pictures for whom videos
    are read, or the reverse, are among the problems.
    """
    still = layout.pictures
    labels = IMAGE_LABEL_FOLDERS if still else LABEL_FOLDERS
    here = [name for name in disk.subfolders(root) if name.lower() in (*labels, *SPLITS)]
    unlabelled = layout.name == "unlabelled"
    told = "nothing in it tells which videos are real: they have no label"
    reading = Reading(
        told if unlabelled else f"it holds {' and '.join(here) or 'neither real nor fake'}"
    )
    guests = []
    for parts, kind in walk_files(root, still=still, disk=disk):
        path = str(root.joinpath(*parts))
        place = Place(None, None, None) if unlabelled else place_of(parts, labels)
        is_guest = kind == "video" if still else "picture" in kind
        is_read = kind == ("picture" if still else "video")
        if isinstance(place, Problem):
            if is_read or (still and not is_guest):
                reading.problems.append(place._replace(path=path))
        elif is_read:
            row = VideoRow(path, root.name, place.method, place.label, split=place.split)
            reading.rows.append(row._replace(extra=(("video", path),) if still else ()))
        elif is_guest:
            guests += [] if unlabelled else [path]
        else:
            reason = "nothing tells what it is" if kind == "unknown" else _FORMATS
            reading.problems.append(Problem(path, "unknown", reason))
    to = "videos, and pictures are read: use find_videos" if still else _FOR_CROPS
    reading.problems += told_by_folder(guests, to)
    reading.rows = choose_methods(reading.rows, methods)
    return reading


def place_of(parts: Sequence[str], labels: Mapping[str, int]) -> Place | Problem:
    """Say what the folders of a relative path say; a `Problem` without a path where they do not."""
    folders = [name.lower() for name in parts[:-1]]
    named = [number for number, name in enumerate(folders) if name in labels]
    if not named or not all(name in SPLITS for name in folders[: named[0]]):
        reason = "it is neither in real nor in fake, so its label is not known"
        return Problem("", "unknown", reason)
    if len({labels[folders[number]] for number in named}) > 1:
        reason = "its folders contradict each other: it is in real and in fake"
        return Problem("", "mismatch", reason)
    label = labels[folders[named[0]]]
    splits = {SPLITS[name] for name in folders if name in SPLITS}
    if len(splits) > 1:
        reason = f"its folders contradict each other: it is in {' and in '.join(sorted(splits))}"
        return Problem("", "mismatch", reason)
    inner = [name for name in parts[named[0] + 1 : -1] if name.lower() not in SPLITS]
    method = (inner[0] if inner else folders[named[0]]) if label else REAL
    return Place(label, method, splits.pop() if splits else None)


LOOKS_FOR = "a CSV file with the columns path and label"

_OPTIONAL = tuple(name for name in VIDEO_COLUMNS if name not in ("path", "label"))
_KNOWN = {*VIDEO_COLUMNS, *ALIASES}
_BEGINNINGS = 3


def recognise_csv(disk: Disk, root: Path) -> bool:
    """Say whether the root is such a file, or a folder with such files directly in it."""
    tables = root.is_file() or any(n.lower().endswith(".csv") for n in disk.entries(root)[1])
    return tables and bool(_candidates(root))


def read_csv(_: Layout, __: Disk, root: Path) -> Reading:
    """Read the videos that a CSV file names: the root itself, or the one directly in the root."""
    candidates = _candidates(root)
    if len(candidates) != 1:
        raise _not_one(root, candidates)
    path = candidates[0]
    labelled = "label" in read_header(path, _KNOWN)
    reading = Reading(f"{path.name} has the column{'s path and label' if labelled else ' path'}")
    lines: dict[str, int] = {}
    with opened_table(path, _KNOWN) as reader:
        for entry in reader:
            row = _row(path, reader.line_num, entry)
            if row.path in lines:
                raise InputError(
                    f"expected each path once in {path}, received {row.path} on line "
                    f"{lines[row.path]} and on line {reader.line_num}.",
                    hint="Remove one of the two lines.",
                )
            lines[row.path] = reader.line_num
            problem = _problem(row.path, f"line {reader.line_num} of {path.name}")
            if problem is None:
                reading.rows.append(row)
            else:
                reading.problems.append(problem)
    return reading


def _candidates(root: Path) -> list[Path]:
    # A file that the user names is meant; in a folder any table may lie.
    needed = {"path"} if root.is_file() else {"path", "label"}
    return [file for file in _tables(root) if needed <= set(read_header(file, _KNOWN))]


def _tables(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    with os.scandir(root) as entries:
        names = sorted(e.name for e in entries if e.name.lower().endswith(".csv") and e.is_file())
    return [root / name for name in names if not name.startswith(".")]


def _not_one(root: Path, candidates: list[Path]) -> InputError:
    what = LOOKS_FOR.removeprefix("a ")
    if candidates:
        found = ", ".join(path.name for path in candidates)
        hint = "Pass the path of the CSV file itself."
        return InputError(f"expected one {what} in {root}, received: {found}.", hint=hint)
    begin = [f"{path.name} begins with {first_line(path)!r}" for path in _tables(root)]
    more = f" and {len(begin) - _BEGINNINGS} more" if len(begin) > _BEGINNINGS else ""
    found = "; ".join(begin[:_BEGINNINGS]) + more or "no CSV file"
    return InputError(
        f"expected one {what} in {root}, received none: {found}.",
        hint="Name the columns path and label in its first line.",
    )


def _row(file: Path, line: int, entry: dict[str, str]) -> VideoRow:
    word = (entry.get("label") or "").strip().lower()
    label = LABELS.get(word)
    if (word and label is None) or not (entry["path"] or "").strip():
        raise InputError(
            f"expected a path and a label (0 or real, 1 or fake, or none) on line {line} of "
            f"{file}, received path {entry['path']!r} and label {word!r}.",
            hint="Correct the line; 1 means fake.",
        )
    given = {name: (entry.get(name) or "").strip() or None for name in _OPTIONAL}
    for name, own in ALIASES.items():
        given[own] = given[own] or (entry.get(name) or "").strip() or None
    given["dataset"] = given["dataset"] or file.stem
    given["method"] = given["method"] or {0: REAL, 1: "fake"}.get(label)  # type: ignore[arg-type]
    return VideoRow(
        path=os.path.normpath(file.parent / entry["path"].strip()),
        label=label,
        extra=tuple((n, v) for n, v in entry.items() if n and n not in _KNOWN and v is not None),
        **given,  # type: ignore[arg-type]
    )


def _problem(path: str, place: str) -> Problem | None:
    # The system, which has the last word on a name, may find it too long or looped.
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises then
        return Problem(path, "missing", f"{place} names it, and it is not on disk")
    if looks_like(path) != "video":
        return Problem(path, "unknown", f"{place} names it, and it does not look like a video")
    return None
