"""What the tests of the models share."""

import cv2
import keras
import numpy as np
import pytest


@pytest.fixture
def constant_network():
    """Return a builder of networks that give the same output whatever the image."""

    def build(outputs, *, activation=None, size=8):
        inputs = keras.Input((size, size, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        last = keras.layers.Dense(len(outputs), activation=activation, kernel_initializer="zeros")
        model = keras.Model(inputs, last(pooled), name="constant")
        last.bias.assign(np.asarray(outputs, np.float32))
        return model

    return build


@pytest.fixture(scope="session")
def sample_images(shared_data):
    """The four public images as they are on disk, RGB: df00204, df01254, real00240, real00772."""
    folder = shared_data("mesonet/test_images")
    paths = sorted(folder.glob("*/*.jpg"))
    assert [path.stem for path in paths] == ["df00204", "df01254", "real00240", "real00772"]
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
