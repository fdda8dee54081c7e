"""A CSV file that names videos: the columns `path` and `label`, and any other of the manifest's."""

from __future__ import annotations

import os
from pathlib import Path

from deepfake_generalize.data.layouts.manifest import (
    REAL,
    VIDEO_COLUMNS,
    Problem,
    Reading,
    VideoRow,
)
from deepfake_generalize.data.layouts.scanning import is_video_name, opened_table, read_header
from deepfake_generalize.errors import InputError

LOOKS_FOR = "a CSV file with the columns path and label"
CHOICES = ()
OWN_FOLDERS: frozenset[str] = frozenset()

_LABELS = {"0": 0, "1": 1, "real": 0, "fake": 1}
_OPTIONAL = tuple(name for name in VIDEO_COLUMNS if name not in ("path", "label"))


def recognise(root: Path) -> bool:
    """Say whether the root is such a file, or a folder with such files directly in it."""
    return bool(_candidates(root))


def read(root: Path) -> Reading:
    """Read the videos that a CSV file names: the root itself, or the one directly in the root.

    Paths in the file are absolute, or relative to the file; labels are 0 and 1, or real and fake;
    the data set's name is the file's, the method `real` or `fake`, where the file has no such
    columns. Among the problems: videos that are not on disk, and files that are not videos by their
    suffix.
    """
    candidates = _candidates(root)
    if len(candidates) != 1:
        found = ", ".join(path.name for path in candidates) or "none"
        raise InputError(
            f"expected one {LOOKS_FOR.removeprefix('a ')} in {root}, received: {found}.",
            hint="Pass the path of the CSV file itself.",
        )
    path = candidates[0]
    reading = Reading(f"{path.name} has the columns path and label")
    lines: dict[str, int] = {}
    with opened_table(path) as reader:
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
    if root.is_file():
        files = [root]
    else:
        with os.scandir(root) as entries:
            names = sorted(
                e.name for e in entries if e.name.lower().endswith(".csv") and e.is_file()
            )
        files = [root / name for name in names if not name.startswith(".")]
    return [file for file in files if {"path", "label"} <= set(read_header(file))]


def _row(file: Path, line: int, entry: dict[str, str]) -> VideoRow:
    label = _LABELS.get((entry["label"] or "").strip().lower())
    if label is None or not (entry["path"] or "").strip():
        raise InputError(
            f"expected a path and a label (0 or real, 1 or fake) on line {line} of {file}, "
            f"received path {entry['path']!r} and label {entry['label']!r}.",
            hint="Correct the line; 1 means fake.",
        )
    given = {name: (entry.get(name) or "").strip() or None for name in _OPTIONAL}
    given["dataset"] = given["dataset"] or file.stem
    given["method"] = given["method"] or ("fake" if label else REAL)
    return VideoRow(
        path=os.path.normpath(file.parent / entry["path"].strip()),
        label=label,
        **given,  # type: ignore[arg-type]
    )


def _problem(path: str, place: str) -> Problem | None:
    # The system, which has the last word on a name, may find it too long or looped.
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises then
        return Problem(path, "missing", f"{place} names it, and it is not on disk")
    if not is_video_name(Path(path).name):
        return Problem(path, "unknown", f"{place} names it, and its suffix is not a video's")
    return None
