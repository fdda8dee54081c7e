"""Compiled passes through a Keras network and back, kept as long as the network itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.passes.keras_logits import Wrapped, logit_of
from deepfake_generalize.models.passes.rectifiers import is_rectifier
from deepfake_generalize.models.passes.tokens import token_grid
from deepfake_generalize.models.surgery import (
    closed_parts,
    graph_layers,
    is_graph,
    is_plain,
    last_convolution,
    only,
)
from deepfake_generalize.types import MapOps, MapRule, MapView

_SCALES = (1.0, 2.0**8, 2.0**15)
"""Of the logit, in half precision: float16 holds up to 65,504."""

# Tracing takes longer than the maps of many batches, so a network's functions are kept as long as
# the network itself is.
_compiled: WeakKeyDictionary[keras.Model, dict[tuple[Any, ...], Callable[..., Any]]] = (
    WeakKeyDictionary()
)


def weighted_maps(
    detector: Wrapped, rule: MapRule, view: MapView, layer: str
) -> Callable[[Any], Any]:
    """Return the compiled function from images to a rule's signed maps at a layer."""

    def trace(images: Any) -> Any:
        tape, logit, found = _watched(detector, view.target, images, {layer})
        features, first = _only_map(found, layer, detector.model)
        gradient = _gradient(tape, logit, features)
        features = _widened(features)
        if len(features.shape) == 3:
            sides = token_grid(features.shape[1], detector.size, view.grid, layer)
            features, gradient = (_pictured(values, sides) for values in (features, gradient))
        positions, channels = ((2, 3), 1) if first else ((1, 2), 3)
        ops = MapOps(
            mean=partial(tf.reduce_mean, axis=positions, keepdims=True),
            total=partial(tf.reduce_sum, axis=positions, keepdims=True),
            across=partial(tf.reduce_sum, axis=channels),
            relu=tf.nn.relu,
        )
        return tf.cast(rule(features, gradient, ops), tf.float32)

    return _kept(detector, ("maps", rule, layer, view.target, view.grid), trace)


def guided_gradient(detector: Wrapped, target: str) -> Callable[[Any], Any]:
    """Return the compiled function from images to the guided gradient of the logit in them."""

    def around(layer: Any, _: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        return _gate(compute()) if _is_rectifier(layer) else compute()

    def trace(images: Any) -> Any:
        with _tape(detector.model) as tape:
            tape.watch(images)
            logit = logit_of(detector, target, images, around)
        return _gradient(tape, logit, images)

    return _kept(detector, ("guided", target), trace)


def default_layer(detector: Wrapped) -> str:
    """Return the name of the last layer that still shows where."""
    model = detector.model
    norms = {
        layer.name
        for layer in (graph_layers(model) if is_graph(model) else ())
        if is_plain(layer, keras.layers.LayerNormalization) and len(layer.output.shape) == 3
    }
    if norms:
        noise = np.random.default_rng(0).random((2, *detector.size, 3), np.float32)
        tape, logit, found = _watched(detector, "fake", tf.constant(noise), norms)
        for name, tokens, _ in reversed(found):
            gradient = tape.gradient(logit, tokens, unconnected_gradients="zero")
            if bool(tf.reduce_any(gradient[:, (tokens.shape[1] + 1) // 2 :] != 0)):
                return str(name)
    return last_convolution(model)


def _watched(
    detector: Wrapped, target: str, images: Any, layers: set[str]
) -> tuple[tf.GradientTape, Any, list[tuple[str, Any, bool]]]:
    """Run up to the logit; return the tape, the logit, and by layer its outputs and their order."""
    found: list[tuple[str, Any, bool]] = []
    channels_first = _Format()
    with _tape(detector.model, several=len(layers) > 1) as tape:

        def around(current: Any, inputs: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
            output = only(compute())
            first = channels_first.note(current, inputs, output)
            if current.name in layers:
                # A copy: a layer that passes its input on must not stand for the input's other
                # readers, too.
                output = tf.nest.map_structure(tf.identity, output)
                channels_first.keep(output, first)
                tape.watch(output)
                found.append((current.name, output, first))
            return output

        logit = logit_of(detector, target, images, around)
    return tape, logit, found


def _pictured(tokens: Any, sides: tuple[int, int]) -> Any:
    """Return the last tokens (N, T, C) as (N, h, w, C)."""
    height, width = sides
    return tf.reshape(tokens[:, -height * width :], (-1, height, width, tokens.shape[2]))


class _Format:
    """Which tensors have their channels first, followed from layer to layer."""

    def __init__(self) -> None:
        # The tensors are kept with their answers: an `id` is free again when its tensor is gone.
        self._known: dict[int, tuple[Any, bool]] = {}

    def note(self, layer: Any, inputs: tuple[Any, ...], output: Any) -> bool:
        """Take down, and return, whether what a layer made of its inputs has channels first."""
        if id(output) in self._known:  # Passed on as it came, or out of a nested model.
            return self._known[id(output)][1]
        said = getattr(layer, "data_format", None)
        known = [self._known[id(tensor)][1] for tensor in inputs if id(tensor) in self._known]
        first = said == "channels_first" if said else any(known)
        if isinstance(layer, keras.layers.Permute):
            first = {(3, 1, 2): True, (2, 3, 1): False}.get(layer.dims, first)
        return self.keep(output, first)

    def keep(self, tensor: Any, first: bool) -> bool:
        """Take down whether a tensor has its channels first, and return it."""
        self._known[id(tensor)] = (tensor, first)
        return first


def _tape(model: keras.Model, *, several: bool = False) -> tf.GradientTape:
    """Return a tape; one that can go back several times where a layer computes in float16."""
    half = any(getattr(layer, "compute_dtype", "") == "float16" for layer in graph_layers(model))
    return tf.GradientTape(persistent=half or several, watch_accessed_variables=False)


def _gradient(tape: tf.GradientTape, logit: Any, source: Any) -> Any:
    """Return the gradient of each image's logit, in float32 where it was computed in less."""
    if not tape._persistent:
        return _widened(tape.gradient(logit, source, unconnected_gradients="zero"))
    chosen: Any = None
    for scale in _SCALES:
        scaled = tape.gradient(
            logit,
            source,
            output_gradients=tf.fill(tf.shape(logit), scale),
            unconnected_gradients="zero",
        )
        gradient = _widened(scaled) / scale
        finite = tf.reduce_all(
            tf.math.is_finite(gradient), axis=range(1, len(gradient.shape)), keepdims=True
        )
        chosen = gradient if chosen is None else tf.where(finite, gradient, chosen)
    return chosen


def _widened(values: Any) -> Any:
    """Return float16 and bfloat16 as float32: sums over positions need its range and digits."""
    return tf.cast(values, tf.float32) if values.dtype.size < tf.float32.size else values


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _gate(rectified: Any) -> Any:
    """Pass values on as they are, and gradients only where they and the values are positive."""

    def backward(gradient: Any) -> Any:
        kept = (gradient > 0) & (rectified > 0)
        return tf.where(kept, gradient, tf.zeros_like(gradient))

    return tf.identity(rectified), backward


def _is_rectifier(layer: Any) -> bool:
    """Say whether a layer, or the activation at its end, is ReLU or one of its kin."""
    activation = getattr(layer, "activation", None)
    activation = getattr(activation, "func", activation)  # Of functools.partial.
    kinds = (type(layer).__name__, getattr(activation, "__name__", type(activation).__name__))
    return any(map(is_rectifier, kinds))


def _only_map(
    found: list[tuple[str, Any, bool]], layer: str, model: keras.Model
) -> tuple[Any, bool]:
    """Return the features of the one call of the layer, if they are maps or tokens."""
    if not found:
        names = ", ".join(other.name for other in graph_layers(model))
        raise InputError(
            f"expected the name of a layer of {model.name!r}, received {layer!r}; it has {names}.",
            hint=closed_parts(model),
        )
    if len(found) != 1:
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, used {len(found)} times.",
            hint="Name a layer before or after it.",
        )
    shape = getattr(found[0][1], "shape", ())
    if len(shape) not in (3, 4):
        raise InputError(
            f"expected a layer with outputs (None, h, w, C) or tokens (None, T, C), received "
            f"{layer!r} with {tuple(shape)}.",
            hint="Name a convolution, or what follows one.",
        )
    return found[0][1:]


def _kept(
    detector: Wrapped, key: tuple[Any, ...], trace: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """Return the function of that key, compiled at its first use."""
    kept = _compiled.setdefault(detector.model, {})
    key = (detector.fake_index, *key)
    if key not in kept:
        signature = [tf.TensorSpec((None, *detector.size, 3), tf.float32)]
        function = tf.function(trace, input_signature=signature, autograph=False)
        # The concrete function holds the variables, and not the model that the key must outlive.
        kept[key] = function.get_concrete_function()
    return kept[key]
