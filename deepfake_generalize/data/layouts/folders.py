"""Anybody's videos: a folder `real` and a folder `fake`, or these two in train, val and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake_generalize.data.layouts.manifest import (
    REAL,
    Problem,
    Reading,
    VideoRow,
    choose_methods,
)
from deepfake_generalize.data.layouts.scanning import subfolders, walk_videos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOOKS_FOR = "a folder real and a folder fake, or train, val and test with these two in each"
CHOICES = ("methods",)
OWN_FOLDERS = frozenset({"real", "fake", "train", "val", "test"})

_FAKE = "fake"
_SPLITS = ("train", "val", "test")


def recognise(root: Path) -> bool:
    """Say whether the root, or its train, val or test, has both folders; case does not matter."""
    inside = subfolders(root)
    parts = [path for name, path in inside.items() if name.lower() in _SPLITS]
    return any(
        {REAL, _FAKE} <= {name.lower() for name in names}
        for names in (inside, *map(subfolders, parts))
    )


def read(root: Path, *, methods: str | Sequence[str] | None = None) -> Reading:
    """Read the videos in `real` and `fake`, at any depth, or in train, val and test with these two.

    The root's name becomes the data set's; the method of a fake is the first folder under `fake`,
    or `fake` without one. `methods` are those to keep, beside all originals (`real` alone keeps
    originals only); None keeps all. Videos elsewhere under the root are among the problems.
    """
    marks = (REAL, _FAKE, *_SPLITS)
    here = [name for name in subfolders(root) if name.lower() in marks]
    reading = Reading(f"it holds {' and '.join(here) or 'neither real nor fake'}")
    for parts in walk_videos(root):
        row = _place(root, parts)
        if row is None:
            reason = "it is neither in real nor in fake, so its label is not known"
            reading.problems.append(Problem(str(root.joinpath(*parts)), "unknown", reason))
        else:
            reading.rows.append(row)
    reading.rows = choose_methods(reading.rows, methods)
    return reading


def _place(root: Path, parts: tuple[str, ...]) -> VideoRow | None:
    split = parts[0].lower() if parts[0].lower() in _SPLITS else None
    inner = parts[1:] if split else parts
    if len(inner) < 2 or inner[0].lower() not in (REAL, _FAKE):
        return None
    fake = inner[0].lower() == _FAKE
    deeper = inner[1] if len(inner) > 2 else _FAKE
    return VideoRow(
        path=str(root.joinpath(*parts)),
        dataset=root.name,
        method=deeper if fake else REAL,
        label=int(fake),
        split=split,
    )
