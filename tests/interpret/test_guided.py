"""Guided Grad-CAM against numbers worked out by hand and against a slow one in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import grad_cam, guided_grad_cam
from deepfake_generalize.models import Detector, efficientnet_b0, mesoinception, mesonet

SHAPE = (6, 6, 3)


def small(rectify, *, nested=False):
    """Two 3x3 convolutions and two dense layers; `rectify` adds a layer and its activation."""
    keras.backend.clear_session()
    image = keras.Input(SHAPE)
    inner = keras.Input(SHAPE) if nested else image
    x = rectify(layers.Conv2D(4, 3, padding="same", name="conv1"), inner)
    x = rectify(layers.Conv2D(5, 3, padding="same", name="conv2"), x)
    if nested:
        x = keras.Model(inner, x, name="trunk")(image)
    x = rectify(layers.Dense(4, name="hidden"), layers.Flatten()(x))
    model = keras.Model(image, layers.Dense(1, activation="sigmoid", name="head")(x))
    random = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(random.normal(0, 0.5, variable.shape))
    # Mostly positive, so that something speaks for "fake".
    model.get_layer("head").kernel.assign([[0.9], [0.7], [-0.4], [0.5]])
    return Detector(model)


def as_argument(layer, x):
    layer.activation = keras.activations.relu
    return layer(x)


def as_leaky_argument(layer, x):
    layer.activation = keras.activations.leaky_relu
    return layer(x)


RECTIFIERS = {
    "argument": (as_argument, 0.0),
    "activation layer": (lambda layer, x: layers.Activation("relu")(layer(x)), 0.0),
    "ReLU layer": (lambda layer, x: layers.ReLU()(layer(x)), 0.0),
    "operation": (lambda layer, x: keras.ops.relu(layer(x)), 0.0),
    "function": (lambda layer, x: keras.activations.relu(layer(x)), 0.0),
    "leaky layer": (lambda layer, x: layers.LeakyReLU(negative_slope=0.2)(layer(x)), 0.2),
    "leaky argument": (as_leaky_argument, 0.2),
}


def slowly(detector, image, leak):
    """Guided backpropagation of the logit, position by position, as the sources define it."""
    weights = {each.name: [w.numpy() for w in each.weights] for each in detector.model.layers}
    for each in detector.model.layers:
        if isinstance(each, keras.Model):
            weights |= {inner.name: [w.numpy() for w in inner.weights] for inner in each.layers}

    def shifted(values, i, j):
        padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
        return padded[i : i + SHAPE[0], j : j + SHAPE[1]]

    def rectified(values):
        return np.where(values > 0, values, leak * values)

    values, conv = image.astype(float), {}
    for name in ("conv1", "conv2"):
        kernel, bias = weights[name]
        values = bias + sum(
            shifted(values, i, j) @ kernel[i, j] for i, j in np.ndindex(*kernel.shape[:2])
        )
        values = conv[name] = rectified(values)
    kernel, bias = weights["hidden"]
    hidden = rectified(values.reshape(-1) @ kernel + bias)
    # Backward: through every rectifier only what is positive at both ends.
    back = weights["head"][0][:, 0]
    back = np.where((back > 0) & (hidden > 0), back, 0)
    back = (kernel @ back).reshape(values.shape)
    for name in ("conv2", "conv1"):
        back = np.where((back > 0) & (conv[name] > 0), back, 0)
        kernel = weights[name][0]
        # Transposed: where a position was read with offset (i, j), it is written with the opposite.
        back = sum(
            shifted(back, 2 - i, 2 - j) @ kernel[i, j].T for i, j in np.ndindex(*kernel.shape[:2])
        )
    return back


@pytest.mark.parametrize("nested", [False, pytest.param(True, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "how",
    [
        *("argument", "operation"),
        *(
            pytest.param(how, marks=pytest.mark.nightly)
            for how in (
                "activation layer",
                "leaky argument",
                "ReLU layer",
                "function",
                "leaky layer",
            )
        ),
    ],
)
def test_the_product_equals_a_slow_one(how, nested):
    rectify, leak = RECTIFIERS[how]
    detector = small(rectify, nested=nested)
    image = np.random.default_rng(2).random((1, *SHAPE))
    expected = (
        slowly(detector, image[0], leak) * grad_cam(detector, image, layer="conv2")[0, ..., None]
    )
    found = guided_grad_cam(detector, image, layer="conv2")
    assert found.dtype == np.float32
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found[0], expected / np.abs(expected).max(), atol=1e-5)


def by_hand(bias):
    """Two features, red - green and green, then a head that weighs them 1 and -1."""
    image = keras.Input((2, 2, 3))
    x = layers.Conv2D(2, 1, activation="relu", name="conv")(image)
    x = layers.Flatten()(x)
    model = keras.Model(image, layers.Dense(1, activation="sigmoid", name="head")(x))
    kernel = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, 0.0]]).reshape(1, 1, 3, 2)
    model.get_layer("conv").set_weights([kernel, np.zeros(2)])
    weights = np.array([[1.0], [-1.0]] * 4)
    model.get_layer("head").set_weights([weights, np.full(1, bias)])
    return Detector(model)


@pytest.mark.parametrize("bias", [0.0, 200.0])
def test_the_product_by_hand(bias):
    # Rows: (red, green) = (1, 0), (.5, 0) / (0, 1), (1, .5). The first feature is 1, .5, 0, .5 and
    # weighs 1; the second is 0, 0, 1, .5 and weighs -1, so no gradient passes it.
    image = np.zeros((1, 2, 2, 3), np.float32)
    image[0, ..., 0] = [[1, 0.5], [0, 1]]
    image[0, ..., 1] = [[0, 0], [1, 0.5]]
    # Grad-CAM: 1 - 0, .5 - 0, 0 - 1 rectified, .5 - .5. The gradient is 1 for red and -1 for green.
    expected = np.zeros((2, 2, 3))
    expected[..., 0] = [[1, 0.5], [0, 0]]
    expected[..., 1] = -expected[..., 0]
    np.testing.assert_allclose(guided_grad_cam(by_hand(bias), image)[0], expected, atol=1e-6)


def test_the_target_turns_the_evidence_round():
    image = np.zeros((1, 2, 2, 3), np.float32)
    image[0, ..., 1] = [[1, 0.5], [0, 0]]
    found = guided_grad_cam(by_hand(0.0), image, target="real")[0]
    np.testing.assert_allclose(found[..., 1], [[1, 0.5], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(found[..., [0, 2]], 0, atol=1e-6)


def test_swish_follows_the_stated_rule():
    detector = small(lambda layer, x: layers.Activation("swish")(layer(x)))
    image = np.random.default_rng(2).random((1, *SHAPE)).astype(np.float32)
    found = guided_grad_cam(detector, image, layer="conv2")[0]
    features, slopes = {}, {}
    x = image
    for name in ("conv1", "conv2", "hidden"):
        entering = detector.model.get_layer(name)(x if name != "hidden" else x.reshape(1, -1))
        entering = entering.numpy().astype(float)
        sigmoid = 1 / (1 + np.exp(-entering))
        x = features[name] = (entering * sigmoid).astype(np.float32)
        slopes[name] = sigmoid * (1 + entering * (1 - sigmoid))
    back = detector.model.get_layer("head").kernel.numpy()[:, 0][None]
    back = np.where((back > 0) & (features["hidden"] > 0), back * slopes["hidden"], 0)
    kernel = detector.model.get_layer("hidden").kernel.numpy()
    back = (back @ kernel.T).reshape(features["conv2"].shape)
    for name in ("conv2", "conv1"):
        back = np.where((back > 0) & (features[name] > 0), back * slopes[name], 0)
        kernel = detector.model.get_layer(name).kernel
        # A 3x3 convolution without stride is undone by its transposed one.
        back = keras.ops.conv_transpose(back.astype(np.float32), kernel, padding="same").numpy()
    expected = back[0] * grad_cam(detector, image, layer="conv2")[0, ..., None]
    np.testing.assert_allclose(found, expected / np.abs(expected).max(), atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*returned as zeros:RuntimeWarning")  # random weights
@pytest.mark.parametrize(
    "build",
    [
        mesonet,
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in (mesoinception, efficientnet_b0)
        ),
    ],
)
def test_the_model_is_left_as_it_was(build):
    detector = Detector(build((32, 32, 3)))
    images = np.random.default_rng(3).random((2, 40, 36, 3))
    weights = [each.numpy() for each in detector.model.weights]
    config, scores = detector.model.get_config(), detector.scores(images)
    calls = [len(each._inbound_nodes) for each in detector.model.layers]
    assert guided_grad_cam(detector, images).shape == (2, 40, 36, 3)
    assert [len(each._inbound_nodes) for each in detector.model.layers] == calls
    assert detector.model.get_config() == config
    np.testing.assert_array_equal(detector.scores(images), scores)
    for before, after in zip(weights, detector.model.weights, strict=True):
        np.testing.assert_array_equal(before, after.numpy())


def test_no_images_give_no_maps():
    assert guided_grad_cam(by_hand(0.0), []).shape == (0, 2, 2, 3)


@pytest.mark.parametrize(
    ("red", "green", "reason"),
    [
        (0.0, 1.0, "in 1 nothing at 'conv' speaks for 'fake'"),
        (0.5, 0.0, "in 1 every position counts the same"),
    ],
)
def test_an_empty_product_is_zeros_and_one_warning_says_why(red, green, reason):
    image = np.full((1, 2, 2, 3), (red, green, 0), np.float32)
    with pytest.warns(RuntimeWarning, match=f"1 of 1 maps are returned as zeros: {reason}") as seen:
        found = guided_grad_cam(by_hand(0.0), image)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    np.testing.assert_array_equal(found, np.zeros((1, 2, 2, 3)))


def test_a_blocked_gradient_is_said_to_be_blocked():
    # The feature speaks for "fake" by holding down a second one that speaks against it: the map at
    # the first is not empty, but no positive gradient passes the second one's rectifier.
    image = keras.Input((2, 2, 3))
    x = layers.Conv2D(1, 1, activation="relu", name="conv")(image)
    x = layers.Conv2D(1, 1, activation="relu", name="late")(x)
    x = layers.Flatten()(x)
    model = keras.Model(image, layers.Dense(1, use_bias=False, activation="sigmoid")(x))
    values = [[1.0, 0.0, 0.0], [0.0], [-1.0], [2.0], [-1.0] * 4]
    for variable, value in zip(model.weights, values, strict=True):
        variable.assign(np.reshape(value, variable.shape))
    red = np.zeros((1, 2, 2, 3), np.float32)
    red[0, 0, 0, 0] = 1.0
    assert grad_cam(Detector(model), red, layer="conv").max() == 1.0
    with pytest.warns(RuntimeWarning, match="no positive gradient reaches the image through"):
        found = guided_grad_cam(Detector(model), red, layer="conv")
    np.testing.assert_array_equal(found, 0)


def test_calls_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="target to be one of fake, real, received 'forged'"):
        guided_grad_cam(by_hand(0.0), np.zeros((1, 2, 2, 3)), target="forged")
