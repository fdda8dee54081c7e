"""Locks on files, which the kernel lets go of when a process dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from deepfake_generalize.errors import DataMismatchError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

ON_WINDOWS = fcntl is None
"""Where the kernel knows no `flock`, and neither removes nor replaces a file that is open."""
_POLL_SECONDS = 0.1
_BEYOND = 0x7FFF_FFFE
"""The byte that is locked on Windows, where others can neither read nor write what is locked."""
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP))
"""What file systems say that grant no locks, such as some of clusters."""


def lock(handle: int, *, wait: bool = False) -> bool:
    """Lock an open file until it is closed; BlockingIOError where another process has it.

    Returns whether there is a lock now: False where the file system grants none.
    """
    try:
        if ON_WINDOWS:
            _lock_on_windows(handle, wait)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _lock_on_windows(handle: int, wait: bool) -> Any:
    windows = importlib.import_module("msvcrt")
    os.lseek(handle, _BEYOND, os.SEEK_SET)
    while True:
        try:
            return windows.locking(handle, windows.LK_NBLCK, 1)
        except PermissionError as error:
            if not wait:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        time.sleep(_POLL_SECONDS)


def remove_unless_locked(file: Path) -> None:
    """Remove a file, unless a process has it locked (on Windows: open), or it cannot be removed."""
    opening = contextlib.nullcontext if ON_WINDOWS else partial(file.open, "rb")
    with contextlib.suppress(OSError), opening() as opened:
        # Without locks nothing tells whether it is being written.
        if opened is None or lock(opened.fileno()):
            file.unlink()


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Be the only process inside this block for `file`, which is made for it and removed after it.

    BlockingIOError where another process is inside, other OSErrors where it cannot be made. Where
    the file system grants no locks, a warning says so, and the block is entered.
    """
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            is_locked = lock(handle)
        except OSError:
            os.close(handle)
            raise
        if is_locked is False:
            warnings.warn(
                f"the file system of {str(file.parent)!r} grants no locks: see that no other "
                "process writes there",
                stacklevel=4,
            )
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(file.stat(), os.fstat(handle)):
                break
        # Whoever had it before removed the file in between: that lock guards nothing.
        os.close(handle)
    try:
        yield
    finally:
        if not ON_WINDOWS:
            file.unlink(missing_ok=True)
        os.close(handle)
        if ON_WINDOWS:
            remove_unless_locked(file)


@contextlib.contextmanager
def claim_folder(folder: Path, lock_name: str, *, work: str) -> Iterator[None]:
    """Be the only process that does this kind of work in a folder, made where it is missing.

    DataMismatchError where another does, InputError where the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock_file(folder / lock_name))
        except BlockingIOError:
            raise DataMismatchError(
                f"expected a folder in which no {work} is running, received {str(folder)!r}, in "
                "which one is.",
                hint="Wait for it, or choose another folder.",
            ) from None
        except OSError as error:
            raise InputError(
                f"expected a folder that can be written, received {str(folder)!r}: "
                f"{error.strerror or error}.",
                hint="Choose another folder, or mend its permissions.",
            ) from error
        yield
