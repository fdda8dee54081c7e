"""The machine that this process runs on."""

from __future__ import annotations

import os
import platform
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
