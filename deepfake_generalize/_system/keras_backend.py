"""Imported before Keras: where it cannot be loaded for what it is set to run on, that is said."""

from __future__ import annotations

from deepfake_generalize._system.keras_settings import require_tensorflow

require_tensorflow(missing=True)
