"""How training tells a person how far it is: a bar, a line an epoch, or nothing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO, TypeAlias

Progress: TypeAlias = Literal["auto", "bar", "lines"] | None


class Reporter:
    """What the training loop tells how far it is; this one keeps silent."""

    hears_batches = False
    """Whether it wants to hear of batches, which costs a little each."""

    def begin(self, *, title: str, epochs: int, done: int) -> None:
        """Training begins, or goes on after `done` epochs."""

    def batch(self, fraction: float) -> None:
        """That part of the epoch is done."""

    def epoch(self, number: int, values: Mapping[str, float], *, best: int, seconds: float) -> None:
        """An epoch, counted from 1, has ended."""

    def end(self, reason: str) -> None:
        """Training has ended."""


SILENT = Reporter()


def make_reporter(progress: Progress) -> Reporter:
    """Return what shows progress: `auto` a bar where something can be drawn over.

    On stderr, which a notebook shows as a fault, in red: there on stdout.
    """
    if progress is None:
        return SILENT
    from rich.console import Console

    console = Console(file=sys.stderr)
    notebook = console.is_jupyter
    # rich draws in a notebook with ipywidgets only, and warns without.
    drawn = notebook and importlib.util.find_spec("ipywidgets") is not None
    interactive = console.is_terminal or drawn
    if progress == "lines" or (progress == "auto" and not interactive):
        return _Lines(sys.stdout if notebook else sys.stderr)
    return _Bar(console)


class _Lines(Reporter):
    """One line an epoch: for log files, and wherever nothing can be drawn over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, *, title: str, epochs: int, done: int) -> None:
        self._epochs = epochs
        start = f"going on after epoch {done} of {epochs}" if done else f"{epochs} epochs"
        self._stream.write(f"{title}: {start}\n")

    def epoch(self, number: int, values: Mapping[str, float], *, best: int, seconds: float) -> None:
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        epoch = f"epoch {number:>{len(str(self._epochs))}}/{self._epochs}"
        self._stream.write(f"{epoch}  {shown}  {seconds:.1f} s  best {best}\n")

    def end(self, reason: str) -> None:
        self._stream.write(f"{reason}\n")


class _Bar(Reporter):
    """A bar over the epochs, and the last epoch's values beside it."""

    hears_batches = True

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[values]}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._finished = 0

    def begin(self, *, title: str, epochs: int, done: int) -> None:
        self._epochs, self._finished = epochs, done
        self._bar.start()
        self._task = self._bar.add_task(title, total=epochs, completed=done, values="")

    def batch(self, fraction: float) -> None:
        self._bar.update(self._task, completed=self._finished + fraction)

    def epoch(self, number: int, values: Mapping[str, float], *, best: int, seconds: float) -> None:  # noqa: ARG002
        self._finished = number
        # A terminal is narrow: what the best epoch is chosen by, the rest goes into the history.
        chosen = values.get("val_accuracy", float("nan"))
        text = f"{number}/{self._epochs} val_accuracy {chosen:.4f} best {best}"
        self._bar.update(self._task, completed=number, values=text)

    def end(self, reason: str) -> None:
        self._bar.stop()
        self._bar.console.print(reason, markup=False, highlight=False)
