"""Processes that end together: workers with who began them, and before it at a signal."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.process import BaseProcess
    from types import FrameType

T = TypeVar("T")

_POLL_SECONDS = 0.5
_ENDING = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]
"""What asks a process to end: of these, Unix has the first two, Windows the outer ones."""


def ending_with_parent(work: Callable[..., T]) -> Callable[..., T]:
    """Return what does `work` in a worker of a pool that this process begins, and ends with it."""
    return functools.partial(_do_in_worker, os.getpid(), work)


def _do_in_worker(owner: int, work: Callable[..., T], *arguments: Any) -> T:
    end_with_parent(owner)
    return work(*arguments)


@functools.cache
def end_with_parent(parent: int) -> None:
    """Let this process end soon after `parent`, where that is who began it; else do nothing.

    A worker of a pool would finish what it is at, for hours, after who waits for it was killed.
    What another scheduler began is for that to end.
    """
    # The second tells who it was where that is dead already: a worker takes seconds to begin.
    begun_by = multiprocessing.parent_process()
    if os.getppid() == parent or (begun_by is not None and begun_by.pid == parent):
        threading.Thread(target=_end_after, args=(parent, begun_by), daemon=True).start()


def _end_after(parent: int, begun_by: BaseProcess | None) -> None:
    # On Windows the number stays that of the parent when it is dead.
    while os.getppid() == parent and _may_live(begun_by):
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _may_live(process: BaseProcess | None) -> bool:
    try:
        return process is None or process.is_alive()
    except ValueError:  # joblib's workers are not told by what to wait for who began them.
        return True


@contextlib.contextmanager
def _answering(numbers: Iterable[int], instead_of: Callable[[Any], Any]) -> Iterator[None]:
    """Within the block, let `instead_of(who answers a signal)` answer it, unless that is None."""
    if threading.current_thread() is not threading.main_thread():
        numbers = ()  # Signals are for the main thread alone.
    before = {number: signal.getsignal(number) for number in numbers}
    ours = {number: answer for number in before if (answer := instead_of(before[number]))}
    for number, answer in ours.items():
        signal.signal(number, answer)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


@contextlib.contextmanager
def acting_before_interruption(act: Callable[[], object]) -> Iterator[None]:
    """Within the block, call `act` first where a signal is about to raise an exception in it.

    A pool of threads waits for its threads before an exception leaves it; they may wait for
    processes that nobody told to end.
    """

    def first(usual: Any) -> Any:
        def handle(number: int, frame: FrameType | None) -> None:
            act()
            usual(number, frame)

        return handle if callable(usual) else None

    with _answering((signal.SIGINT, *_ENDING), first):
        yield


@contextlib.contextmanager
def interrupted_by_termination() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt within the block; yield which came.

    So that locks are let go of and workers ended, as after Ctrl+C. Where somebody has decided
    what these signals do, as `nohup` has, they do that.
    """
    came: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    with _answering(_ENDING, lambda usual: handle if usual is signal.SIG_DFL else None):
        yield came
