"""Walking a folder of videos: the same files in the same order on every machine."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from typing import TYPE_CHECKING

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIDEO_SUFFIXES: frozenset[str] = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v"}
)


def is_video_name(name: str) -> bool:
    """Say by its suffix, in either case, whether a file name is that of a video."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122


def subfolders(folder: Path) -> dict[str, Path]:
    """Return the visible folders directly in a folder by their names, sorted."""
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if not e.name.startswith(".") and _is_folder(e))
    return {name: folder / name for name in names}


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself: one of them must not hide all the others.
        return False


def walk_videos(root: Path, *, skip: frozenset[str] = frozenset()) -> list[tuple[str, ...]]:
    """List the videos at any depth under a root, as the parts of their relative paths, sorted.

    One pass; linked folders are followed, each real folder once, so that a link to a parent does no
    harm. Folders whose names, in lower case, are in `skip` are not entered.
    """
    found: list[tuple[str, ...]] = []
    entered: set[str] = set()
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        folder = root.joinpath(*parts)
        real = os.path.realpath(folder)
        if real in entered:
            continue
        entered.add(real)
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    if entry.name.lower() not in skip:
                        waiting.append((*parts, entry.name))
                elif is_video_name(entry.name):
                    # A link that leads nowhere is listed too: extraction reports it.
                    found.append((*parts, entry.name))
    return sorted(found)


@contextlib.contextmanager
def opened_table(path: Path, *, errors: str = "strict") -> Iterator[csv.DictReader[str]]:
    """Open a CSV file with a header, and turn what reading it raises into an `InputError`.

    `errors` says what becomes of bytes that are not UTF-8, as in `open`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="", errors=errors) as file:
            yield csv.DictReader(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"expected a CSV file in UTF-8 at {path}: {error}.",
            hint="Download or write this file again.",
        ) from error


def read_header(path: Path) -> list[str]:
    """Return the first line of a CSV file; nothing where it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def read_json(path: Path) -> object:
    """Read a JSON file; what is none raises `InputError`, which names the file and the place."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"expected JSON in {path}, received something else: {error}.",
            hint="Download or unpack this file again.",
        ) from error
    except OSError as error:
        raise InputError(
            f"expected to read {path}: {error.strerror}.", hint="Check its permissions."
        ) from error
