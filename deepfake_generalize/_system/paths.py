"""Paths as the user knows them, and where temporary files go."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - nothing is written here by name
_ROOM_BYTES = 100_000_000
_ROOM_FILES = 100


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


def exists(path: Path) -> bool:
    """Whether something is there; `Path.exists` raises where a name is too long."""
    return os.path.exists(path)  # noqa: PTH110


def has_room(folder: Path) -> bool:
    """Whether the disk of a folder takes 100 MB more, and where the system says, 100 files."""
    files = os.statvfs(folder).f_favail if hasattr(os, "statvfs") else _ROOM_FILES + 1
    return shutil.disk_usage(folder).free > _ROOM_BYTES and files > _ROOM_FILES


def find_temporary_folder(out: Path | None = None) -> None:
    """Where no folder takes temporary files, let them go into memory, or beside a result.

    TensorFlow and MediaPipe do not begin without one. Processes begun from now on use it too. Where
    there is none, nothing happens: whoever needs one will say so.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        for folder in (_MEMORY, *(() if out is None else (out, *out.absolute().parents))):
            if folder.is_dir() and os.access(folder, os.W_OK):
                os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
                return
