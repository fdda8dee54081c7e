"""What the command line shows, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

WIDTH_OF_A_PIPE = 160
"""Columns of a table that no terminal limits; wide enough for most paths to stay on one line."""

_NATIVE_NOISE = re.compile(
    r"^(INFO: |[IW]\d{4} |WARNING: All log messages before absl|\d{4}-\d\d-\d\d [\d:.]+: [IW] |"
    r"To enable the following instructions|\s*$)"
)


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: no NaN, no NumPy scalars, no paths, no frames.

    Args:
        value: Anything a result of this library holds.

    Returns:
        Dictionaries, lists, strings, numbers, booleans and None only; what is missing (NaN, NA)
        is None, a DataFrame is a list with one dictionary a row.

    Examples:
        >>> plain({"score": float("nan"), "frames": (1, 2)})
        {'score': None, 'frames': [1, 2]}
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return plain(value.to_dict(orient="records"))
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    text = str(value)
    return None if text in {"<NA>", "NaT"} else text


def write_json(document: Mapping[str, Any]) -> None:
    """Write the one JSON document of a command to stdout."""
    sys.stdout.write(json.dumps(plain(dict(document)), indent=2, allow_nan=False) + "\n")


def write_text(text: str) -> None:
    """Write a result to stdout as it is."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def write_note(text: str) -> None:
    """Write a line that is not a result to stderr."""
    sys.stderr.write(text.rstrip("\n") + "\n")


def show_warning(message: str) -> None:
    """Write a warning as one line."""
    write_note(f"warning: {' '.join(message.split())}")


def write_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Draw a table on stdout below its title; cells are shown as they are, without markup."""
    from rich.table import Table

    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    # The table's own title would be folded to the table's width.
    write_text(title)
    _console(sys.stdout).print(table)


@contextlib.contextmanager
def progress(description: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, total) that moves a bar on stderr.

    Args:
        description: What is being done.
        shown: False for `--json`. Without a terminal there is no bar either: it would fill logs.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = _console(sys.stderr)
    if not (shown and console.is_terminal):  # Before rich 14.3 a disabled bar left an empty line.
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def stages(name: str, *, shown: bool) -> Iterator[Callable[[str, float], None]]:
    """Yield a function (what is done now, part done in [0, 1]) that moves one bar on stderr.

    Args:
        name: What all of it is.
        shown: False for `--json`. Without a terminal each new stage is a line of its own, with the
            part done at most every tenth.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.progress import TimeRemainingColumn as Remaining

    console = _console(sys.stderr)
    said: set[tuple[str, int]] = set()

    def say(what: str, part: float) -> None:
        if shown and (what, int(10 * part)) not in said:
            said.add((what, int(10 * part)))
            write_note(f"{name}: {what}, {part:.0%}")

    if not (shown and console.is_terminal):
        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, Elapsed(), Remaining(), console=console) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda what, part: bar.update(task, description=f"{name}: {what}", completed=part)


@contextlib.contextmanager
def quiet_native_libraries(*, enabled: bool) -> Iterator[None]:
    """Hold back what TensorFlow and MediaPipe log to file descriptor 2 from C++.

    Their start-up chatter goes past Python's `sys.stderr`, so it is caught where it arrives.
    Nothing that matters is lost: lines that are not known chatter are written out at the end, and
    everything is when an unexpected exception passes.

    Args:
        enabled: False leaves everything as it is (`--debug`).
    """
    if not enabled:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        keep_all = False
        try:
            with _python_stderr_on(real):
                os.dup2(held.fileno(), 2)
                yield
        except Exception as error:
            keep_all = not hasattr(error, "exit_code")
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
            _replay(held, keep_all=keep_all)


@contextlib.contextmanager
def _python_stderr_on(descriptor: int) -> Iterator[None]:
    """Let `sys.stderr` go on reaching the terminal where it writes to descriptor 2."""
    if not _writes_to_descriptor_2(sys.stderr):
        yield
        return
    sys.stderr.flush()
    stream = os.fdopen(os.dup(descriptor), "w", buffering=1, encoding=sys.stderr.encoding)
    with stream, contextlib.redirect_stderr(stream):
        yield


def _writes_to_descriptor_2(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False


def _replay(held: IO[bytes], *, keep_all: bool) -> None:
    held.seek(0)
    for line in held.read().decode(errors="replace").splitlines():
        if keep_all or not _NATIVE_NOISE.match(line):
            write_note(line)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    width = None if file.isatty() else WIDTH_OF_A_PIPE
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)
