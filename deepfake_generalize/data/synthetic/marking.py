"""How drawn data is known as drawn, wherever it goes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.validation import describe, is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK_FILE = "synthetic.json"
MARK_COLUMN = "synthetic"
DRAWING_VERSION = 2
"""Rises whenever the same seed draws other pixels."""


def is_synthetic(source: str | Path | pd.DataFrame) -> bool:
    """Say whether data was drawn by `data.synthetic`.

    Args:
        source: A folder or file, or a manifest of videos or crops. A path is drawn if it lies in or
            below a folder with a `synthetic.json`; a manifest if a row of it says so in a
            column `synthetic`, or has such a path or video.

    Returns:
        Whether any of it was drawn.

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
    """Mark a folder as drawn with these settings, or check that it is.

    Args:
        folder: Made if missing.
        settings: What decides every pixel.

    Raises:
        DataMismatchError: The folder was drawn with other settings, or holds other things.
    """
    wanted = {"synthetic": True, "drawing": DRAWING_VERSION, **settings}
    mark = folder / MARK_FILE
    if mark.is_file():
        _compare(mark, wanted)
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise DataMismatchError(
            f"expected {str(folder)!r} to be empty or drawn before, it holds other files.",
            hint="Choose a new folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(mark, (json.dumps(wanted, indent=2) + "\n").encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing.

    Args:
        path: The file; its folder exists.
        content: What it will hold.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_whole(
    name: str, value: object, least: int, most: int | None = None, *, even: bool = False
) -> None:
    """Raise unless a setting is a whole number in its range.

    Args:
        name: What the message calls it.
        value: What came.
        least: The smallest allowed.
        most: The largest allowed, if there is one.
        even: Whether odd numbers are refused.

    Raises:
        InputError: It is not.
    """
    if is_whole(value, least=least):
        odd, beyond = value % 2, most is not None and value > most
        if not (beyond or (even and odd)):
            return
    kind = "an even" if even else "a whole"
    until = "" if most is None else f" to {most}"
    raise InputError(
        f"expected {name} to be {kind} number from {least}{until}, received {value!r}.",
        hint="Leave it out for the default, if it has one.",
    )


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
        f"expected {str(mark.parent)!r} to be drawn with "
        f"{', '.join(f'{name}={wanted[name]!r}' for name in other)}, its {MARK_FILE} says "
        f"{', '.join(f'{name}={known.get(name)!r}' for name in other)}.",
        hint="Choose a new folder, or ask for the same settings.",
    )


def _marked(path: Path) -> bool:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links
    return any((folder / MARK_FILE).is_file() for folder in (absolute, *absolute.parents))
