"""Cut a network in two: at a layer, or where its neurons are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery.graph import (
    check_graph,
    closed_parts,
    graph_layers,
    graph_operations,
    is_graph,
    is_plain,
    through,
)

WIDE = 256
"""From so many units on, the paper's site is the outputs of the first dense layer."""

NOISE = (layers.Dropout, layers.GaussianDropout, layers.GaussianNoise, layers.AlphaDropout)
"""Layers that do nothing but in training, where they add random numbers."""

_ELEMENTWISE = (
    *NOISE,
    layers.InputLayer,
    layers.Identity,
    layers.Flatten,
    layers.ReLU,
    layers.LeakyReLU,
    layers.ELU,
    layers.PReLU,
    layers.BatchNormalization,
)
_ELEMENTWISE_NAMES = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "swish", "tanh"),
    *("sigmoid", "hard_sigmoid", "softplus", "softsign", "exponential"),
)
# The functions themselves: what somebody else calls "relu" may mix neurons.
_ELEMENTWISE_FUNCTIONS = {
    getattr(module, name)
    for module in (keras.activations, keras.ops, tf.nn, tf.math)
    for name in _ELEMENTWISE_NAMES
    if hasattr(module, name)
}
PAPER_REASON = (
    "The paper leaves such networks out too (threats to validity): detectors with only one dense "
    "layer, or none, such as XceptionNet and EfficientNet, have too few neurons there for it to "
    "make sense to analyse them."
)


@dataclass(frozen=True)
class Cut:
    """A network in two parts, its input to the cut and the cut to its output."""

    trunk: keras.Model
    tail: keras.Model


@dataclass(frozen=True)
class FirstDense:
    """The dense layer that is the first to mix the neurons of a site."""

    dense: keras.layers.Dense
    before: keras.Model
    after: keras.Model


def cut(model: keras.Model, layer: str, *, before: bool = False) -> Cut:
    """Cut a network at the output of the layer of that name, or at its input (`before`).

    The two parts hold the layers of `model` themselves, not copies. A part may be empty. Functional
    and Sequential models nested in it are opened when the layer is inside one of them. InputError
    where there is no such layer, or one used more than once, or a skip connection runs past.
    """
    graph = _graph(model, layer)
    matches = [node for node in _nodes(graph) if node.operation.name == layer]
    if len(matches) != 1:
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, used {len(matches)} times.",
            hint="Cut at a layer before or after it.",
        )
    node = matches[0]
    tensors = node.input_tensors if before and not node.is_input else node.outputs
    if len(tensors) != 1:
        raise InputError(
            f"expected a layer with one {'input' if before else 'output'}, received {layer!r} "
            f"with {len(tensors)}.",
            hint="Cut at the output of a layer." if before else "",
        )
    trunk = _part(graph.inputs[0], tensors[0], f"{model.name}_trunk")
    _refuse_crossings(graph, trunk, tensors[0], layer)
    return Cut(trunk, tail=_part(tensors[0], graph.outputs[0], f"{model.name}_tail"))


def _graph(model: keras.Model, layer: str) -> Any:
    """Return a functional model in whose own graph the layer is, nested ones opened if need be."""
    check_graph(model)
    # An Input is kept out of a Sequential model's layers, and is a layer of its graph.
    outer = (
        keras.Model(model.inputs[0], model.outputs[0])
        if isinstance(model, keras.Sequential)
        else model
    )
    if layer in [operation.name for operation in outer.operations]:
        return outer
    names = [inner.name for inner in graph_layers(model)]
    if layer not in names:
        raise InputError(
            f"expected the name of a layer of {model.name!r}, received {layer!r}; it has "
            f"{', '.join(names)}.",
        )
    source = keras.Input(batch_shape=outer.inputs[0].shape, dtype=outer.inputs[0].dtype)
    try:
        return keras.Model(source, through(outer, source, _opened))
    except ValueError as error:
        raise InputError(
            f"expected nested models that can be opened to reach {layer!r}, received "
            f"{model.name!r}: {error}",
            hint="Give the layers of the nested models names of their own.",
        ) from error


def _nodes(graph: Any) -> list[Any]:
    """Return the calls of layers that the graph consists of."""
    return [node for level in graph._nodes_by_depth.values() for node in level]


def _opened(operation: Any) -> Any:
    """Return what calls an operation, or all that a nested model consists of."""
    if not is_graph(operation):
        return operation
    return lambda tensor, **_: through(operation, tensor, _opened)


def _refuse_crossings(graph: Any, trunk: Any, tensor: Any, layer: str) -> None:
    """Raise unless every path from the input to the output runs through the end of the trunk."""
    makers = {id(output): node for node in _nodes(trunk) for output in node.outputs}
    above = set(_nodes(trunk))
    crossings = sorted(
        f"{makers[id(source)].operation.name} -> {node.operation.name}"
        for node in _nodes(graph)
        for source in node.input_tensors
        if node not in above and source is not tensor and id(source) in makers
    )
    if crossings:
        raise InputError(
            f"expected a layer through which everything flows, received {layer!r}; past it runs "
            f"{', '.join(crossings)}.",
            hint="Cut where the branches have joined again, or before they part.",
        )


def _part(start: Any, end: Any, name: str) -> keras.Model:
    if start is end:
        start = end = keras.Input(batch_shape=start.shape, dtype=start.dtype)
    return keras.Model(start, end, name=name)


def site_cut(model: keras.Model, site: str) -> Cut:
    """Cut a network where its neurons, at least two, are looked at: they are the trunk's outputs.

    `site` is the name of a layer whose outputs are (N, neurons), not the network's own; or `paper`:
    the outputs of the first dense layer if it has 256 units or more, else the features that enter.
    """
    parts = _paper_cut(model) if site == "paper" else cut(model, site)
    shape = parts.tail.input_shape
    if len(shape) != 2 or not shape[1]:
        raise InputError(
            f"expected a site whose outputs are (None, neurons), received {site!r} with {shape}.",
            hint="Name a dense layer, or the flatten layer before it.",
        )
    if shape[1] < 2 or all(isinstance(x, layers.InputLayer) for x in parts.tail.layers):
        raise InputError(
            f"expected a site of several neurons before the network's output, received {site!r} "
            f"with {shape[1]}.",
            hint=PAPER_REASON,
        )
    return parts


def first_dense(tail: keras.Model) -> FirstDense | None:
    """Return the dense layer that mixes the neurons first, given the network behind them."""
    dense = next((x for x in graph_layers(tail) if isinstance(x, layers.Dense)), None)
    if dense is None or not is_plain(dense, layers.Dense):
        return None
    try:
        before = cut(tail, dense.name, before=True).trunk
        after = cut(tail, dense.name).tail
    except InputError:
        return None
    elementwise = all(_is_elementwise(operation) for operation in graph_operations(before))
    return FirstDense(dense, before, after) if elementwise else None


def _paper_cut(model: keras.Model) -> Cut:
    every = [layer for layer in graph_layers(model) if isinstance(layer, layers.Dense)]
    dense = [layer for layer in every if len(layer.output.shape) == 2]  # None of tokens.
    if len(dense) < 2:
        raise InputError(
            f"expected a network with two dense layers or more for site='paper', received "
            f"{model.name!r} with {len(dense)}.",
            hint=closed_parts(model) or PAPER_REASON,
        )
    return cut(model, dense[0].name, before=dense[0].units < WIDE)


def _is_elementwise(operation: Any) -> bool:
    """Say whether this is known to treat each neuron on its own."""
    if is_plain(operation, layers.Activation):
        function = operation.activation
        return function in _ELEMENTWISE_FUNCTIONS or _is_elementwise(function)
    return is_plain(operation, _ELEMENTWISE)
