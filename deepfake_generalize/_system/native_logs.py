"""Keep native libraries from flooding standard error, without swallowing what matters.

TensorFlow's and MediaPipe's C++ code writes dozens of lines each time a model is loaded, past
Python's own redirection and, for MediaPipe, past every environment variable. Only the file
descriptor can be turned.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What native loggers call information or warning ("INFO: ...", "W0000 00:00:1795589570 ...",
# "2026-07-01 12:00:00.1: I tensorflow/..."), and the second line of one of them.
_NOISE = re.compile(
    rb"(INFO|WARNING|VERBOSE): |[IW]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IW] |"
    rb"To enable the following instructions|\s*$"
)
_STDERR = 2
# Two threads turning the same descriptor could leave it turned for ever.
_LOCK = threading.Lock()


@contextlib.contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Hold back standard error (the descriptor) around one call, then pass on what is no logging.

    Lines that native loggers mark as information or warnings are dropped. All others are written
    when the block ends, unless it ends with an exception, which then speaks for itself.
    """
    with _LOCK, _held() as held:
        with _turned_to(held):
            yield
        _pass_on(held)


@contextlib.contextmanager
def quiet_native_logs_of_command() -> Iterator[None]:
    """Hold back native logs through a whole command, while Python's own stderr goes on.

    What is no logging is written at the end. Everything is, where an error passes that has no
    `exit_code`: nobody raised it on purpose.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keep_all = False
    with _held() as held:
        try:
            with _turned_to(held) as real, _python_stderr_on(real):
                yield
        except Exception as error:
            keep_all = not hasattr(error, "exit_code")
            raise
        finally:
            _pass_on(held, keep_all=keep_all)


@contextlib.contextmanager
def _held() -> Iterator[IO[bytes]]:
    """Yield a file, in memory where there may be one: no folder may take it."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("native_logs")
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    with contextlib.ExitStack() as low:
        while handle <= _STDERR:
            # This process has no standard error, and what is opened now would become that.
            low.callback(os.close, handle)
            handle = os.dup(handle)
    with os.fdopen(handle, "w+b") as file:
        yield file


@contextlib.contextmanager
def _turned_to(held: IO[bytes]) -> Iterator[int | None]:
    """Let descriptor 2 lead to a file; yield one that leads where it led, None without any."""
    real = None
    with contextlib.suppress(OSError):
        real = os.dup(_STDERR)
    with contextlib.suppress(AttributeError, OSError, ValueError):  # None, full, or closed.
        sys.stderr.flush()
    # Also without standard error: what is opened meanwhile must not become that.
    os.dup2(held.fileno(), _STDERR)
    try:
        yield real
    finally:
        if real is not None:
            os.dup2(real, _STDERR)
        os.close(_STDERR if real is None else real)


@contextlib.contextmanager
def _python_stderr_on(descriptor: int | None) -> Iterator[None]:
    """Let `sys.stderr` go on reaching the terminal where it writes to descriptor 2."""
    try:
        turned = sys.stderr.fileno() == _STDERR
    except (AttributeError, OSError, ValueError):
        turned = False
    if descriptor is None or not turned:
        yield
        return
    own = sys.stderr
    stream = os.fdopen(os.dup(descriptor), "w", 1, encoding=own.encoding, errors=own.errors)
    try:
        with contextlib.redirect_stderr(stream):
            yield
    finally:
        with contextlib.suppress(OSError):  # What a full disk did not take.
            stream.close()


def _pass_on(held: IO[bytes], *, keep_all: bool = False) -> None:
    held.seek(0)
    rest = b"".join(line for line in held if keep_all or not _NOISE.match(line))
    with contextlib.suppress(OSError):  # Closed, full, or its reader has left.
        while rest:
            rest = rest[os.write(_STDERR, rest) :]
