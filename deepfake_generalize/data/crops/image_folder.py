"""What names the video of an image in a tree of face crops that somebody else cut."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from deepfake_generalize.errors import InputError

# The last number of a name, and what stands between it and the rest.
_FRAME = re.compile(r"(.*?)[ _.-]*(?:frame|img|image)?[ _.-]*\d+", re.IGNORECASE)


def videos_of(root: Path, paths: Sequence[str], video_pattern: str) -> list[str]:
    """Name the video of each image under a root, as `read_crops` says."""
    if video_pattern == "folder":
        return [folder for folder, _ in map(os.path.split, paths)]
    if video_pattern == "number":
        return [f"{folder}/{_numbered(name)}" for folder, name in map(os.path.split, paths)]
    pattern = _compiled(video_pattern)
    return [f"{root}/{_searched(name, pattern)}" for _, name in map(os.path.split, paths)]


def before_number(name: str) -> str:
    """Return what a file's name holds before its last number, as "017" of 017_0042.jpg, or ""."""
    found = _FRAME.fullmatch(Path(name).stem)
    return found[1] if found else ""


def _numbered(name: str) -> str:
    if not (video := before_number(name)):
        raise InputError(
            "expected names such as 017_0042.jpg, of a video and a number, with "
            f"video_pattern='number', received {name!r}.",
            hint="Give a regular expression whose first group names the video.",
        )
    return video


def _searched(name: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(name)
    if match is None or not match.group(1):
        raise InputError(
            f"expected video_pattern to find a video in every file name, {pattern.pattern!r} finds "
            f"none in {name!r}.",
            hint="Make its first group match the part of the name that frames of a video share.",
        )
    return match.group(1)


def _compiled(video_pattern: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(video_pattern)
    except re.error as error:
        raise InputError(
            f"expected a regular expression as video_pattern, {video_pattern!r} is none: {error}.",
            hint="Escape special characters, or use 'folder' or 'number'.",
        ) from error
    if pattern.groups < 1:
        raise InputError(
            f"expected video_pattern to have a group, {video_pattern!r} has none.",
            hint='Put the part that names the video in parentheses, as in r"^([a-z]+)-".',
        )
    return pattern
