"""Paths as the user knows them, and where temporary files go."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - nothing is written here by name


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path without "..", links not followed: the user knows data by them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links


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
