"""Layers that compute otherwise within a block give what Keras's own give."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deepfake_generalize.models.overrides import in_inference, norms_in_one_pass, quick_training


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1}])
@pytest.mark.parametrize(
    "shape",
    [
        "picture",
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in ("channels first", "vector", "half")
        ),
    ],
)
def test_norms_in_one_pass_are_keras_norms(options, shape):
    rng = np.random.default_rng(0)
    axis = 1 if shape == "channels first" else -1
    policy = "mixed_float16" if shape == "half" else None
    norm = keras.layers.BatchNormalization(axis=axis, dtype=policy, **options)
    source = keras.Input((5,) if shape == "vector" else (4, 6, 5))
    model = keras.Model(source, norm(source))
    for variable in norm.weights:
        variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    images = rng.random((3, *source.shape[1:]), np.float32)
    expected = np.asarray(model(images, training=False), np.float32)
    with norms_in_one_pass(model):
        graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(
            tf.TensorSpec((None, *source.shape[1:]))
        )
    operations = {operation.type for operation in graph.graph.get_operations()}
    assert ("FusedBatchNormV3" in operations) == (shape == "picture")
    np.testing.assert_allclose(graph(images).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert "call" not in vars(norm)
    norm.moving_mean.assign(norm.moving_mean + 1.0)
    changed = np.asarray(model(images, training=False), np.float32)
    np.testing.assert_allclose(graph(images).numpy(), changed, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"scale": False, "center": False}, {"momentum": 0.5}])
def test_norms_in_one_pass_learn_as_keras_norms(options):
    rng = np.random.default_rng(0)
    norm = keras.layers.BatchNormalization(**options)
    source = keras.Input((4, 6, 5))
    model = keras.Model(source, norm(source))
    given = [rng.uniform(0.5, 2.0, variable.shape) for variable in norm.weights]
    images = tf.constant(3.0 * rng.random((3, 4, 6, 5), np.float32))
    wanted = tf.constant(rng.random((3, 4, 6, 5), np.float32))

    def learn():
        norm.set_weights(given)
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = model(images, training=True)
            loss = tf.reduce_mean((outputs - wanted) ** 2)
        variables = [variable.value for variable in norm.trainable_weights]
        moved = tape.gradient(loss, [images, *variables])
        return [outputs.numpy(), *(x.numpy() for x in moved), *norm.get_weights()]

    expected = learn()
    with norms_in_one_pass(model):
        found = learn()
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(each, other, rtol=1e-4, atol=1e-6)
    # The statistics moved, so that equal ones say something.
    assert not np.allclose(expected[-1], given[-1])


@pytest.mark.parametrize("how", ["frozen", "told so"])
def test_norms_in_one_pass_that_do_not_learn_keep_their_statistics(how):
    norm = keras.layers.BatchNormalization(trainable=how != "frozen")
    source = keras.Input((4, 4, 2))
    model = keras.Model(source, norm(source))
    images = tf.constant(np.random.default_rng(0).random((3, 4, 4, 2), np.float32))
    expected, before = model(images, training=False), norm.get_weights()
    with norms_in_one_pass(model), in_inference([norm] if how == "told so" else []):
        found = model(images, training=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for each, other in zip(norm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(each, other)
    assert "call" not in vars(norm)


class OwnConvolution(layers.Conv2D):
    def call(self, inputs):
        return super().call(inputs) * 2.0


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_quick_training_takes_the_steps_of_keras(policy):
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    parts = [
        layers.Conv2D(8, 1, use_bias=False),
        layers.BatchNormalization(),
        layers.SeparableConv2D(6, 3, strides=2, padding="same", activation="relu"),
        layers.SeparableConv2D(6, 3, dilation_rate=2, depth_multiplier=2),
        OwnConvolution(4, 1),
        layers.Conv2D(8, 1, strides=2),
        layers.Conv2D(6, 1, groups=2, activation="tanh"),
        layers.Conv2D(5, 1, activation="relu", bias_initializer="ones"),
        layers.BatchNormalization(),
    ]
    for part in parts:
        part.dtype_policy = keras.DTypePolicy(policy)
    model = keras.Sequential([keras.Input((15, 18, 3)), *parts])
    given, images = model.get_weights(), tf.constant(rng.random((4, 15, 18, 3), np.float32))

    def learn():
        model.set_weights(given)
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = tf.reduce_mean(tf.cast(outputs, tf.float32)[..., :3] ** 3)
        found = tape.gradient(loss, [variable.value for variable in model.trainable_weights])
        return [tf.cast(outputs, tf.float32).numpy(), *(x.numpy() for x in found)]

    expected, kept = learn(), model.get_weights()
    with quick_training(model):
        found, statistics = learn(), model.get_weights()
        graph = tf.function(lambda x: model(x, training=True)).get_concrete_function(images)
    kinds = [operation.type for operation in graph.graph.get_operations()]
    # Strided and grouped ones stay, somebody's own too, and in half precision those with a bias.
    # Norms in half precision stay as well.
    expected_kinds = (4, 2) if policy == "float32" else (1, 0)
    assert (kinds.count("MatMul"), kinds.count("FusedBatchNormV3")) == expected_kinds
    close = {"rtol": 1e-3, "atol": 1e-5} if policy == "float32" else {"rtol": 0.1, "atol": 0.03}
    for each, other in zip((*found, *statistics), (*expected, *kept), strict=True):
        np.testing.assert_allclose(each, other, **close)


@pytest.mark.parametrize("layer", [layers.Conv2D(6, 1), layers.SeparableConv2D(6, 3)])
def test_biases_in_half_precision_learn_from_every_position(layer):
    rng = np.random.default_rng(0)
    layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((64, 64, 8)), layer])
    images = tf.constant(rng.random((8, 64, 64, 8), np.float32))

    @tf.function  # Where TensorFlow makes one operation of a convolution and its bias.
    def moved():
        with tf.GradientTape() as tape:
            outputs = tf.cast(model(images, training=True), tf.float32)
            loss = tf.reduce_mean(outputs**2)
        variables = [variable.value for variable in model.trainable_weights]
        return outputs, tape.gradient(loss, variables)

    with quick_training(model):
        outputs, found = moved()
    expected = tf.reduce_sum(2.0 * outputs, axis=(0, 1, 2)) / tf.cast(tf.size(outputs), tf.float32)
    np.testing.assert_allclose(found[-1], expected, rtol=0.05)


def _replaced(norm):
    own = norm.call
    norm.call = lambda inputs, **told: own(inputs, **told) * 2.0


@pytest.mark.parametrize("how", ["whole numbers", "half precision", "unknown sizes", "own call"])
@pytest.mark.filterwarnings("ignore:You are providing")
def test_what_norms_in_one_pass_cannot_do_keras_does(how):
    images = np.random.default_rng(0).integers(0, 9, (3, 4, 4, 2)).astype(np.float32)
    norm = keras.layers.BatchNormalization(dtype="bfloat16" if how == "half precision" else None)
    norm.build((None, None, None, 2))
    if how == "own call":
        _replaced(norm)
    before = norm.get_weights()

    def learn():
        norm.set_weights(before)
        given = tf.constant(images, tf.uint8 if how == "whole numbers" else tf.float32)

        def step(x):
            x = tf.numpy_function(lambda y: y, [x], x.dtype)
            x.set_shape([None] * 4 if how == "unknown sizes" else [None, 4, 4, 2])
            with tf.GradientTape() as tape:
                outputs = tf.cast(norm(x, training=True), tf.float32)
                loss = tf.reduce_mean(outputs**3)
            return outputs, tape.gradient(loss, norm.gamma.value)

        outputs, gradient = tf.function(step)(given)
        found = (outputs, tf.cast(gradient, tf.float32), *norm.get_weights())
        return [np.asarray(x, np.float32) for x in found]

    expected = learn()
    with quick_training(keras.Sequential([norm])):
        found = learn()
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(each, other, rtol=1e-4, atol=1e-5)


def test_pictures_of_open_sides_are_computed_as_by_keras():
    source = keras.Input((None, None, 3))
    shrunk = layers.SeparableConv2D(5, 3, strides=2)(layers.Conv2D(4, 1)(source))
    model = keras.Model(source, shrunk)
    images = np.random.default_rng(0).random((2, 9, 7, 3), np.float32)
    expected = model(images).numpy()
    with quick_training(model):
        graph = tf.function(model).get_concrete_function(tf.TensorSpec((None, None, None, 3)))
    assert "MatMul" in {operation.type for operation in graph.graph.get_operations()}
    np.testing.assert_allclose(graph(images).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_an_error_in_the_block_leaves_no_trace():
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4, 4, 2)), norm])
    with pytest.raises(ValueError, match="within"), quick_training(model), in_inference([norm]):
        raise ValueError("within")
    assert "call" not in vars(norm)
