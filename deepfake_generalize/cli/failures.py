"""How commands fail: two lines on stderr, and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from deepfake_generalize.cli import console, wording
from deepfake_generalize.errors import DeepfakeGeneralizeError, InputError, PartialError

PROGRAM = "deepfake-generalize"
INTERRUPTED = 130


def account_for(failed: int, total: int, *, done: str, hint: str) -> None:
    """Raise when work on videos failed.

    Raises:
        InputError: It failed for all of them.
        PartialError: It failed for some.
    """
    if failed == total:
        raise InputError(f"none of the {total} videos could be {done}.", hint=hint)
    if failed:
        raise PartialError(f"{failed} of {total} videos could not be {done}.", hint=hint)


def interrupted() -> int:
    """Say that the user stopped the command, and return its exit code."""
    console.write_note("error: interrupted\nhint: extract, run again, goes on where it stopped")
    return INTERRUPTED


def reader_left() -> int:
    """Let the process end silently after `| head`: what is still buffered goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def report(error: Exception, command: Any = None) -> int:
    """Write the two lines of a failure, in the words of the command, and return its exit code."""
    if isinstance(error, DeepfakeGeneralizeError):
        message, code = wording.for_command(error.message, command), error.exit_code
        hint = wording.for_command(error.hint, command) or f"see {PROGRAM} --help"
    elif hasattr(error, "format_message"):
        # A usage error: of click, or of the copy of click that newer versions of typer carry.
        context = getattr(error, "ctx", None)
        message, code = error.format_message(), getattr(error, "exit_code", 2)
        hint = f"see {context.command_path if context else PROGRAM} --help"
    elif isinstance(error, OSError) and error.filename is not None:
        message, code = f"{error.strerror or type(error).__name__}: {error.filename}", 2
        hint = "check that the path exists, and that you may read or write it"
    else:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        message, code = f"{type(error).__name__}: {error}{notes}", 1
        hint = f"this was not foreseen; run {PROGRAM} --debug ... again to see where it happened"
    console.write_note(f"error: {_one_line(message)}\nhint: {_one_line(hint)}")
    return code


def _one_line(text: str) -> str:
    """Fold a text into one line, and show what would steer the terminal by its code."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
