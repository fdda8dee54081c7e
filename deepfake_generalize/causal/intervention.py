"""Set one neuron at a time, for all images at once: do(neuron = value)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.models.surgery import first_dense, site_cut
from deepfake_generalize.types import AnyArray, DoubleArray, FloatArray

BLOCK = 2**20
"""Numbers (float32) that one step of the intervention holds at a time: 4 MB."""


@dataclass(frozen=True)
class Site:
    """A network cut open where neurons are set.

    `rest(before(a) @ kernel + bias)` is the network's output for activations `a` at the site.

    Attributes:
        trunk: From images to the site's activations, (N, neurons).
        before: What happens to each neuron on its own before neurons are mixed.
        kernel: (neurons, M), the first map that mixes them.
        bias: (M,).
        rest: From the (N, M) result to the network's output.
    """

    trunk: keras.Model
    before: keras.Model
    kernel: FloatArray
    bias: FloatArray
    rest: Callable[[Any], Any]

    @property
    def neurons(self) -> int:
        """How many neurons the site has."""
        return int(self.kernel.shape[0])


def open_site(model: keras.Model, site: str) -> Site:
    """Cut a network open at `paper`, or at the layer of a name whose outputs are (N, neurons)."""
    parts = site_cut(model, site)
    neurons = parts.tail.input_shape[1]
    first = first_dense(parts.tail)
    if first is None:
        # Whatever mixes the neurons is left to the rest: the identity is an affine map, too.
        nothing = keras.Input((neurons,))
        identity = np.eye(neurons, dtype=np.float32)
        zero = np.zeros(neurons, np.float32)
        return Site(parts.trunk, keras.Model(nothing, nothing), identity, zero, parts.tail)
    dense = first.dense
    kernel = np.asarray(dense.kernel.numpy(), np.float32)
    bias = np.zeros(kernel.shape[1], np.float32) if dense.bias is None else dense.bias.numpy()

    def rest(mixed: Any) -> Any:
        return first.after(dense.activation(mixed), training=False)

    return Site(parts.trunk, first.before, kernel, bias, rest)


def summed_scores(
    site: Site,
    activations: AnyArray,
    values: DoubleArray,
    weights: DoubleArray,
    fake: Callable[[Any], Any],
    *,
    block: int = BLOCK,
) -> DoubleArray:
    """Sum weighted scores over images, for every neuron set to each of its values.

    Setting neuron i moves the result of the first affine map by `(value - activation) * kernel[i]`,
    a rank-one update for all images together; only what follows is computed anew.

    `activations` are (N, neurons), `values` (neurons, steps), `weights` (N, sums): the factors of
    each image's score, one column a sum. `fake` goes from the network's outputs (N, K) to P(fake),
    (N,). About `block` numbers are held at a time. Returns (neurons, steps, sums).
    """
    steps, width = values.shape[1], site.kernel.shape[1]
    rows = max(1, min(len(activations), block // (steps * width)))
    group = max(1, block // (steps * width * rows))
    set_to = np.asarray(site.before(values.T.astype(np.float32), training=False)).T
    step = _compiled_step(site, fake)
    sums = np.zeros((*values.shape, weights.shape[1]))
    for start in range(0, len(activations), rows):
        part = np.asarray(activations[start : start + rows], np.float32)
        entering = np.asarray(site.before(part, training=False), np.float64)
        mixed = (entering @ site.kernel.astype(np.float64) + site.bias).astype(np.float32)
        factors = tf.constant(weights[start : start + rows])
        for first in range(0, site.neurons, group):
            some = slice(first, first + group)
            moved = set_to[some, :, None] - entering.T[some, None, :]
            sums[some] += step(
                tf.constant(mixed),
                tf.constant(moved.astype(np.float32)),
                tf.constant(site.kernel[some]),
                factors,
            ).numpy()
    return sums


def _compiled_step(site: Site, fake: Callable[[Any], Any]) -> Any:
    """Compile the update, the rest of the network and the sums over a block of images."""
    width = site.kernel.shape[1]

    def step(mixed: Any, moved: Any, kernel: Any, factors: Any) -> Any:
        updated = mixed + moved[..., None] * kernel[:, None, None, :]
        scores = fake(site.rest(tf.reshape(updated, (-1, width))))
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
