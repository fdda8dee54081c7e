"""Where neurons are looked at, and what mixes them first."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import mesonet, shallownet
from deepfake_generalize.models.surgery import first_dense, flat_layers, site_cut


@pytest.mark.parametrize(
    ("builder", "neurons", "mixing", "before"),
    [
        (mesonet, 64, "dense1", []),
        (shallownet, 1024, "output", ["norm", "dropout"]),
    ],
)
def test_the_studys_sites(builder, neurons, mixing, before):
    model = builder((64, 64, 3))
    parts = site_cut(model, "paper")
    found = first_dense(parts.tail)
    assert parts.trunk.output_shape == (None, neurons)
    assert found.dense is model.get_layer(mixing)
    assert [layer.name for layer in flat_layers(found.before)][1:] == before
    x = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    mixed = found.dense(found.before(parts.trunk(x)))
    np.testing.assert_array_equal(found.after(mixed), model(x))


def test_what_mixes_otherwise_is_none():
    inputs = keras.Input((6,))
    normed = keras.layers.LayerNormalization()(inputs)
    tail = keras.Model(inputs, keras.layers.Dense(1)(normed))
    assert first_dense(tail) is None
    assert first_dense(keras.Model(inputs, normed)) is None


def relu(x):
    """Not what its name says: it mixes the neurons."""
    return keras.ops.softmax(x)


class Softened(keras.layers.ReLU):
    def call(self, x):
        return keras.ops.softmax(x)


def mixing(step):
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(2, name="dense")(step(inputs)))


@pytest.mark.parametrize(
    "step",
    [
        keras.layers.Activation(relu),
        Softened(),
        keras.ops.softmax,
        lambda x: x - keras.ops.mean(x, axis=-1, keepdims=True),
        keras.layers.Activation(keras.layers.Softmax()),
    ],
)
def test_what_mixes_is_known_whatever_it_is_called(step):
    assert first_dense(mixing(step)) is None


@pytest.mark.parametrize(
    "step",
    [
        keras.layers.Activation("relu"),
        keras.layers.Activation("leaky_relu"),
        keras.layers.Activation(tf.nn.relu),
        keras.layers.Activation(keras.ops.silu),
        keras.layers.Activation(keras.layers.LeakyReLU()),
        keras.layers.PReLU(),
    ],
)
def test_what_treats_each_neuron_alone_is_before_the_dense_layer(step):
    model = mixing(step)
    found = first_dense(model)
    assert found.dense is model.get_layer("dense")
    assert len(found.before.layers) == 2


def test_a_dense_layer_of_somebodys_own_is_left_whole():
    class Dense(keras.layers.Dense):
        def call(self, x):
            return super().call(x - keras.ops.mean(x, axis=-1, keepdims=True))

    inputs = keras.Input((6,))
    assert first_dense(keras.Model(inputs, Dense(2)(inputs))) is None


def test_the_output_and_maps_are_no_sites():
    model = mesonet((32, 32, 3))
    with pytest.raises(InputError, match="several neurons before the network's output"):
        site_cut(model, "output")
    with pytest.raises(InputError, match=r"outputs are \(None, neurons\), received 'pool4'"):
        site_cut(model, "pool4")
