"""Copies of networks: every layer made again from what it says of itself, at every depth.

What is copied lies in memory already, so its own classes and functions are handed on as they are:
nothing must be registered, and nothing is run that did not run before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery.graph import every_layer, is_graph, output_of
from deepfake_generalize.models.surgery.weights import finalize
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import describe

_MOST_DIFFERENCE = 1e-6
"""How far the outputs of a copy may be from those of its original."""
_TRIED_IMAGES = 2
_OPEN_SIDE = 8
"""What stands for an open side of a network's input when a copy is tried."""


def remake(layer: Any, **changes: Any) -> Any:
    """Make a layer, or an operation of `keras.ops` in a graph, again, without its weights."""
    config = layer.get_config()
    if "trainable" in changes:
        _set_everywhere(config, "trainable", changes["trainable"])
    config.update({key: value for key, value in changes.items() if key in config})
    for key in config:
        own = getattr(layer, key, None)
        if inspect.isroutine(own) and getattr(own, "__self__", None) is not layer:
            config[key] = own
    if isinstance(layer, keras.layers.Lambda):
        # Keras would make its function from the byte code, without the names that it looks up, and
        # keeps where its output has its shape from under another name.
        own = {"output_shape": layer._output_shape, "mask": layer.mask}
        return type(layer)(**{**config, "arguments": layer.arguments, **own})
    with keras.saving.custom_object_scope(_own_objects(layer)):
        return type(layer).from_config(config)


def copy_network(model: keras.Model, make: Callable[[Any], Any] = remake) -> keras.Model:
    """Return a copy of a built network with its weights, at every depth; it is not compiled."""
    clone = twin(model, make)
    check_alike(model, clone)
    return clone


def twin(model: keras.Model, make: Callable[[Any], Any], *, weights: bool = True) -> keras.Model:
    """Copy a network as `copy_network` does, without a trial: for one that computes differently."""
    try:
        if is_graph(model):
            plain = _not_compiled(model)
            clone = keras.models.clone_model(plain, clone_function=make, recursive=True)
        else:
            clone = remake(model)
            clone.build(model.input_shape)
        if weights:
            clone.set_weights(model.get_weights())
    except Exception as error:  # Whatever layers of somebody's own raise.
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"expected a network whose layers can be made again, a copy of {model.name!r} failed: "
            f"{said[0]}",
            hint="Give layers of your own a get_config that returns the arguments of __init__, or "
            "rebuild the network with Keras's layers.",
        ) from error
    finalize(clone)
    return clone


def without_lambdas(model: keras.Model) -> keras.Model:
    """Return the network with what its Lambda layers do in place of them, as operations."""
    lambdas = (isinstance(layer, keras.layers.Lambda) for layer in every_layer(model))
    if not is_graph(model) or not any(lambdas):
        return model

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, keras.layers.Lambda):
            return layer.function(*inputs, **layer.arguments)
        return layer(*inputs, **options)

    try:
        plain = keras.models.clone_model(
            _not_compiled(model), clone_function=remake, call_function=call, recursive=True
        )
        plain.set_weights(model.get_weights())
        check_alike(model, plain)
    except Exception:  # Whatever somebody's function raises for a tensor without numbers.
        return model
    return plain


def check_alike(model: keras.Model, clone: keras.Model) -> None:
    """Raise unless a copy gives what its original gives, for noise of two brightnesses."""
    shape = [_OPEN_SIDE if side is None else side for side in model.input_shape[1:]]
    noise = np.random.default_rng(0).random((_TRIED_IMAGES, *shape), np.float32)
    noise[1] *= 0.5
    right, came = _outputs(model, noise), _outputs(clone, noise)
    apart = _difference(right, came) if right.shape == came.shape else np.inf
    # Dropout that is always active gives other outputs each time: nothing can be told from them.
    if apart < _MOST_DIFFERENCE or _difference(right, _outputs(model, noise)) >= _MOST_DIFFERENCE:
        return
    raise InputError(
        f"expected a copy of {model.name!r} to give what the network gives, the outputs of two "
        f"images of noise differ: {describe(right)} and {describe(came)}"
        + (f", by up to {apart:g}." if right.shape == came.shape else "."),
        hint="A layer of it has a state that is no weight, or a get_config that leaves something "
        "out.",
    )


def _set_everywhere(config: Any, key: str, value: Any) -> None:
    parts = config.values() if isinstance(config, dict) else config
    if isinstance(config, dict) and isinstance(config.get(key), bool):
        config[key] = value
    for part in parts:
        if isinstance(part, dict | list | tuple):
            _set_everywhere(part, key, value)


def _own_objects(layer: Any) -> dict[str, Any]:
    """Return the classes and functions of a layer, and of what it holds, by name."""
    inner = [layer, *every_layer(layer)] if isinstance(layer, keras.layers.Layer) else [layer]
    objects: dict[str, Any] = {}
    for part in inner:
        for value in (part, *vars(part).values()):
            if inspect.isroutine(value):
                objects[getattr(value, "__name__", "")] = value
            elif not type(value).__module__.startswith(("builtins", "keras.")):
                objects[type(value).__name__] = type(value)
    return objects


def _not_compiled(model: Any) -> keras.Model:
    """Return a network of the same layers, so that losses and metrics are not copied with them."""
    if not model.compiled:
        return model
    if isinstance(model, keras.Sequential):
        source = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        return keras.Sequential([source, *model.layers], name=model.name)
    return keras.Model(model.input, model.output, name=model.name)


def _outputs(model: keras.Model, batch: AnyArray) -> AnyArray:
    outputs: AnyArray = np.asarray(keras.ops.cast(output_of(model, batch), "float32"))
    return outputs


def _difference(first: AnyArray, second: AnyArray) -> float:
    apart = np.where(np.isnan(first) & np.isnan(second), 0, np.abs(first - second))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0))
