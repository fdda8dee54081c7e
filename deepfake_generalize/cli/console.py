"""What the command line shows, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import re
import sys
import time
import webbrowser
from typing import TYPE_CHECKING, Any, TextIO

from deepfake_generalize._system.streams import discard, visible
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from rich.console import Console

WIDTH_OF_A_PIPE = 160
"""Columns of a table that no terminal limits; wide enough for most paths to stay on one line."""


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: no NaN, no NumPy scalars, no paths, no frames.

    What is missing (NaN, NA) is None, a DataFrame is a list with one dictionary a row.

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
    if hasattr(value, "columns"):
        return plain(value.to_dict(orient="records"))
    for convert in ("to_dict", "tolist"):
        if hasattr(value, convert):
            return plain(getattr(value, convert)())
    text = str(value)
    return None if text in {"<NA>", "NaT"} else text


@contextlib.contextmanager
def writing_results() -> Iterator[None]:
    """Say in words that standard output takes no results; a reader who left is no error here."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise InputError(
            "expected to write the result to standard output, the system refused: "
            f"{error.strerror or error}.",
            hint="Make room on the disk that it leads to, or lead it elsewhere.",
        ) from error


def write_json(document: Mapping[str, Any]) -> None:
    """Write the one JSON document of a command to stdout."""
    text = json.dumps(plain(dict(document)), indent=2, allow_nan=False)
    with writing_results():
        sys.stdout.write(text + "\n")


def write_text(text: str) -> None:
    """Write a result to stdout; what would steer the terminal is shown by its code."""
    lines = "\n".join(map(visible, text.rstrip("\n").split("\n")))
    with writing_results():
        sys.stdout.write(lines + "\n")


def write_note(text: str) -> None:
    """Write lines that are no result to stderr, as `write_text` does; a full one ends nothing."""
    lines = "\n".join(map(visible, text.rstrip("\n").split("\n")))
    try:
        sys.stderr.write(lines + "\n")
    except OSError:
        discard(sys.stderr)


def show_warning(message: str) -> None:
    """Write a warning as one line."""
    write_note(f"warning: {' '.join(message.split())}")


def write_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Show a table on stdout below its title, without markup; see `write_text`."""
    from rich.table import Table

    table = Table()
    for column in columns:
        table.add_column(visible(column), overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else visible(str(cell)) for cell in row))
    # The table's own title would be folded to the table's width.
    write_text(title)
    with writing_results():
        _console(sys.stdout).print(table)


def write_frame(title: str, frame: pd.DataFrame) -> None:
    """Show a DataFrame as `write_table` does, fractions with four digits."""
    rows = frame.itertuples(index=False)
    cells = [[number(cell) if isinstance(cell, float) else cell for cell in row] for row in rows]
    write_table(title, [*map(str, frame.columns)], cells)


def number(value: float | None) -> str:
    """Return a score or an accuracy for a table, "-" where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


@contextlib.contextmanager
def progress(description: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, total) that moves a bar on stderr.

    `shown` is False for `--json`. Without a terminal there is no bar either: it would fill logs.
    """

    def advance(done: int, total: int) -> None:
        if move is not None:
            move(description=f"{description} {done}/{total}", completed=done, total=total)

    with _bar(description, shown=shown, transient=True) as move:
        yield advance


@contextlib.contextmanager
def stages(name: str, *, shown: bool) -> Iterator[Callable[[str, float], None]]:
    """Yield a function (what is done now, part done in [0, 1]) that moves one bar on stderr.

    It tells the time since the beginning and, by the pace of the stage, what is left of that.
    `shown` is False for `--json`. Without a terminal each new stage is a line of its own, with the
    part done at most every tenth.
    """
    said: set[tuple[str, int]] = set()
    begun = time.monotonic()
    since: dict[str, tuple[float, float]] = {}

    def say(what: str, part: float) -> None:
        now, stage = time.monotonic(), re.sub(r"\d+", "", what)
        then, before = since.setdefault(stage, (now, part))
        text = f"{what}, {_duration(now - begun)} so far"
        if before < part < 1:
            text += f", about {_duration((now - then) / (part - before) * (1 - part))} left"
        if move is not None:
            move(description=visible(f"{name}: {text}"), completed=part, total=1.0)
        elif shown and (stage, int(10 * part)) not in said:
            said.add((stage, int(10 * part)))
            write_note(f"{name}: {part:.0%}, {text}")

    with _bar(name, shown=shown, transient=False) as move:
        yield say


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def show_page(page: Path, *, asked: bool | None) -> None:
    """Open a page in the browser: as asked, for None where somebody is at a desktop's terminal."""
    desktop = sys.platform in {"darwin", "win32"} or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    away = asked is False or {"CI", "SSH_CONNECTION"} & {*os.environ}
    if asked or (sys.stdout.isatty() and desktop and not away):
        webbrowser.open(page.absolute().as_uri())


@contextlib.contextmanager
def _bar(name: str, *, shown: bool, transient: bool) -> Iterator[Callable[..., None] | None]:
    """Yield what updates a bar of rich, None where there is no terminal to show it on."""
    from rich.progress import Progress, TimeElapsedColumn

    console = _console(sys.stderr)
    if not (shown and console.is_terminal):  # Before rich 14.3 a disabled bar left an empty line.
        yield None
        return
    usual = Progress.get_default_columns()  # The last tells the time left.
    columns = (*usual, TimeElapsedColumn()) if transient else usual[:-1]
    with Progress(*columns, console=console, transient=transient) as bar:
        yield functools.partial(bar.update, bar.add_task(name, total=None))


def _console(file: TextIO) -> Console:
    from rich.console import Console

    width = None if file.isatty() else WIDTH_OF_A_PIPE
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)
