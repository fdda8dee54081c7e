"""What the tests of augmentation share."""

import dataclasses

import keras
import numpy as np
import pytest

from deepfake_generalize.models import ARCHITECTURES, RECIPES, Detector
from deepfake_generalize.models.surgery import flat_layers

SIZES = {"mesonet": 32, "mesoinception": 32, "shallownet": 32, "xception": 72}


@pytest.fixture
def random_images():
    """Return a function that makes random images and labels; they teach nothing."""

    def make(count, side, seed=0):
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (count, side, side, 3), np.uint8)
        return images, np.arange(count) % 2

    return make


@pytest.fixture
def detector_of():
    """Return a builder of detectors with random weights and statistics, small for their kind."""

    def build(architecture, *, classes=1, fake_index=1):
        side = SIZES.get(architecture, 32)
        keras.utils.set_random_seed(3)
        model = ARCHITECTURES[architecture]((side, side, 3), classes=classes)
        rng = np.random.default_rng(0)
        for layer in flat_layers(model):
            # Fresh statistics are 0 and 1, with which batch norm would do nothing in inference.
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
                layer.moving_variance.assign(rng.uniform(0.5, 1.5, layer.moving_variance.shape))
        return Detector(model, fake_index=fake_index, name=architecture)

    return build


@pytest.fixture
def short():
    """Return the paper's fine-tuning recipe of an architecture with changes."""

    def make(architecture, **changes):
        recipe = RECIPES[architecture].fine_tuning
        return dataclasses.replace(recipe, **{"name": "short", "epochs": 2, **changes})

    return make


@pytest.fixture
def tiny_detector():
    """Return a builder of detectors around a network of somebody's own, with a skip connection."""

    def build(*, columns=1, fake_index=1, name="tiny"):
        keras.utils.set_random_seed(5)
        layers = keras.layers
        inputs = keras.Input((8, 8, 3))
        x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(inputs)
        x = layers.BatchNormalization(name="norm")(x)
        y = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv2")(x)
        y = layers.Dropout(0.4, name="noise")(y)
        y = layers.Conv2D(4, 1, name="conv3")(y)
        x = layers.Add(name="add")([x, y])
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dropout(0.2, name="dropout")(x)
        x = layers.Dense(6, activation="tanh", name="dense")(x)
        activation = "sigmoid" if columns == 1 else "softmax"
        x = layers.Dense(columns, activation=activation, name="last")(x)
        model = keras.Model(inputs, x, name="tiny")
        model.get_layer("norm").moving_mean.assign([0.1, 0.2, -0.1, 0.3])
        return Detector(model, fake_index=fake_index, name=name)

    return build


@pytest.fixture
def dark_and_bright():
    """Return a function that makes images of which the fakes are the bright ones, and labels."""

    def make(count, side=8, seed=0):
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 2
        images = rng.integers(0, 100, (count, side, side, 3)) + 150 * labels[:, None, None, None]
        return images.astype(np.uint8), labels

    return make
