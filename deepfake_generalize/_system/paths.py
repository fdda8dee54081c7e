"""Paths as the user knows them."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path without "..", links not followed: the user knows data by them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links


def possible(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path, or raise `OSError` where no file can have it.

    Names and paths may be too long, hold a NUL byte, or characters that no bytes stand for.
    """
    place = absolute(path)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        try:
            place.lstat()
        except ValueError as error:
            raise OSError(errno.EINVAL, "no file can have this name", str(place)) from error
    return place


def is_file(path: Path) -> bool:
    """Whether a file is there; `Path.is_file` raises where a name is too long."""
    return os.path.isfile(path)  # noqa: PTH113
