"""Where a network's neurons are looked at: the study's place, or a layer by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery.cut import Cut, cut
from deepfake_generalize.models.surgery.graph import (
    closed_parts,
    graph_layers,
    graph_operations,
    is_plain,
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
class FirstDense:
    """The dense layer that is the first to mix the neurons of a site.

    `before` is what happens to each neuron on its own, between the site and the layer; `after`
    leads from the layer's output to the network's.
    """

    dense: keras.layers.Dense
    before: keras.Model
    after: keras.Model


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
    """Return the dense layer that mixes the neurons first, given the network behind them.

    None where something else mixes them first, or several layers do side by side.
    """
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
    dense = [layer for layer in graph_layers(model) if isinstance(layer, layers.Dense)]
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
