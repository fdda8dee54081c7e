"""Processes: what the machine gives them, and how they end together."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import platform
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar


def cpu_model(table: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as Linux tells it, else what the platform says."""
    if table.is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown processor"


def processors() -> int:
    """Return how many processors this process may use: a container's share, where that is told."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """Return the most memory in kilobytes this process has held at a time; 0 if nobody says."""
    if status.exists():
        # getrusage would count what the parent held when it started this process.
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    try:
        import resource
    except ImportError:  # Windows.
        return 0
    unit = 1024 if sys.platform == "darwin" else 1  # It counts bytes there.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def memory_gib() -> float | None:
    """Return the physical memory in GiB, None where the system does not say."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    return round(size / 2**30, 1)


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
