"""The machine that this process runs on."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path


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
