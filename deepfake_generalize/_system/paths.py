"""Paths as the user knows them."""

from __future__ import annotations

import os
from pathlib import Path


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path without "..", links not followed: the user knows data by them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links
