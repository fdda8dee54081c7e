"""Standard streams that are closed, full, or flooded by the logs of native libraries."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, TextIO

_NAMES = ("stdin", "stdout", "stderr")


def open_closed_streams() -> None:
    """Let every standard stream that this process was begun without lead to nowhere.

    For programs, and at their beginning: a library leaves the streams of its caller alone.
    """
    for descriptor in range(len(_NAMES)):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest descriptor that is free is this one: those before it are open by now.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
    for descriptor, name in enumerate(_NAMES):
        if getattr(sys, name) is None:
            mode = "w" if descriptor else "r"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def show_what_cannot_be_encoded(*streams: TextIO) -> None:
    """Let characters that the terminal's encoding lacks be shown by their codes."""
    for stream in streams:
        with contextlib.suppress(AttributeError, ValueError):  # What stands in for a stream.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]


def discard(stream: TextIO) -> None:
    """Let a stream that takes nothing more end silently: what it still holds goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def visible(text: str) -> str:
    r"""Show by its code whatever is no sign: what would steer a terminal, or turn a line round.

    Examples:
        >>> visible("a\x1b[2Jb\r\u202e\udcff é")
        'a\\x1b[2Jb\\r\\u202e\\udcff é'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


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
