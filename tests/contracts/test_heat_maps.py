"""What every heat map method must do, found by its arguments."""

import inspect

import keras
import numpy as np
import pytest

from deepfake_generalize import interpret
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, as_detector
from deepfake_generalize.types import Explainable

METHODS = {
    name: function
    for name in interpret.__all__
    if inspect.isfunction(function := getattr(interpret, name))
    and {"detector", "images", "target", "layer"} <= inspect.signature(function).parameters.keys()
}
several = pytest.mark.parametrize("name", METHODS)


def of_keras() -> Detector:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inputs = keras.Input((12, 10, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="conv2")(x)
    x = layers.Dense(1, activation="sigmoid", name="last")(layers.Flatten(name="flat")(x))
    return Detector(keras.Model(inputs, x, name="small"))


def of_torch() -> Explainable:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    nn = torch.nn
    convolutions = nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3), nn.ReLU()
    network = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(8 * 6 * 6, 1), nn.Sigmoid())
    return as_detector(network, name="small", size=(12, 10))


@pytest.fixture(scope="module", params=[of_keras, of_torch])
def detector(request) -> Explainable:
    return request.param()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), np.uint8)


def test_the_methods_are_found() -> None:
    kinds = {"grad_cam", "guided_grad_cam", "grad_cam_plus_plus", "hires_cam"}
    assert kinds <= METHODS.keys()


@several
def test_a_map_for_each_image_of_its_size(name: str, detector: Detector, images) -> None:
    maps = METHODS[name](detector, images)
    assert maps.shape[:3] == images.shape[:3]
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert np.ptp(maps) > 0


@several
def test_batches_and_bytes_make_no_difference(name: str, detector: Detector, images) -> None:
    maps = METHODS[name](detector, images)
    in_twos = METHODS[name](detector, images, batch_size=2)
    np.testing.assert_allclose(in_twos, maps, atol=1e-5)
    as_floats = METHODS[name](detector, (images / 255).astype(np.float32))
    np.testing.assert_allclose(as_floats, maps, atol=1e-5)
    assert len(METHODS[name](detector, images[:0])) == 0


@several
def test_what_speaks_for_real_is_another_map(name: str, detector: Detector, images) -> None:
    fake, real = (METHODS[name](detector, images, target=target) for target in ("fake", "real"))
    assert not np.allclose(fake, real)


@several
def test_neither_the_detector_nor_the_images_are_changed(name, detector, images) -> None:
    weights, before = _weights(detector), images.copy()
    METHODS[name](detector, images)
    for now, then in zip(_weights(detector), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(images, before)


def _weights(detector) -> list[np.ndarray]:
    if isinstance(detector, Detector):
        return [array.copy() for array in detector.model.get_weights()]
    return [weights.numpy().copy() for weights in detector.function.module.state_dict().values()]


@several
def test_what_cannot_be_explained_is_refused_in_words(name: str, detector, images) -> None:
    with pytest.raises(InputError, match=r"expected target to be one of fake, real"):
        METHODS[name](detector, images, target="forged")
    with pytest.raises(InputError, match=r"expected .*Detector.*received"):
        METHODS[name](lambda pictures: pictures, images)
