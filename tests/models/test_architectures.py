"""The five networks: their layers and parameters, weights from elsewhere, and refusals."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest

from deepfake_generalize.errors import InputError, MissingAssetError
from deepfake_generalize.models import (
    ARCHITECTURES,
    efficientnet_b0,
    mesoinception,
    mesonet,
    xception,
)

# Counted by the authors' layers at 256x256x3, with the units of their last layer.
PARAMETERS = {
    "mesonet": (1, 28_073),
    "mesoinception": (1, 28_725),
    "shallownet": (1, 118_080_289),
    "xception": (2, 20_865_578),
    "efficientnet_b0": (2, 4_052_133),
}
SMALLEST = {
    "mesonet": 8,
    "mesoinception": 8,
    "shallownet": 20,
    "xception": 71,
    "efficientnet_b0": 32,
}
DEEP_BY_NIGHT = [
    pytest.param(name, marks=[pytest.mark.nightly] * (name in ("xception", "efficientnet_b0")))
    for name in PARAMETERS
]
CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.SeparableConv2D,
    keras.layers.DepthwiseConv2D,
)


@pytest.fixture(scope="module")
def built_once():
    return functools.cache(lambda name: ARCHITECTURES[name]((SMALLEST[name],) * 2 + (3,)))


@pytest.fixture
def small(name, built_once):
    """The network at its smallest, with one sigmoid unit."""
    return built_once(name)


@pytest.fixture(scope="module")
def softmax():
    """Each network once, not square, with two softmax columns."""
    return {
        name: build((SMALLEST[name] + 16, SMALLEST[name], 3), classes=2)
        for name, build in ARCHITECTURES.items()
    }


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_at_256(name, softmax):
    classes, count = PARAMETERS[name]
    # What has two columns has as many at any size.
    model = softmax[name] if classes == 2 else ARCHITECTURES[name]()
    assert model.count_params() == count


def test_all_five_are_there():
    assert list(ARCHITECTURES) == list(PARAMETERS)


@pytest.mark.parametrize("name", DEEP_BY_NIGHT)
def test_is_the_same_network_whatever_keras_is_set_to(name, small, other_settings):
    built = ARCHITECTURES[name]((SMALLEST[name],) * 2 + (3,))
    assert built.input_shape == small.input_shape
    for layer, right in zip(built.layers, small.layers, strict=True):
        assert layer.dtype_policy.name == "float32"
        assert getattr(layer, "data_format", "channels_last") == "channels_last"
        assert [weight.shape for weight in layer.weights] == [w.shape for w in right.weights]


@pytest.mark.parametrize("name", PARAMETERS)
def test_is_flat_and_names_its_convolutions(name, softmax):
    layers = softmax[name].layers
    assert not any(isinstance(layer, keras.Model) for layer in layers)
    found = [layer for layer in layers if isinstance(layer, CONVOLUTIONS)]
    assert len(found) >= 4
    assert all("conv" in layer.name for layer in found)


@pytest.mark.parametrize("name", DEEP_BY_NIGHT)
def test_a_second_build_has_the_same_names_and_leaves_numpys_random_state(name, small):
    np.random.seed(3)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    again = ARCHITECTURES[name]((SMALLEST[name],) * 2 + (3,))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert [layer.name for layer in again.layers] == [layer.name for layer in small.layers]
    assert [v.path for v in again.weights] == [v.path for v in small.weights]


@pytest.mark.parametrize("name", DEEP_BY_NIGHT)
def test_outputs(name, small, softmax):
    found = []
    for model in (small, softmax[name]):
        images = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
        found.append(model(images, training=False).numpy())
    assert found[0].shape == (2, 1)
    assert ((found[0] > 0) & (found[0] < 1)).all()
    np.testing.assert_allclose(found[1].sum(axis=1), 1, atol=1e-6)


def test_meso_has_the_layers_of_the_paper():
    kinds = [type(layer).__name__ for layer in mesonet().layers]
    block = ["Conv2D", "BatchNormalization", "MaxPooling2D"]
    dense = ["Flatten", "Dropout", "Dense", "LeakyReLU", "Dropout", "Dense"]
    assert kinds == ["InputLayer", *block * 4, *dense]
    assert mesonet().get_layer("pool4").output.shape == (None, 8, 8, 16)


def test_inception_branches_have_their_dilations():
    model = mesoinception((16, 16, 3))
    dilations = [model.get_layer(f"block1_conv_{x}2").dilation_rate for x in "bcd"]
    assert dilations == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(
    "shape", [(-1, 256, 3), (256, 256, 1), (256, 256), (None, None, 3), (0, 0, 3), "256"]
)
def test_shapes_that_cannot_be_built(name, shape):
    with pytest.raises(InputError, match=f"at least {SMALLEST[name]}"):
        ARCHITECTURES[name](shape)


@pytest.mark.parametrize("name", PARAMETERS)
def test_one_pixel_under_the_smallest_is_refused(name):
    for shape in [(SMALLEST[name] - 1, 256, 3), (256, SMALLEST[name] - 1, 3)]:
        with pytest.raises(InputError, match=f"at least {SMALLEST[name]}"):
            ARCHITECTURES[name](shape)


@pytest.mark.parametrize("classes", [0, -1, 1.5, True, "2"])
def test_numbers_of_classes_that_cannot_be_built(classes):
    with pytest.raises(InputError, match="classes"):
        mesonet((16, 16, 3), classes=classes)


SIZE = {"xception": 71, "efficientnet_b0": 32}
BUILD = {"xception": xception, "efficientnet_b0": efficientnet_b0}
APPLICATION = {"xception": "Xception", "efficientnet_b0": "EfficientNetB0"}
STEM = {"xception": "block1_conv1", "efficientnet_b0": "stem_conv_pad"}


@pytest.fixture
def levels():
    return np.random.default_rng(0).integers(0, 256, (2, 71, 71, 3)).astype(np.float32)


def _before(model, layer):
    """Return a model that ends where `layer` begins."""
    return keras.Model(model.inputs[0], model.get_layer(layer).input)


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """Give Keras a file in place of its download; return the application that is in it."""

    def offer(name):
        original = getattr(keras.applications, APPLICATION[name])
        source = original(include_top=False, weights=None, input_shape=(71, 71, 3))
        rng = np.random.default_rng(3)
        for layer in source.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.set_weights(
                    [np.float32([0.4, 0.5, 0.6]), np.float32([0.1, 0.2, 0.3]), np.array(0)]
                )
                layer.finalize_state()
            elif isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
        path = tmp_path / f"{name}.weights.h5"
        source.save_weights(path)
        monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
        return original(include_top=False, weights="imagenet", input_shape=(71, 71, 3))

    return offer


@pytest.mark.slow
def test_efficientnet_sees_in_0_1_what_the_application_sees_in_0_255(levels):
    application = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(71, 71, 3)
    )
    theirs = _before(application, "stem_conv_pad")(levels).numpy()
    ours = _before(efficientnet_b0((71, 71, 3)), "stem_conv_pad")(levels / 255).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(ours, levels / 255, atol=1e-6)
    np.testing.assert_allclose(ours.std(), (levels / 255).std(), rtol=1e-5)


@pytest.mark.nightly
def test_xception_with_random_weights_sees_0_to_1(levels):
    seen = _before(xception((71, 71, 3)), "block1_conv1")(levels / 255).numpy()
    np.testing.assert_array_equal(seen, levels / 255)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "xception" else pytest.mark.nightly)
        for name in BUILD
    ],
)
def test_imagenet_weights_give_the_applications_features(name, imagenet, levels):
    theirs = imagenet(name)
    prepared = levels / 127.5 - 1 if name == "xception" else levels
    model = BUILD[name]((71, 71, 3), weights="imagenet")
    plain = BUILD[name]((71, 71, 3))
    assert model.count_params() == plain.count_params()
    np.testing.assert_allclose(
        _before(model, STEM[name])(levels / 255).numpy(),
        _before(theirs, STEM[name])(prepared).numpy(),
        atol=1e-5,
    )
    expected = theirs(prepared, training=False).numpy()
    features = _before(model, "average_pool")(levels / 255, training=False).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly if name == "efficientnet_b0" else ())
        for name in BUILD
    ],
)
def test_imagenet_weights_that_cannot_be_had(name, monkeypatch):
    def offline(*_, **__):
        raise Exception("URL fetch failure on https://example.org")  # noqa: TRY002 - as Keras does

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", offline)
    with pytest.raises(MissingAssetError, match=r"ImageNet weights of .* URL fetch failure") as it:
        BUILD[name]((71, 71, 3), weights="imagenet")
    assert "weights=None" in it.value.hint


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.nightly
def test_normalization_follows_a_weights_file(tmp_path):
    shape = (32, 32, 3)
    images = np.random.default_rng(0).random((1, *shape), np.float32)
    source = efficientnet_b0(shape)
    source.get_layer("normalization_1").set_weights([np.full(3, 0.5), np.full(3, 4.0), np.array(0)])
    source.save_weights(tmp_path / "own.weights.h5")
    loaded = efficientnet_b0(shape, weights=tmp_path / "own.weights.h5")
    seen = _before(loaded, "stem_conv_pad")(images).numpy()
    np.testing.assert_allclose(seen, (images - 0.5) / 2, atol=1e-6)
