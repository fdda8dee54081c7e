"""Imported before Keras, to load it: it refuses in words, and TensorFlow stays silent.

TensorFlow says eight lines of the machine, some before it looks at any variable. With
`TF_CPP_MIN_LOG_LEVEL=0` in the environment they come through.
"""

from __future__ import annotations

import contextlib
import os

from deepfake_generalize._system.keras_settings import require_tensorflow
from deepfake_generalize._system.streams import quiet_native_logs

require_tensorflow(missing=True)
_ASKED_FOR = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0"
with contextlib.nullcontext() if _ASKED_FOR else quiet_native_logs():
    import keras  # noqa: F401
