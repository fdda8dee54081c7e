"""The mark by which synthetic data is known as synthetic, wherever it goes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize._system.atomic_files import write_whole
from deepfake_generalize._system.paths import absolute, possible
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.validation import describe

MARK_FILE = "synthetic.json"
MARK_COLUMN = "synthetic"
RENDERING_VERSION = 4
"""Rises whenever the same seed gives other pixels."""


def is_synthetic(source: str | Path | pd.DataFrame) -> bool:
    """Say whether data was made by `data.synthetic`.

    Args:
        source: A folder or file, or a manifest of videos or crops. A path is synthetic if it lies
            in or below a folder with a `synthetic.json`; a manifest if a row of it says so in a
            column `synthetic`, or has such a path or video.

    Returns:
        Whether any of it was.

    Raises:
        InputError: Another type.

    Examples:
        >>> is_synthetic(pd.DataFrame({"path": ["/data/FF/000.mp4"]}))
        False
        >>> is_synthetic(pd.DataFrame({"path": ["a.png"], "synthetic": ["true"]}))
        True
    """
    if isinstance(source, pd.DataFrame):
        if MARK_COLUMN in source and (source[MARK_COLUMN].astype("string") == "true").any():
            return True
        columns = [source[name].dropna() for name in ("path", "video") if name in source]
        folders = {Path(str(value)).parent for column in columns for value in column}
        return any(_marked(folder) for folder in folders)
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(
            f"expected a folder or a manifest, received {describe(source)}.",
            hint="Pass a path or a DataFrame of crops or videos.",
        )
    return _marked(Path(source))


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Mark a folder as made with these settings, or refuse one made otherwise or used already."""
    wanted = {"synthetic": True, "drawing": RENDERING_VERSION, **settings}
    mark = folder / MARK_FILE
    try:
        _claim(possible(folder), mark, wanted)
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written, received {str(folder)[:200]!r}: "
            f"{error.strerror}.",
            hint="Choose another folder, or mend its permissions.",
        ) from error


def _claim(folder: Path, mark: Path, wanted: Mapping[str, Any]) -> None:
    if mark.is_file():
        _compare(mark, wanted)
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise DataMismatchError(
            f"expected {str(folder)!r} to be empty or made before, it holds other files.",
            hint="Choose a new folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(mark, (json.dumps(wanted, indent=2) + "\n").encode())


def _compare(mark: Path, wanted: Mapping[str, Any]) -> None:
    try:
        found = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if found == wanted:
        return
    known = found if isinstance(found, dict) else {}
    other = [name for name in wanted if known.get(name) != wanted[name]]
    raise DataMismatchError(
        f"expected {str(mark.parent)!r} to be made with "
        f"{', '.join(f'{name}={wanted[name]!r}' for name in other)}, its {MARK_FILE} says "
        f"{', '.join(f'{name}={known.get(name)!r}' for name in other)}.",
        hint="Choose a new folder, or ask for the same settings.",
    )


def _marked(path: Path) -> bool:
    whole = absolute(path)
    return any((folder / MARK_FILE).is_file() for folder in (whole, *whole.parents))
