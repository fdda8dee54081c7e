"""Standard streams that are closed or full: what is written to them goes nowhere, and ends nothing.

Where a process begins without standard output, the next file that it opens becomes that, and
whatever prints writes into it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

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
