"""The optimizer takes the steps of Keras's Adam."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize.models.training.fitting import FusedAdam


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1}, {"beta_1": 0.5, "epsilon": 0.01}])
@pytest.mark.parametrize("kind", ["float32", "float64", "few rows"])
def test_steps_are_those_of_keras_adam(settings: dict[str, float], kind: str) -> None:
    rng = np.random.default_rng(0)
    dtype = "float64" if kind == "float64" else "float32"
    first, gradients = rng.normal(size=(6, 3)), rng.normal(size=(5, 6, 3))
    ended = []
    for make in (keras.optimizers.Adam, FusedAdam):
        optimizer = make(0.05, **settings)
        variable = keras.Variable(first, dtype=dtype)
        optimizer.build([variable])
        for gradient in gradients:
            given = tf.constant(gradient, dtype)
            if kind == "few rows":  # As of an embedding.
                given = tf.IndexedSlices(given[1:3], tf.constant([1, 3]), tf.constant([6, 3]))
            optimizer.apply([given], [variable])
        ended.append([x.numpy() for x in (variable, *optimizer.variables)])
    for expected, found in zip(*ended, strict=True):
        # Keras rounds the rates' powers to float32, which moves a step of .05 by 1e-6.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-6)
    assert not np.allclose(ended[0][0], first, atol=0.01)


def test_steps_are_those_of_the_formula() -> None:
    """As in Kingma and Ba, ICLR 2015, section 2: the more efficient order at its end."""
    rng = np.random.default_rng(0)
    weights, gradients = rng.normal(size=4), rng.normal(size=(20, 4))
    optimizer, variable = (
        FusedAdam(0.0625, 0.75, 0.96875, 0.001),
        keras.Variable(weights, "float64"),
    )
    optimizer.build([variable])
    mean, square = np.zeros(4), np.zeros(4)
    for step, gradient in enumerate(gradients, start=1):
        optimizer.apply([tf.constant(gradient)], [variable])
        mean = 0.75 * mean + 0.25 * gradient
        square = 0.96875 * square + 0.03125 * gradient**2
        rate = 0.0625 * np.sqrt(1 - 0.96875**step) / (1 - 0.75**step)
        weights = weights - rate * mean / (np.sqrt(square) + 0.001)
    np.testing.assert_allclose(variable.numpy(), weights, rtol=1e-9)
