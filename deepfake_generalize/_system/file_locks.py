"""Locks on files, which the kernel lets go of when a process dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def lock(handle: int, *, wait: bool = False) -> None:
    """Lock an open file until it is closed; BlockingIOError where another process has it."""
    fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Be the only process inside this block for `file`, which is made for it and removed after it.

    BlockingIOError where another process is inside, other OSErrors where it cannot be made.
    """
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            lock(handle)
        except OSError:
            os.close(handle)
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(file.stat(), os.fstat(handle)):
                break
        # Whoever had it before removed the file in between: that lock guards nothing.
        os.close(handle)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(handle)
