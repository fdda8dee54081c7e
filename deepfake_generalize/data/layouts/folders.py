"""Anybody's videos or crops: in folders `real` and `fake`, or with nothing that labels them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deepfake_generalize.data.layouts.contract import SPLITS, Layout
from deepfake_generalize.data.layouts.manifest import (
    REAL,
    Problem,
    Reading,
    VideoRow,
    choose_methods,
)
from deepfake_generalize.data.layouts.problems import told_by_folder
from deepfake_generalize.data.layouts.scanning import Disk, walk_files

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


def recognise(disk: Disk, root: Path) -> bool:
    """Say whether the root, or its folder of a split, has both folders; case does not matter."""
    inside = disk.subfolders(root)
    parts = [path for name, path in inside.items() if name.lower() in SPLITS]
    return any(
        LABEL_FOLDERS.keys() <= {name.lower() for name in names}
        for names in (inside, *map(disk.subfolders, parts))
    )


def read(
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
