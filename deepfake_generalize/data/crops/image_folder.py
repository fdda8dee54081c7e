"""Trees of face crops that somebody else cut: which images there are, and what folders say of them.

Nothing is opened that its name tells of; what looks like a picture and is not read is told.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from deepfake_generalize.data.layouts import (
    LayoutWarning,
    Place,
    Problem,
    counts_of,
    left_out,
    place_of,
    told_by_folder,
    walk_files,
)
from deepfake_generalize.errors import InputError

# `df` is what the authors of MesoNet call the fakes of their sample images.
LABEL_FOLDERS: dict[str, int] = {"real": 0, "fake": 1, "df": 1}

_TREE_HINT = (
    "Give the folder subfolders real and fake (or train, val and test, each with real and fake) "
    "holding PNG, JPEG, BMP or WebP images, or pass the folder that extract_faces wrote."
)
_FORMATS = "its format is not read; convert it to PNG, JPEG, BMP or WebP"
# The last number of a name, and what stands between it and the rest.
_FRAME = re.compile(r"(.*?)[ _.-]*(?:frame|img|image)?[ _.-]*\d+", re.IGNORECASE)


def read_image_folder(root: Path, video_pattern: str | None) -> pd.DataFrame:
    """List the images of a tree with folders `real` and `fake`, as rows with what is known of them.

    `.attrs["problems"]` is as that of `find_videos`, and one `LayoutWarning` says how many there
    are.
    """
    video_of = _video_rule(video_pattern)
    rows, problems, videos = [], [], []
    for parts, kind in walk_files(root, still=True):
        path, place = str(root.joinpath(*parts)), place_of(parts, LABEL_FOLDERS)
        if kind == "video":
            videos += [path] if isinstance(place, Place) else []
        elif isinstance(place, Problem):
            problems.append(place._replace(path=path))
        elif kind != "picture":
            reason = "nothing tells what it is" if kind == "unknown" else _FORMATS
            problems.append(Problem(path, "unknown", reason))
        else:
            rows.append(
                {
                    "path": path,
                    "video": video_of(root, parts),
                    "dataset": root.name,
                    "method": place.method,
                    "label": place.label,
                    "split": place.split,
                }
            )
    problems += told_by_folder(videos, "videos, and pictures are read: use find_videos")
    unread = left_out({str(row["path"]): int(str(row["label"])) for row in rows})
    gone = {problem.path for problem in unread}
    rows = [row for row in rows if row["path"] not in gone]
    problems = sorted([*problems, *unread])
    if not rows:
        told = f": {counts_of(problems)}, such as {problems[0]}" if problems else ""
        raise InputError(f"expected crops in {str(root)!r}, found none{told}.", hint=_TREE_HINT)
    if problems:
        warnings.warn(
            f"{root}: {counts_of(problems)}; the other crops were read. Each is listed with its "
            "reason in .attrs['problems'] of the result.",
            LayoutWarning,
            stacklevel=3,
        )
    frame = pd.DataFrame(rows).sort_values("path", ignore_index=True)
    frame.attrs["problems"] = [problem._asdict() for problem in problems]
    return frame


def _video_rule(video_pattern: str | None) -> Callable[[Path, Sequence[str]], str]:
    """Return what names the video of a file, from the root and the parts of its path below it."""
    if video_pattern is None:
        return lambda root, parts: str(root.joinpath(*parts))
    if video_pattern == "folder":
        return lambda root, parts: str(root.joinpath(*parts[:-1]))
    if video_pattern == "number":
        return _before_number
    pattern = _compiled(video_pattern)
    return lambda root, parts: _searched(root, parts[-1], pattern)


def before_number(name: str) -> str:
    """Return what a file's name holds before its last number, as "017" of 017_0042.jpg, or ""."""
    found = _FRAME.fullmatch(Path(name).stem)
    return found[1] if found else ""


def _before_number(root: Path, parts: Sequence[str]) -> str:
    video = before_number(parts[-1])
    if not video:
        raise InputError(
            "expected names such as 017_0042.jpg, of a video and a number, with "
            f"video_pattern='number', received {parts[-1]!r}.",
            hint="Give a regular expression whose first group names the video.",
        )
    return str(root.joinpath(*parts[:-1], video))


def _searched(root: Path, name: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(name)
    if match is None or not match.group(1):
        raise InputError(
            f"expected video_pattern to find a video in every file name, {pattern.pattern!r} finds "
            f"none in {name!r}.",
            hint="Make its first group match the part of the name that frames of a video share.",
        )
    return str(root / match.group(1))


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
