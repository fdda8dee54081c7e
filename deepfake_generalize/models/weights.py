"""Weights files into networks, refusing with a reason what does not fit."""

from __future__ import annotations

import json
import math
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from deepfake_generalize._system.files import exists, may_unpack_to, open_regular
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import finalize, first_line
from deepfake_generalize.types import AnyArray

_HINT = "Pass the weights of this very network, at this input size and number of classes."

_MOST_NAMES, _LONGEST = 10_000, 1000
"""More layers than any network here has, and more letters than their names."""
_MOST_OBJECTS = 1_000_000
"""More arrays and groups than any network has."""
_NUMBERS = "fiu"
"""The kinds of NumPy's types that weights have; layers that normalize count in whole numbers."""
_WITHOUT_EFFECT = (
    *("InputLayer", "Flatten", "Reshape", "Identity", "Dropout", "SpatialDropout2D"),
    *("GaussianNoise", "GaussianDropout", "AlphaDropout"),
)
_SETTINGS = ("pool_size", "strides", "dilation_rate", "epsilon", "scale", "offset", "groups")
_TEXTS = ("padding", "data_format", "interpolation")
_SLOPE = 0.3
"""Keras's default of a leaky ReLU that an activation only names."""

_OTHER_LIBRARY = "Load it with its own library and wrap that: models.as_detector(...)."
_WHOLE = "Load it with Keras: Detector(keras.saving.load_model(path), fake_index=...)."

_POINTER = "a pointer of Git LFS, and the file itself is elsewhere: fetch it by `git lfs pull`"
_PAGE = "Download the file itself, not the page that shows it."
_BEGINNINGS = (
    ((b"version https://git-lfs",), (_POINTER, "")),
    ((b"<!doctype", b"<html"), ("a web page", _PAGE)),
    (
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        ("a pickle, as PyTorch and joblib write them", _OTHER_LIBRARY),
    ),
    ((b"\x1c\0\0\0tfl3", b"\x20\0\0\0tfl3"), ("a network of TensorFlow Lite", _OTHER_LIBRARY)),
)
"""In small letters."""
_ANY_SIZE = 1 << 62


def load_weights(model: Any, path: str | Path) -> None:
    """Fill `model` from a weights file, in place, by the order of its layers.

    The file is HDF5 as Keras 1 and 2 wrote it (weights, or a whole model), or a Keras 3 file named
    `*.weights.h5`. Any other is refused, and one of another network; the model is then as it was.
    """
    if str(path) == "imagenet":
        raise InputError(
            f"expected a weights file for {model.name}, for which there are no ImageNet weights.",
            hint="Pass weights=None or the path of a file.",
        )
    path = Path(path)
    if not exists(path):
        raise InputError(f"expected a weights file, found none at {path}.", hint="Check the path.")
    if (known := foreign(path)) is not None:
        raise InputError(
            f"expected an HDF5 weights file, {path} is not HDF5, it is {known[0]}.", hint=known[1]
        )
    try:
        with h5py.File(path, "r") as file:
            check_self_contained(file, path.stat().st_size)
            stored = _stored_layers(file)
            arrays = None if stored is None else _matching(model, stored, path)
            described = file.attrs.get("model_config")
        other = None if described is None else difference(model, json.loads(described))
    except InputError:
        raise
    except Exception as error:  # h5py raises many kinds, of damaged files and of foreign ones.
        raise InputError(_damage(path, error), hint="Download or copy the file again.") from error
    if other:
        raise InputError(
            f"{path} holds weights of another network, though of equal shapes: {other}.",
            hint="To use that network: Detector(keras.saving.load_model(path), fake_index=...).",
        )
    if arrays is None:
        _load_keras3(model, path)
    else:
        _assign(model, arrays, path)


def _damage(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    if start != b"\x89HDF\r\n\x1a\n":
        return f"expected an HDF5 weights file, {path} is not HDF5 (it begins with {start!r})."
    damaged = f"{path} is an HDF5 file that is truncated or damaged"
    return f"{damaged} ({path.stat().st_size} bytes): {first_line(error)}."


def _stored_layers(file: Any) -> list[tuple[str, list[Any]]] | None:
    """Find (layer, datasets) in the file's own order; None where it is not the Keras 2 format."""
    group = file.get("model_weights", file)
    if "layer_names" not in group.attrs:
        return None
    layers = []
    for name in _names(group, "layer_names"):
        entry = group.get(name, {})
        names = _names(entry, "weight_names") if entry and "weight_names" in entry.attrs else []
        stored = [entry[weight] for weight in names]
        if stored:
            layers.append((name, stored))
    return layers


def _names(group: Any, attribute: str) -> list[str]:
    stored = group.attrs.get_id(attribute)
    if stored.shape == (0,):  # Of a layer without weights, written as numbers.
        return []
    # HDF5 would fill the memory with as many as a damaged file declares, and crashes on lists of
    # lists.
    texts = h5py.check_string_dtype(stored.dtype) is not None and stored.dtype.itemsize <= _LONGEST
    if not texts or len(stored.shape) != 1 or stored.shape[0] > _MOST_NAMES:
        raise ValueError(f"expected a list of names as {attribute}, received {stored.shape}")
    raw = group.attrs[attribute]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in raw]


def _matching(model: Any, stored: list[tuple[str, list[Any]]], path: Path) -> list[AnyArray]:
    """Read the weights once all are known to fit: a file may declare what no memory can hold."""
    layers = [layer for layer in model.layers if layer.weights]
    if len(layers) != len(stored):
        raise _of_another(path, f"{len(layers)} layers with weights for {model.name}", len(stored))
    for layer, (name, datasets) in zip(layers, stored, strict=True):
        wanted = [tuple(weight.shape) for weight in layer.weights]
        shapes = [dataset.shape for dataset in datasets]
        place = f"for {model.name}'s layer {layer.name}"
        if wanted != shapes:
            raise _of_another(path, f"shapes {wanted} {place}", f"{shapes} from {name}")
        if not all(dataset.dtype.kind in _NUMBERS for dataset in datasets):
            kinds = ", ".join(str(dataset.dtype) for dataset in datasets)
            raise _of_another(path, f"numbers {place}", f"{kinds} from {name}")
    return [np.asarray(dataset) for _, datasets in stored for dataset in datasets]


def _of_another(path: Path, expected: str, received: object) -> InputError:
    what = f"another network: expected {expected}, received {received}"
    return InputError(f"{path} holds weights of {what}.", hint=_HINT)


def _assign(model: Any, arrays: list[AnyArray], path: Path) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError(f"{path} holds weights that are NaN or infinite.", hint=_HINT)
    weights = (weight for layer in model.layers for weight in layer.weights)
    for weight, array in zip(weights, arrays, strict=True):
        weight.assign(array)
    finalize(model)


def _load_keras3(model: Any, path: Path) -> None:
    if not path.name.endswith(".weights.h5"):
        raise InputError(
            f"{path} is an HDF5 file that holds no Keras weights.",
            hint="Weights saved by Keras 3 must keep a name that ends in .weights.h5.",
        )
    before = model.get_weights()
    try:
        with warnings.catch_warnings():
            # Keras warns of parts it finds no weights for, which may then stay random.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except Exception as error:  # Keras raises many kinds, most of which do not name the file.
        model.set_weights(before)
        finalize(model)
        what = f"another network, or damaged ones: expected those of {model.name}"
        raise InputError(f"{path} holds weights of {what}.", hint=_HINT) from error


def check_self_contained(file: Any, n_bytes: int) -> None:
    """Raise `ValueError` where arrays of an open HDF5 file lie elsewhere, or are huge."""
    unpacked = 0
    for name, dataset in _datasets(file):
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"the numbers of {name!r} lie in another file")
        unpacked += dataset.size * dataset.dtype.itemsize if dataset.shape is not None else 0
        if unpacked > may_unpack_to(n_bytes):
            raise ValueError(f"it declares {unpacked:,} bytes of numbers in {n_bytes:,}")


def _datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of an HDF5 file by name, each object once, in no order."""
    waiting, seen = [("", file)], set()
    while waiting:
        above, group = waiting.pop()
        for key in group:
            name = f"{above}/{key}"
            if group.get(key, getclass=True, getlink=True) is not h5py.HardLink:
                raise ValueError(f"{name!r} is a link that may lead to another file")
            found = group[key]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > _MOST_OBJECTS:
                raise ValueError(f"it holds more than {_MOST_OBJECTS:,} arrays and groups")
            if isinstance(found, h5py.Group):
                waiting.append((name, found))
            elif isinstance(found, h5py.Dataset):
                yield name, found


def difference(model: keras.Model, description: Mapping[str, Any]) -> str | None:
    """Return how a network computes otherwise than its `model_config` of Keras 1 to 3; or None."""
    wanted = list(_steps({"class_name": type(model).__name__, "config": model.get_config()}))
    stored = list(_steps(description))
    kinds = [[kind for kind, _ in steps] for steps in (wanted, stored)]
    if not all(hasattr(keras.layers, kind) or kind.islower() for kind in kinds[0] + kinds[1]):
        return None
    missing, further = (
        ", ".join(f"{count} {kind}" for kind, count in sorted((one - other).items()))
        for one, other in ((Counter(a), Counter(b)) for a, b in (kinds, kinds[::-1]))
    )
    if missing or further:
        return f"expected {missing or 'nothing more'}, its description has {further or 'less'}"
    if kinds[0] != kinds[1]:  # Branches may be written in another order.
        return None
    for (kind, own), (_, theirs) in zip(wanted, stored, strict=True):
        for key in own:
            if key in theirs and not _same(own[key], theirs[key]):
                return f"expected {kind} with {key} {own[key]}, its description has {theirs[key]}"
    return None


def _steps(layer: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what a layer does, one thing after the other, with the settings that weights lack."""
    kind, config = str(layer["class_name"]), layer["config"]
    inner = config if isinstance(config, list) else config.get("layers")
    if inner is not None:
        for part in inner:
            yield from _steps(part)
        return
    kind = {"Convolution2D": "Conv2D", "BatchNormalizationV1": "BatchNormalization"}.get(kind, kind)
    if kind in _WITHOUT_EFFECT:
        return
    activation = _activation(config.get("activation"))
    if kind in ("ReLU", "LeakyReLU", "Softmax"):
        slope = config.get("negative_slope", config.get("alpha"))
        named = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "Softmax": "softmax"}[kind]
        yield named, {} if slope is None else {"slope": slope}
        return
    if kind != "Activation":
        told = {key: config[key] for key in (*_SETTINGS, *_TEXTS) if config.get(key) is not None}
        yield kind, json.loads(json.dumps(told, default=str))  # Tuples become lists, as in files.
    if activation != "linear":
        yield activation, {"slope": _SLOPE} if activation == "leaky_relu" else {}


def _activation(stored: Any) -> str:
    while isinstance(stored, dict):  # Keras 3 describes functions and layers alike.
        inner = stored.get("config")
        stored = inner if isinstance(inner, str) else stored.get("class_name")
    named = "linear" if stored is None else str(stored).lower()
    return {"swish": "silu", "leakyrelu": "leaky_relu"}.get(named, named)


def _same(own: Any, theirs: Any) -> bool:
    if isinstance(own, int | float) and isinstance(theirs, int | float):
        return math.isclose(own, theirs, rel_tol=1e-5)
    return bool(own == theirs)


def foreign(path: Path, *, whole: bool = False) -> tuple[str, str] | None:
    """Say what a file or folder is, and what to do with it, where its beginning tells."""
    if path.is_dir():
        saved = "a folder of TensorFlow, a SavedModel", _OTHER_LIBRARY
        other = "a folder", "Pass the path of the file itself."
        return saved if (path / "saved_model.pb").is_file() else other
    try:
        with open_regular(path, most=_ANY_SIZE) as file:
            start = file.read(64)
    except OSError as error:
        return f"not to be read: {error.strerror}", "Check the path, and that you may read it."
    if not start:
        return "empty", "Download or copy it again, or save it again."
    if path.suffix.lower() in (".onnx", ".safetensors"):
        return f"a file of {path.suffix[1:]}", _OTHER_LIBRARY
    for beginnings, told in _BEGINNINGS:
        if start.lstrip().lower().startswith(beginnings):
            return told
    names = _members(path) if start.startswith(b"PK") else []
    if any(name.endswith(("/data.pkl", "constants.pkl")) for name in names):
        return "a file of PyTorch", _OTHER_LIBRARY
    if "config.json" in names and not whole:
        return "a whole model of Keras", _WHOLE
    if any(name.endswith(".npy") for name in names):
        return "a file of NumPy", "Put its arrays into the network: model.set_weights(arrays)."
    return None


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as file:
            return file.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return []
