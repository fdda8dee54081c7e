"""A Keras network cut open where neurons are set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.models.surgery import first_dense, output_of, remake, site_cut, twin
from deepfake_generalize.types import AnyArray, DoubleArray, FloatArray, Images

Run = Callable[[Callable[[Any], Any], Images, int], Iterator[Any]]
"""Runs a compiled function over images, so many at a time."""


@dataclass(frozen=True)
class KerasSite:
    """The `types.Site` of a Keras network.

    `rest(before(a) @ kernel + bias)` is the network's output for activations `a` at the site.

    Attributes:
        trunk: From images to the site's activations, (N, neurons).
        early: What happens to each neuron on its own before neurons are mixed.
        kernel: (neurons, M), the first map that mixes them.
        bias: (M,).
        rest: From the (N, M) result to the network's output.
        fake: From the network's outputs (N, K) to P(fake), (N,).
        run: How the trunk is run over images.
    """

    trunk: keras.Model
    early: keras.Model
    kernel: FloatArray
    bias: FloatArray
    rest: Callable[[Any], Any]
    fake: Callable[[Any], Any]
    run: Run

    def activations(self, images: Images, batch_size: int) -> Iterator[AnyArray]:
        """Yield the site's activations, batch by batch."""
        # A concrete function: TensorFlow takes a new tf.function every call for tracing in a loop.
        forward = tf.function(
            lambda batch: self.trunk(batch, training=False),
            input_signature=[tf.TensorSpec(self.trunk.input_shape, tf.float32)],
        ).get_concrete_function()
        return (part.numpy() for part in self.run(forward, images, batch_size))

    def before(self, activations: AnyArray) -> AnyArray:
        """Return what enters the kernel."""
        return np.asarray(self.early(activations, training=False))

    def sums(
        self, mixed: FloatArray, moved: FloatArray, kernel: FloatArray, factors: DoubleArray
    ) -> DoubleArray:
        """Return weighted sums of P(fake) with the neurons set."""
        given = map(tf.constant, (mixed, moved, kernel, factors))
        found: DoubleArray = self._step(*given).numpy()
        return found

    @cached_property
    def _step(self) -> Any:
        """The update, the rest of the network and the sums over a block of images, compiled."""
        width = self.kernel.shape[1]

        def step(mixed: Any, moved: Any, kernel: Any, factors: Any) -> Any:
            updated = mixed + moved[..., None] * kernel[:, None, None, :]
            scores = self.fake(self.rest(tf.reshape(updated, (-1, width))))
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


def open_site(model: keras.Model, site: str, *, fake: Callable[[Any], Any], run: Run) -> KerasSite:
    """Cut a network open at `paper`, or at the layer of a name whose outputs are (N, neurons)."""
    parts = site_cut(model, site)
    neurons = parts.tail.input_shape[1]
    first = first_dense(parts.tail)
    if first is None:
        # Whatever mixes the neurons is left to the rest: the identity is an affine map, too.
        nothing = keras.Input((neurons,))
        identity = np.eye(neurons, dtype=np.float32)
        zero, same = np.zeros(neurons, np.float32), keras.Model(nothing, nothing)
        return KerasSite(parts.trunk, same, identity, zero, parts.tail, fake, run)
    dense = first.dense
    kernel = np.asarray(dense.kernel.numpy(), np.float32)
    bias = np.zeros(kernel.shape[1], np.float32) if dense.bias is None else dense.bias.numpy()

    def rest(mixed: Any) -> Any:
        return first.after(dense.activation(mixed), training=False)

    return KerasSite(parts.trunk, first.before, kernel, bias, rest, fake, run)


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
