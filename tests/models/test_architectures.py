"""The networks themselves: sizes, names, order of layers, what cannot be built."""

import functools

import keras
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import ARCHITECTURES, mesoinception, mesonet

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
