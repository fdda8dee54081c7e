"""What the tests of the models share."""

import importlib

import cv2
import keras
import numpy as np
import pytest

from deepfake_generalize.models import Recipe, train


@pytest.fixture
def other_settings():
    """Let Keras build channels first and in a half precision while a test runs."""
    config = keras.config
    before = config.image_data_format(), config.floatx(), config.dtype_policy()
    config.set_image_data_format("channels_first")
    config.set_floatx("float16")
    config.set_dtype_policy("mixed_bfloat16")
    yield
    config.set_image_data_format(before[0])
    config.set_floatx(before[1])
    config.set_dtype_policy(before[2])


@pytest.fixture
def constant_network():
    """Return a builder of networks that give the same output whatever the image."""

    def build(outputs, *, activation=None, size=8):
        inputs = keras.Input((size, size, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        last = keras.layers.Dense(len(outputs), activation=activation, kernel_initializer="zeros")
        # Added to nothing, so that it is no network that surely ends in logits.
        model = keras.Model(inputs, last(pooled) + 0.0, name="constant")
        last.bias.assign(np.asarray(outputs, np.float32))
        return model

    return build


@pytest.fixture(scope="session")
def sample_paths(shared_data):
    """The files of the four public images: df00204, df01254, real00240, real00772."""
    paths = sorted(shared_data("mesonet/test_images").glob("*/*.jpg"))
    assert [path.stem for path in paths] == ["df00204", "df01254", "real00240", "real00772"]
    return paths


@pytest.fixture(scope="session")
def sample_images(sample_paths):
    """The four public images as they are on disk, RGB, in the order of `sample_paths`."""
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in sample_paths]


@pytest.fixture(scope="session")
def short_recipe():
    """A recipe of four epochs."""
    return Recipe("short", epochs=4, batch_size=8, learning_rate=0.01, loss="mse")


@pytest.fixture(scope="session")
def small_network():
    """Build networks that have what training must mind: statistics, dropout, a convolution."""

    def small(input_shape, classes=1):
        inputs = keras.Input(input_shape)
        x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(inputs)
        x = keras.layers.BatchNormalization(name="norm")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dropout(0.2)(x)
        activation = "sigmoid" if classes == 1 else "softmax"
        x = keras.layers.Dense(classes, activation=activation, name="output")(x)
        return keras.Model(inputs, x, name="small")

    return small


@pytest.fixture(scope="session")
def striped():
    """Return a function that makes images of noise and labels; what is fake has bright rows."""

    def draw(count, seed, side=16):
        images = np.random.default_rng(seed).integers(0, 200, (count, side, side, 3), np.uint8)
        labels = np.arange(count) % 2
        images[labels == 1, ::4] = 255
        return images, labels

    return draw


@pytest.fixture(scope="session")
def striped_train(striped):
    """Forty striped images to train on, and their labels."""
    return striped(40, 0)


@pytest.fixture(scope="session")
def striped_val(striped):
    """Sixteen striped images to validate on, and their labels."""
    return striped(16, 1)


@pytest.fixture(scope="session")
def train_small(small_network, short_recipe, striped_train, striped_val):
    """Return a function that trains the small network by the short recipe, or as it is told."""

    def run(**options):
        usual = {"train": striped_train, "val": striped_val, "recipe": short_recipe}
        chosen = usual | {"progress": None} | options
        architecture = chosen.pop("architecture", small_network)
        return train(architecture, chosen.pop("train"), chosen.pop("val"), **chosen)

    return run


@pytest.fixture(scope="session")
def same_weights():
    """Return a function that says whether two detectors have the same weights, bit by bit."""

    def compare(one, other):
        weights = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
        return all(np.array_equal(a, b) for a, b in weights)

    return compare


@pytest.fixture(scope="session")
def trained(train_small):
    """The small network, trained with the seed 3."""
    return train_small(seed=3)


@pytest.fixture(scope="session")
def needed():
    """Return a function that imports a package, or skips where it cannot be imported."""

    def load(name):
        try:
            return importlib.import_module(name)
        except (ImportError, RuntimeError) as error:  # torchvision of another PyTorch raises that.
            pytest.skip(f"{name} cannot be imported here: {error}")

    return load


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    module.manual_seed(0)
    return module
