"""How commands fail: two lines on stderr, in the words of the command line, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import re
import signal
import sys
from typing import Any

from deepfake_generalize._system.streams import discard
from deepfake_generalize.cli import console
from deepfake_generalize.errors import DeepfakeGeneralizeError, InputError, PartialError

PROGRAM = "deepfake-generalize"
_BY_SIGNAL = 128
INTERRUPTED = _BY_SIGNAL + signal.SIGINT
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))

_IN_THE_SHELL = {
    "audit=False": "--no-audit",
    "finder=CascadeFinder": "--finder cascade",
    "frames_per_video": "--frames",
    "n_jobs": "--jobs",
    "out_dir": "--out",
    '("no_face",)': "--redo no_face",
    'trained_on={"CELEB": crops}': "--trained-on CELEB=crops",
    'unseen={"DFD": crops}': "--unseen DFD=crops",
    "Detector.load": "--detector FILE.keras",
    "load_pretrained": "--detector NAME --weights FILE",
    "Detector.save": "`train`",
    "Splits.save": "`split`",
    "balanced_splits": "`split`",
    "extract_faces": "`extract`",
    "find_videos": "`extract`",
    "read_crops": "`split`, `train` and `benchmark`",
    "study.run": "`study`",
    "video_pattern": "--video-pattern",
}
"""Words of Python in the library's messages: options, or commands, that do the same in a shell."""

# Neither is meant inside a path: folders may be called size=256 or out_dir.
_BEFORE, _AFTER = r"""(?<![\w/.\\'"-])""", r"(?![\w/\\-]|\.\w)"
_PHRASE = re.compile(
    rf"{_BEFORE}(?:(?:data|models)\.)?({'|'.join(map(re.escape, _IN_THE_SHELL))})"
    rf"(?:\([^()]*\)(?:\.crops)?)?+{_AFTER}"
)
_SETTING = re.compile(r"as_detector\(\.\.\., ([^()]*)\)")
_ARGUMENT = re.compile(rf"""{_BEFORE}([a-z]\w*)=(?:True|(['"]?)([\w-]+)\2)?{_AFTER}""")


def for_command(text: str, command: Any) -> str:
    """Put a message of the library into the words of a command, as click describes it.

    Arguments become options (`layout='csv'` is `--layout csv`) where the command has such ones, and
    functions become commands.
    """
    options = {name for option in command.params for name in option.opts} if command else set()

    def phrase(found: re.Match[str]) -> str:
        said = _IN_THE_SHELL[found[1]]
        return said if said[0] == "`" or said.split()[0] in options else found[0]

    def argument(found: re.Match[str]) -> str:
        option = f"--{found[1].replace('_', '-')}"
        return f"{option} {found[3] or ''}".rstrip() if option in options else found[0]

    text = _SETTING.sub(lambda found: f"[{found[1].lower()}] behind --detector", text)
    return _ARGUMENT.sub(argument, _PHRASE.sub(phrase, text))


def account_for(failed: int, total: int, *, done: str, hint: str) -> None:
    """Raise `InputError` when work on all videos failed, `PartialError` when it did on some."""
    if failed == total:
        raise InputError(f"none of the {total} videos could be {done}.", hint=hint)
    if failed:
        raise PartialError(f"{failed} of {total} videos could not be {done}.", hint=hint)


def interrupted(by: int = signal.SIGINT) -> int:
    """Say that a signal, the user's or another, stopped the command, and return its exit code."""
    what = "interrupted" if by == signal.SIGINT else f"terminated by {signal.Signals(by).name}"
    console.write_note(
        f"error: {what}\nhint: extract, demo and study, run again, go on where they stopped"
    )
    return _BY_SIGNAL + by


def reader_left() -> int:
    """Let the process end silently after `| head`, and return its exit code."""
    discard(sys.stdout)
    return 1


def report(error: Exception, command: Any = None) -> int:
    """Write the two lines of a failure, in the words of the command, and return its exit code."""
    if isinstance(error, DeepfakeGeneralizeError):
        message, code = for_command(error.message, command), error.exit_code
        hint = for_command(error.hint, command) or f"see {PROGRAM} --help"
    elif hasattr(error, "format_message"):
        # A usage error: of click, or of the copy of click that newer versions of typer carry.
        context = getattr(error, "ctx", None)
        message, code = error.format_message(), getattr(error, "exit_code", 2)
        hint = f"see {context.command_path if context else PROGRAM} --help"
    elif isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        # Help is written by click: it goes to standard output, as whatever names no file.
        with contextlib.suppress(InputError), console.writing_results():
            sys.stdout.flush()
        message, code = f"the system took no more output: {error.strerror}", 2
        hint = "make room on the disk, or lead the output elsewhere"
    elif isinstance(error, OSError) and "temporary directory" in str(error):
        message, code = "no folder takes temporary files", 2
        hint = "set TMPDIR to a folder that you may write to"
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
    """Write a text as one line, and one for each thing of a list."""
    return "\n- ".join(" ".join(part.split()) for part in text.split("\n- "))
