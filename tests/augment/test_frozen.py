"""What is frozen stays as it is, in layers too that assign to their weights while they train."""

import keras
import numpy as np
import pytest

from deepfake_generalize.augment import focus, transfer
from deepfake_generalize.models import Detector, train

layers = keras.layers


class Counted(layers.Layer):
    """Counts the steps of training, and shifts its inputs by them."""

    def build(self, input_shape):  # noqa: ARG002
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.steps.assign_add(1.0)
        return x + self.steps


class Block(layers.Layer):
    """A layer that says nothing of training to what is inside it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = Counted()

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, x):
        return self.inner(x)


@pytest.fixture
def network():
    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 3))
    x = layers.RandomFlip(name="flip")(image)
    x = layers.SpectralNormalization(layers.Conv2D(4, 3, name="inner"), name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(Block(name="block")(x))
    x = layers.Dense(4, activation="tanh", name="dense")(x)
    x = layers.SpectralNormalization(layers.Dense(4, name="inside"), name="behind")(x)
    return keras.Model(image, layers.Dense(1, activation="sigmoid", name="last")(x))


SLOW = [
    pytest.param("cached", marks=pytest.mark.slow),
    *(pytest.param(way, marks=pytest.mark.nightly) for way in ("uncached", "train")),
]


def changed(found: keras.Model, before: keras.Model) -> set[str]:
    """Return the names of the layers of which a weight is another."""
    return {
        layer.name
        for layer, old in zip(found.layers, before.layers, strict=True)
        for a, b in zip(layer.get_weights(), old.get_weights(), strict=True)
        if not np.array_equal(a, b)
    }


@pytest.mark.parametrize("way", [*SLOW, "focus"])
def test_only_what_learns_changes(way, network, dark_and_bright, short):
    recipe = short("mesonet", epochs=2, batch_size=8, learning_rate=0.01)
    data = dark_and_bright(16), dark_and_bright(8, seed=1)
    options = {"recipe": recipe, "progress": None}
    detector = Detector(network)
    if way == "focus":
        tuned = focus(detector, [0], *data, site="pool", **options)
    elif way == "train":
        for layer in network.layers[:-1]:
            layer.trainable = False
        tuned = train(network, *data, **options)
    else:
        tuned = transfer(detector, *data, unfreeze="last", cache=way == "cached", **options)
    assert changed(tuned.model, network) == {"dense" if way == "focus" else "last"}
    assert all("call" not in vars(layer) for layer in tuned.model.layers)


@pytest.mark.slow
def test_a_frozen_trunk_gives_the_same_in_every_step_as_once(network, dark_and_bright, short):
    recipe = short("mesonet", epochs=3, batch_size=8, learning_rate=0.01)
    data = dark_and_bright(16), dark_and_bright(8, seed=1)
    cached, uncached = (
        transfer(
            Detector(network), *data, recipe=recipe, unfreeze="last", cache=cache, progress=None
        ).training["history"]
        for cache in (True, False)
    )
    np.testing.assert_allclose(cached["loss"], uncached["loss"], rtol=1e-5)
