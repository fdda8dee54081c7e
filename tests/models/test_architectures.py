"""The networks themselves: sizes, names, order of layers, what cannot be built."""

import keras
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import ARCHITECTURES, mesoinception, mesonet

# Counted by the authors' layers at 256x256x3, one sigmoid unit.
PARAMETERS = {"mesonet": 28_073, "mesoinception": 28_725}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_at_256(name):
    assert ARCHITECTURES[name]().count_params() == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_is_flat_and_names_its_convolutions(name):
    layers = ARCHITECTURES[name]((32, 32, 3)).layers
    assert not any(isinstance(layer, keras.Model) for layer in layers)
    for layer in layers:
        assert ("conv" in layer.name) == isinstance(layer, keras.layers.Conv2D)


@pytest.mark.parametrize("name", PARAMETERS)
def test_outputs(name):
    images = np.random.default_rng(0).random((2, 24, 40, 3), np.float32)
    one = ARCHITECTURES[name]((24, 40, 3))(images, training=False).numpy()
    two = ARCHITECTURES[name]((24, 40, 3), classes=2)(images, training=False).numpy()
    assert one.shape == (2, 1)
    assert ((one > 0) & (one < 1)).all()
    np.testing.assert_allclose(two.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", PARAMETERS)
def test_builders_leave_numpys_random_state(name):
    np.random.seed(3)  # noqa: NPY002 - the global state is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ARCHITECTURES[name]((16, 16, 3))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


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
    "shape", [(4, 64, 3), (64, 64, 1), (64, 64), (None, None, 3), (0, 0, 3), "256"]
)
def test_shapes_that_cannot_be_built(name, shape):
    with pytest.raises(InputError, match="at least 8"):
        ARCHITECTURES[name](shape)


@pytest.mark.parametrize("classes", [0, -1, 1.5, True, "2"])
def test_numbers_of_classes_that_cannot_be_built(classes):
    with pytest.raises(InputError, match="classes"):
        mesonet((16, 16, 3), classes=classes)
