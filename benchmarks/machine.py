"""What a result was measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    "deepfake-generalize",
    "numpy",
    "tensorflow",
    "keras",
    "opencv-python",
    "opencv-contrib-python",
    "scikit-image",
    "scikit-learn",
    "h5py",
    "av",
    "mediapipe",
    "torch",
    "tf-explain",
    "face_recognition",
    "dlib",
    "dlib-bin",
)
THREAD_SETTINGS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def describe() -> dict[str, Any]:
    """Return versions, processor, cores this process may use, settings, date and load."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="minutes"),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": {name: os.environ[name] for name in THREAD_SETTINGS if name in os.environ},
        "versions": {"python": platform.python_version()} | _versions(),
    }


def cpu_model(table: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as Linux tells it, else what the platform says."""
    if table.is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
