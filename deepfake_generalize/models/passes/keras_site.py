"""A Keras network cut open where neurons are set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.models.surgery import first_dense, output_of, remake, site_cut, twin
from deepfake_generalize.types import AnyArray, Images, Site

Run = Callable[[Callable[[Any], Any], Images, int], Iterator[Any]]
"""Runs a compiled function over images, so many at a time."""


def open_site(model: keras.Model, site: str, *, fake: Callable[[Any], Any], run: Run) -> Site:
    """Cut a network open at `paper`, or at the layer of a name whose outputs are (N, neurons).

    `fake` goes from the network's outputs (N, K) to P(fake), (N,).
    """
    parts = site_cut(model, site)
    first = first_dense(parts.tail)
    if first is None:
        # Whatever mixes the neurons is left to the rest: the identity is an affine map, too.
        neurons = parts.tail.input_shape[1]
        nothing = keras.Input((neurons,))
        before, rest = keras.Model(nothing, nothing), parts.tail
        kernel, bias = np.eye(neurons, dtype=np.float32), np.zeros(neurons, np.float32)
    else:
        dense, before = first.dense, first.before
        kernel = np.asarray(dense.kernel.numpy(), np.float32)
        bias = np.zeros(kernel.shape[1], np.float32) if dense.bias is None else dense.bias.numpy()

        def rest(mixed: Any) -> Any:
            return first.after(dense.activation(mixed), training=False)

    step = _compiled_step(rest, fake, kernel.shape[1])

    def activations(images: Images, batch_size: int) -> Iterator[AnyArray]:
        # A concrete function: TensorFlow takes a new tf.function every call for tracing in a loop.
        forward = tf.function(
            lambda batch: parts.trunk(batch, training=False),
            input_signature=[tf.TensorSpec(parts.trunk.input_shape, tf.float32)],
        ).get_concrete_function()
        return (part.numpy() for part in run(forward, images, batch_size))

    return Site(
        kernel=kernel,
        bias=bias,
        activations=activations,
        before=lambda values: np.asarray(before(values, training=False)),
        sums=lambda *given: step(*map(tf.constant, given)).numpy(),
    )


def _compiled_step(rest: Callable[[Any], Any], fake: Callable[[Any], Any], width: int) -> Any:
    """Compile the update, the rest of the network and the sums over a block of images."""

    def step(mixed: Any, moved: Any, kernel: Any, factors: Any) -> Any:
        updated = mixed + moved[..., None] * kernel[:, None, None, :]
        scores = fake(rest(tf.reshape(updated, (-1, width))))
        shape = tf.shape(moved)
        scores = tf.cast(tf.reshape(scores, (shape[0] * shape[1], shape[2])), tf.float64)
        return tf.reshape(tf.matmul(scores, factors), (shape[0], shape[1], -1))

    return tf.function(
        step,
        input_signature=[
            tf.TensorSpec((None, width), tf.float32),
            tf.TensorSpec((None, None, None), tf.float32),
            tf.TensorSpec((None, width), tf.float32),
            tf.TensorSpec((None, None), tf.float64),
        ],
    ).get_concrete_function()


def redrawn(model: keras.Model, behind: str | None) -> keras.Model:
    """Return a copy whose weights, all or those behind a site, are drawn anew by Keras."""
    parts = None if behind is None else site_cut(model, behind)
    made = twin(model if parts is None else parts.tail, _unseeded, weights=False)
    if parts is not None:
        entering = parts.trunk
        made = keras.Model(entering.inputs[0], output_of(made, entering.outputs[0]))
    return made


def _unseeded(layer: Any) -> Any:
    """Make a layer again whose initializers have no seed of their own."""
    config = layer.get_config()
    for value in config.values():
        if isinstance(value, dict) and "seed" in (value.get("config") or {}):
            value["config"]["seed"] = None
    return remake(layer, **config)
