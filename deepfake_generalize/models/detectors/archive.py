"""One `.keras` file that holds a network and what a detector must know of it.

A `.keras` file is a zip; the detector's facts are one more member, which Keras does not look at.
"""

from __future__ import annotations

import contextlib
import io
import json
import lzma
import math
import sys
import tokenize
import warnings
import zipfile
import zlib
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

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import check_unpacked, exists, open_regular, replacing
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import (
    check_alike,
    every_layer,
    first_line,
    flat_layers,
    is_graph,
    without_lambdas,
)
from deepfake_generalize.models.weights import check_self_contained, foreign

MEMBER = "deepfake_generalize.json"
FORMAT = 1
UNREADABLE: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError),
    # An encrypted member, one compressed in an unknown way, names and sizes that cannot be.
    *(RuntimeError, NotImplementedError, ValueError, OverflowError),
    # The header of an array in it, which is written in Python, and which says how large it is.
    *(SyntaxError, tokenize.TokenError, MemoryError),
    # JSON in it that is not ours.
    *(KeyError, TypeError, AttributeError),
)
"""What is raised where a zip archive, of arrays or facts too, is damaged or made to do harm."""
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


def write(model: keras.Model, facts: Mapping[str, Any], path: Path) -> Path:
    """Write a network and JSON facts to `path` (.keras), replaced at once or not at all."""
    if path.suffix != ".keras":
        raise InputError(f"expected a path that ends in .keras, received {path}.")
    if not path.parent.is_dir() or path.is_dir():
        raise InputError(
            f"expected to write a file in a folder that exists, received {path}.",
            hint="Make the folder first.",
        )
    classes = _own_classes(model)
    try:
        facts = {"format": FORMAT, **facts, "classes": classes}
        text = json.dumps(facts, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected a training record of plain JSON values: {error}.",
            hint="Use numbers, strings, lists and dictionaries; neither arrays nor NaN.",
        ) from error
    hint = "Choose a folder that you may write to, on a disk with room."
    with (
        telling(f"expected to write {path}, the system refused", hint=hint),
        replacing(path, suffix=".keras") as temporary,
        warnings.catch_warnings(),
    ):
        # TensorFlow's arrays answer NumPy 2 in the old way; that is between the two of them.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        without_lambdas(model).save(temporary)
        with zipfile.ZipFile(temporary, "a") as file:
            file.writestr(MEMBER, text)
        _read_back(temporary, model, path, classes)
    return path


def read(path: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Return the network and the facts (`fake_index`, `name`, `training`) that `write` wrote."""
    if not exists(path):
        raise InputError(f"expected a detector file, found none at {path}.", hint="Check the path.")
    if (known := foreign(path, whole=True)) is not None:
        raise InputError(
            f"expected a file that Detector.save wrote, {path} ({path.stat().st_size} bytes) is "
            f"{known[0]}.",
            hint=known[1],
        )
    facts = _read_facts(path)
    classes = facts.pop("classes")
    try:
        check_size(path, classes)
        return _loaded(path, classes), facts
    except InputError:
        raise
    except Exception as error:  # Keras raises many kinds, none of which says which file it was
        if _is_of_code(error):
            raise InputError(
                f"{path} carries code (a Lambda layer), which is never run from a file.",
                hint="Build the network in Python and wrap it: Detector(model).",
            ) from error
        own = ", ".join(f"{name} of {module}" for name, module in sorted(classes.items()))
        raise InputError(
            f"{path} holds a network that this Keras ({keras.__version__}) cannot build: "
            f"{first_line(error)}",
            hint=f"Import or define what it needs first: {own}."
            if classes
            else "Register custom layers before loading, or save it again with this version.",
        ) from error


def _own_classes(model: keras.Model) -> dict[str, str]:
    """Return the names of the layers' classes that are not Keras', and where they are defined."""
    kinds = {type(layer) for layer in every_layer(model)}
    return {of.__name__: of.__module__ for of in kinds if not of.__module__.startswith("keras.")}


def _read_back(written: Path, model: keras.Model, path: Path, classes: Mapping[str, str]) -> None:
    """Raise unless `read` would give the network that was written."""
    try:
        rebuilt = outline(written, classes)
        if classes or not is_graph(rebuilt):
            check_alike(model, _loaded(written, classes))
    except Exception as error:  # As in `read`.
        code = _is_of_code(error)
        raise InputError(
            f"expected a network that can be read from a file again, {model.name!r} cannot, and "
            f"{path} is not written: "
            + ("it carries code (a Lambda layer)." if code else first_line(error)),
            hint=(
                "Put a layer of your own in the Lambda's place: "
                "@keras.saving.register_keras_serializable()."
                if code
                else "Register layers and functions of your own, "
                "@keras.saving.register_keras_serializable(), with a get_config that returns all "
                "arguments of __init__."
            )
            + " Until then detector.model.save_weights('x.weights.h5') keeps what was learnt.",
        ) from error


def _loaded(path: Path, classes: Mapping[str, str]) -> keras.Model:
    with safely(classes):
        return keras.saving.load_model(path, compile=False, safe_mode=True)


def _is_of_code(error: Exception) -> bool:
    return "safe_mode" in str(error) or "Lambda" in str(error)


def _read_facts(path: Path) -> dict[str, Any]:
    """Check every byte of the file and the facts in it, which may come from anywhere."""
    start = b""
    with contextlib.suppress(OSError), path.open("rb") as raw:
        start = raw.read(64)
    is_hdf5 = start.startswith(b"\x89HDF\r\n\x1a\n")
    members: list[str] = []
    try:
        with open_regular(path) as raw, zipfile.ZipFile(raw) as file:
            check_unpacked(file, path.stat().st_size, texts=(CONFIG, MEMBER))
            members = file.namelist()
            damaged = file.testzip()
            facts = json.loads(file.read(MEMBER))
        kept = {key: facts[key] for key in ("format", "fake_index", "name", "training")}
        # Files of before there was a choice are of detectors that were given bilinear images.
        kept["resize"] = facts.get("resize", "bilinear")
        kept["classes"] = {str(name): str(of) for name, of in facts.get("classes", {}).items()}
        right = type(kept["fake_index"]) is int and isinstance(kept["name"], str)
        right = right and kept["resize"] in ("bilinear", "nearest", "area")
        if damaged or not right or not isinstance(kept["training"], dict | None):
            raise ValueError(f"{damaged or MEMBER} in it is wrong")
    except UNREADABLE as error:
        if CONFIG in members and MEMBER not in members:
            raise InputError(
                f"{path} is a Keras model that does not say which class is fake.",
                hint="Wrap it: Detector(keras.saving.load_model(path), fake_index=...).",
            ) from error
        raise InputError(
            f"expected a file that Detector.save wrote, {path} ({path.stat().st_size} bytes) is "
            f"another one or damaged: {error}.",
            hint="A whole Keras model: Detector(keras.saving.load_model(path), fake_index=...). "
            "Weights go to an architecture's weights=, the public MesoNets to "
            "load_pretrained(name, path=)."
            if is_hdf5
            else "Copy it or save it again.",
        ) from error
    if kept["format"] != FORMAT:
        raise InputError(
            f"expected format {FORMAT} in {path}, received {kept['format']!r}.",
            hint="It was written by another version of deepfake_generalize.",
        )
    return kept


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
