"""What a result was measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib import metadata
from typing import Any

from deepfake_generalize._system.processes import cpu_model, processors

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
    "isal",
    "ai-edge-litert",
    "mediapipe",
    "onnx",
    "onnxruntime",
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
        "cores": processors(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": {name: os.environ[name] for name in THREAD_SETTINGS if name in os.environ},
        "versions": {"python": platform.python_version()} | _versions(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
