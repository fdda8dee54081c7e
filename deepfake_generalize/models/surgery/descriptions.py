"""The description of a network that whole models in HDF5 carry, compared with a network."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import keras

_WITHOUT_EFFECT = (
    *("InputLayer", "Flatten", "Reshape", "Identity", "Dropout", "SpatialDropout2D"),
    *("GaussianNoise", "GaussianDropout", "AlphaDropout"),
)
_NUMBERS = ("pool_size", "strides", "dilation_rate", "epsilon", "scale", "offset", "groups")
_TEXTS = ("padding", "data_format", "interpolation")
_SLOPE = 0.3
"""Keras's default of a leaky ReLU that an activation only names."""


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
        told = {key: config[key] for key in (*_NUMBERS, *_TEXTS) if config.get(key) is not None}
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
