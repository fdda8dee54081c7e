"""Layers of networks: which there are, and which are Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deepfake_generalize.models.surgery import (
    graph_layers,
    graph_operations,
    is_plain,
    last_convolution,
    only,
    run_through,
)


class Own(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.conv = layers.Conv2D(2, 3, name="inside")

    def build(self, shape):
        self.conv.build(shape)
        super().build(shape)

    def call(self, x):
        return self.conv(x)


def mixed() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    nested = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1, name="conv")])
    x = keras.ops.relu(Own()(nested(image))) + 1
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(1, name="head")(x))


def test_nested_models_are_opened_and_classes_are_not():
    model = mixed()
    assert [layer.name for layer in graph_layers(model)] == ["image", "conv", "own", "pool", "head"]
    kinds = [type(operation).__name__ for operation in graph_operations(model)]
    assert kinds[:5] == ["InputLayer", "Conv2D", "Own", "Relu", "Add"]
    assert kinds[5:] == ["GlobalAveragePooling2D", "Dense"]
    assert last_convolution(model) == "own"


def test_only_keras_own_classes_are_plain():
    class Dense(layers.Dense):
        pass

    assert is_plain(layers.Dense(1), layers.Dense)
    assert not is_plain(Dense(1), layers.Dense)
    assert not is_plain(layers.Dense(1), (layers.Flatten, layers.ReLU))


@pytest.mark.parametrize("given", [[5], (5,), {"a": 5}, [[5]], {"a": (5,)}, 5])
def test_a_structure_of_one_is_what_it_holds(given):
    assert only(given) == 5
    assert only([5, 6]) == [5, 6]


def test_what_is_passed_by_name_is_passed_on():
    image = keras.Input((4, 4, 3))
    inner = keras.Input((4, 4, 3))
    nested = keras.Model(inner, layers.Flatten(name="flat")(inner), name="nested")
    model = keras.Model(image, layers.Dense(2, name="head")(inputs=nested(inputs=image)))
    images = tf.constant(np.random.default_rng(0).random((2, 4, 4, 3)).astype(np.float32))
    seen = []

    def around(layer, inputs, compute):
        seen.append((layer.name, len(inputs)))
        return compute()

    np.testing.assert_array_equal(run_through(model, images, around), model(images))
    assert [entry for entry in seen if entry[0] in ("nested", "flat", "head")] == [
        ("nested", 1),
        ("flat", 1),
        ("head", 1),
    ]
