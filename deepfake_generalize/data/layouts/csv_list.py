"""A CSV file that names videos: the column `path`, `label` where it is known, and any other."""

from __future__ import annotations

import os
from pathlib import Path

from deepfake_generalize.data.layouts.contract import Layout
from deepfake_generalize.data.layouts.manifest import REAL, Problem, Reading, VideoRow
from deepfake_generalize.data.layouts.scanning import Disk, looks_like
from deepfake_generalize.data.manifests import ALIASES, LABELS, VIDEO_COLUMNS
from deepfake_generalize.data.tables import first_line, opened_table, read_header
from deepfake_generalize.errors import InputError

LOOKS_FOR = "a CSV file with the columns path and label"

_OPTIONAL = tuple(name for name in VIDEO_COLUMNS if name not in ("path", "label"))
_KNOWN = {*VIDEO_COLUMNS, *ALIASES}
_BEGINNINGS = 3


def recognise(disk: Disk, root: Path) -> bool:
    """Say whether the root is such a file, or a folder with such files directly in it."""
    tables = root.is_file() or any(n.lower().endswith(".csv") for n in disk.entries(root)[1])
    return tables and bool(_candidates(root))


def read(_: Layout, __: Disk, root: Path) -> Reading:
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
