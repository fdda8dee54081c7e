"""Folders of face crops that come without a manifest: labels from the folders' names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from deepfake_generalize.data.crops.image_files import IMAGE_SUFFIXES
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

# `df` is what the authors of MesoNet call the fakes of their sample images.
LABEL_FOLDERS: dict[str, int] = {"real": 0, "fake": 1, "df": 1}
SPLIT_FOLDERS: tuple[str, ...] = ("train", "val", "test")

_EMPTY = ("target_identity", "source_identity", "compression", "box", "aligner", "flag")
_HINT = (
    "Give the folder subfolders real and fake (or train, val and test, each with real and fake) "
    "holding png, jpg, jpeg or bmp images, or pass the folder that extract_faces wrote."
)


def read_loose_crops(root: Path, video_pattern: str | None) -> pd.DataFrame:
    """List the images of a tree `{real,fake}/*` or `{train,val,test}/{real,fake}/*`.

    Args:
        root: The folder, absolute.
        video_pattern: A regular expression whose first group, searched in the file's name, names
            the video; None makes every image its own video.

    Returns:
        The columns of the crop manifest in no certain order, sorted by path; no image is opened.

    Raises:
        InputError: No images where they were expected, or a pattern that does not fit.
    """
    pattern = _compile(video_pattern)
    places: list[tuple[str | None, Path]] = [(None, root)]
    places += [(name, root / name) for name in SPLIT_FOLDERS if (root / name).is_dir()]
    rows = [
        _row(root, image, split, pattern)
        for split, place in places
        for folder in sorted(LABEL_FOLDERS)
        if (place / folder).is_dir()
        for image in _images(place / folder)
    ]
    if not rows:
        raise InputError(f"expected crops in {str(root)!r}, found none.", hint=_HINT)
    frame = pd.DataFrame(rows).sort_values("path", ignore_index=True)
    for name in _EMPTY:
        frame[name] = pd.Series(pd.NA, index=frame.index, dtype="string")
    frame["frame"] = pd.Series(pd.NA, index=frame.index, dtype="Int64")
    frame["score"] = float("nan")
    return frame


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def _row(
    root: Path, image: Path, split: str | None, pattern: re.Pattern[str] | None
) -> dict[str, object]:
    return {
        "path": str(image),
        "video": str(image) if pattern is None else _video(root, image, pattern),
        "dataset": root.name,
        "method": image.parent.name,
        "label": LABEL_FOLDERS[image.parent.name],
        "split": split,
    }


def _video(root: Path, image: Path, pattern: re.Pattern[str]) -> str:
    match = pattern.search(image.name)
    if match is None or not match.group(1):
        raise InputError(
            f"expected video_pattern to find a video in every file name, {pattern.pattern!r} finds "
            f"none in {image.name!r}.",
            hint="Make its first group match the part of the name that frames of a video share.",
        )
    return str(root / match.group(1))


def _compile(video_pattern: str | None) -> re.Pattern[str] | None:
    if video_pattern is None:
        return None
    try:
        pattern = re.compile(video_pattern)
    except re.error as error:
        raise InputError(
            f"expected a regular expression as video_pattern, {video_pattern!r} is none: {error}.",
            hint="Escape special characters.",
        ) from error
    if pattern.groups < 1:
        raise InputError(
            f"expected video_pattern to have a group, {video_pattern!r} has none.",
            hint='Put the part that names the video in parentheses, as in r"^([a-z]+)-".',
        )
    return pattern
