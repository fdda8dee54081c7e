"""Keras as somebody set it up: what it runs on, and what it builds networks with."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_generalize.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

TENSORFLOW = "tensorflow"


def keras_backend() -> tuple[str, str]:
    """Return what Keras runs on, or would if it were loaded now, and where that is written."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    settings: object = {}
    with contextlib.suppress(OSError, ValueError):  # Keras passes over what it cannot read, too.
        settings = json.loads((folder / "keras.json").read_text(encoding="utf-8"))
    asked, where = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not asked:
        asked, where = settings.get("backend") if isinstance(settings, dict) else None, "keras.json"
    loaded = sys.modules.get("keras")
    return loaded.config.backend() if loaded else str(asked or TENSORFLOW), where


def other_backend(*, missing: bool = False) -> str:
    """Say in words what else than TensorFlow Keras runs on, or return nothing.

    With `missing` only what is not installed counts, on which Keras cannot even be loaded.
    """
    name, where = keras_backend()
    if name == TENSORFLOW or (missing and importlib.util.find_spec(name)):
        return ""
    return f"expected Keras on TensorFlow, it is set to {name!r} ({where})"


def require_tensorflow(*, missing: bool = False) -> None:
    """Raise where Keras does not run on TensorFlow; `missing` as in `other_backend`."""
    if words := other_backend(missing=missing):
        raise MissingDependencyError(
            f"{words}.",
            hint="Set KERAS_BACKEND=tensorflow before Python starts; a network of another "
            "framework is scored through models.as_detector.",
        )


@contextlib.contextmanager
def standard_settings() -> Iterator[None]:
    """Let Keras build channels last and in float32, whatever it is set to; then as before."""
    import keras

    require_tensorflow()
    wanted = {"image_data_format": "channels_last", "floatx": "float32", "dtype_policy": "float32"}
    kept = {name: getattr(keras.config, name)() for name in wanted}
    try:
        for name, value in wanted.items():
            getattr(keras.config, f"set_{name}")(value)
        yield
    finally:
        for name, value in kept.items():
            getattr(keras.config, f"set_{name}")(value)
