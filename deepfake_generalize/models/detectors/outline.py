"""The network in a `.keras` file, as far as it can be known without taking memory for it."""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf
from keras.src.backend.common import global_state

# A process may have switched Keras's safe mode off for files of its own; it holds for all files
# then, whatever is asked for when one is loaded. Keras has no public name for the way back.
from keras.src.saving.serialization_lib import SafeModeScope

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import flat_layers
from deepfake_generalize.models.weights import check_self_contained

__all__ = ["check_size", "outline", "safely"]

_WAITING, _SCOPE = "uninitialized_variables", "custom_objects_scope_dict"
CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MOST_TIMES, _MOST_OTHER = 2, 10_000_000
"""A network may take so many times the bytes of its stored weights, and so many more."""
_MOST_OBJECTS = 15_000
"""Layers, initializers and the like: about five a layer, of which thousands take minutes."""
_BYTES_EACH = 4
_ACTIVATIONS = {
    function.__name__: function
    for function in (tf.nn.softmax, tf.nn.leaky_relu, tf.nn.gelu, tf.nn.silu, tf.nn.relu6)
}
"""TensorFlow's own functions of which Keras knows none by that name."""
_MOST_NUMBERS = 1_000_000_000
"""Numbers that a layer gives for one image: 4 GB."""


@contextlib.contextmanager
def safely(classes: Mapping[str, str]) -> Iterator[None]:
    """Let Keras build what is in a file, without running code that lies in it."""
    own: dict[str, type[Any]] = {}
    for name, module in classes.items():
        for place in (module, "__main__"):
            found = getattr(sys.modules.get(place), name, None)
            if isinstance(found, type) and issubclass(found, keras.Operation):
                own.setdefault(name, found)
    # A scope of Keras hides those around it.
    around = global_state.get_global_attribute(_SCOPE, {})
    with SafeModeScope(True), keras.saving.custom_object_scope(_ACTIVATIONS | own | around):
        yield


def outline(path: Path, classes: Mapping[str, str]) -> keras.Model:
    """Build the network in a `.keras` file as `safely` does, its weights without memory."""
    with zipfile.ZipFile(path) as file:
        text = file.read(CONFIG)
    if (objects := text.count(b'"class_name"')) > _MOST_OBJECTS:
        raise InputError(
            f"expected a network of at most {_MOST_OBJECTS:,} layers and parts of layers, "
            f"{path} declares {objects:,}.",
            hint="The file is damaged, or made to do harm.",
        )
    description = json.loads(text)
    description["compile_config"] = None
    # Keras gives memory to all variables without it when it next follows any network's shapes.
    waiting = list(global_state.get_global_attribute(_WAITING, []))
    try:
        with safely(classes), keras.StatelessScope(initialize_variables=False):
            return keras.saving.deserialize_keras_object(description, safe_mode=True)
    finally:
        global_state.set_global_attribute(_WAITING, waiting)


def check_size(path: Path, classes: Mapping[str, str]) -> None:
    """Raise unless the network in a `.keras` file is as large as its weights, which lie in it."""
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        stored = file.read(_WEIGHTS) if _WEIGHTS in names else b""
    try:
        with h5py.File(io.BytesIO(stored), "r") as weights:
            check_self_contained(weights, len(stored))
    except Exception as error:  # h5py raises many kinds, of damaged files and of foreign ones.
        raise InputError(
            f"expected the network's weights in {path}, they cannot be read: {error}.",
            hint="Copy it or save it again.",
        ) from error
    model = outline(path, classes)
    wanted = sum(math.prod(variable.shape) * _BYTES_EACH for variable in model.variables)
    if wanted > _MOST_TIMES * len(stored) + _MOST_OTHER:
        raise InputError(
            f"expected a network of about the {len(stored):,} bytes of weights in {path}, it would "
            f"take {wanted:,}.",
            hint="The file is damaged, or made to do harm.",
        )
    for layer in flat_layers(model):
        for node in getattr(layer, "_inbound_nodes", ()):
            for output in node.outputs:
                numbers = math.prod(side or 1 for side in output.shape)
                if numbers > _MOST_NUMBERS:
                    raise InputError(
                        f"expected layers of at most {_MOST_NUMBERS:,} numbers an image in {path}, "
                        f"{layer.name!r} gives {numbers:,}.",
                        hint="The file is damaged, or made to do harm.",
                    )
