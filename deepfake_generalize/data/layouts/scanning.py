"""Walking a folder of videos: the same files in the same order on every machine."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

VIDEO_SUFFIXES: frozenset[str] = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v"}
)


def is_video_name(name: str) -> bool:
    """Say by its suffix, in either case, whether a file name is that of a video.

    Examples:
        >>> [is_video_name(name) for name in ("a.MP4", "a.txt")]
        [True, False]
    """
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122


def subfolders(folder: Path) -> dict[str, Path]:
    """Return the visible folders directly in a folder by their names, sorted."""
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    return {name: folder / name for name in names}


def walk_videos(root: Path, *, skip: frozenset[str] = frozenset()) -> list[tuple[str, ...]]:
    """List the videos at any depth under a root, by one pass over its folders.

    Linked folders are followed, each real folder once, so that a link to a parent does no harm.

    Args:
        root: Where to start.
        skip: Names of folders (in lower case) not to enter.

    Returns:
        The path of each video relative to the root, as its parts, sorted.
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
                if entry.is_dir():
                    if entry.name.lower() not in skip:
                        waiting.append((*parts, entry.name))
                elif is_video_name(entry.name):
                    # A link that leads nowhere is listed too: extraction reports it.
                    found.append((*parts, entry.name))
    return sorted(found)


def read_json(path: Path) -> object:
    """Read a JSON file.

    Raises:
        InputError: The file is not JSON in UTF-8; the message names the file and the place.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"expected JSON in {path}, received something else: {error}.",
            hint="Download or unpack this file again.",
        ) from error
    except OSError as error:
        raise InputError(
            f"expected to read {path}: {error.strerror}.", hint="Check its permissions."
        ) from error
