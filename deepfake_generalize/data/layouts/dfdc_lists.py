"""The files in which DFDC says what its videos are: three forms, one reading.

`metadata.json` in each training part, `dataset.json` in the preview, `labels.csv` in the test set.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from deepfake_generalize.data.layouts.scanning import opened_table, read_json
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METADATA, PREVIEW, LABELS = "metadata.json", "dataset.json", "labels.csv"
LIST_FILES = (METADATA, PREVIEW, LABELS)

_WORDS = {"REAL": 0, "FAKE": 1}
_FLAGS = {"0": 0, "1": 1}
_CSV_COLUMNS = {"filename", "label"}


class Listed(NamedTuple):
    """What a list says of one video: its name below the list's folder, and the rest."""

    name: str
    label: int
    method: str | None = None
    target: str | None = None
    source: str | None = None
    split: str | None = None


def is_list(path: Path) -> bool:
    """Say whether a file may be meant as one of DFDC's: its form is right, or it is damaged."""
    if not path.is_file():
        return False
    if path.name == LABELS:
        return set(_header(path)) >= _CSV_COLUMNS
    try:
        content = read_json(path)
    except InputError:
        return True
    return isinstance(content, dict) and any(
        isinstance(entry, dict) and bool({"label", "is_fake"} & set(entry))
        for entry in content.values()
    )


def read_list(path: Path) -> Iterator[Listed]:
    """Yield what a list says of each video, in the order of their names.

    Raises:
        InputError: It is not of the form its name promises, or a label is none.
    """
    if path.name == LABELS:
        yield from sorted(_read_labels(path))
        return
    of_entry = _preview if path.name == PREVIEW else _trained
    for name, entry in sorted(_entries(path).items()):
        yield of_entry(path, name, entry)


def _trained(path: Path, name: str, entry: dict[str, object]) -> Listed:
    label = _label(path, name, entry)
    clip = name if not label else entry.get("original")
    stem = clip.rpartition(".")[0] or clip if isinstance(clip, str) else None
    return Listed(name, label, target=stem, split=_text(entry.get("split")))


def _preview(path: Path, name: str, entry: dict[str, object]) -> Listed:
    label = _label(path, name, entry)
    return Listed(
        name,
        label,
        method=name.partition("/")[0] if label and "/" in name else None,
        target=_text(entry.get("target_id")),
        source=_text(entry.get("swapped_id")) if label else None,
        split=_text(entry.get("set")),
    )


def _label(path: Path, name: str, entry: dict[str, object]) -> int:
    said = entry.get("label", entry.get("is_fake"))
    label = _WORDS.get(str(said).upper(), _FLAGS.get(str(said)))
    if label is None:
        raise InputError(
            f"expected the label of {name} in {path} to be REAL or FAKE, received {said!r}.",
            hint="Unpack this part of DFDC again, or correct the entry.",
        )
    return label


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int)) and str(value) else None


def _entries(path: Path) -> dict[str, dict[str, object]]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise InputError(
            f'expected {path} to map file names to objects such as {{"label": "FAKE"}}, received '
            "other JSON.",
            hint="Unpack this part of DFDC again, or name another layout.",
        )
    return content


def _read_labels(path: Path) -> Iterator[Listed]:
    with opened_table(path, errors="replace") as reader:
        if not set(reader.fieldnames or ()) >= _CSV_COLUMNS:
            raise InputError(
                f"expected {path} to have the columns filename and label, received "
                f"{', '.join(reader.fieldnames or ()) or 'none'}.",
                hint="Download the file again, or name another layout.",
            )
        for entry in reader:
            name, said = ((entry[key] or "").strip() for key in ("filename", "label"))
            if not name or said not in _FLAGS:
                raise InputError(
                    f"expected a file name and 0 (real) or 1 (fake) on line {reader.line_num} of "
                    f"{path}, received {name!r} and {said!r}.",
                    hint="Download the file again, or correct the line.",
                )
            yield Listed(name, _FLAGS[said], split="test")


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error):
        return []
