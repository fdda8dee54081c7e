"""The features of a frozen trunk: right, in order, and within their budget of memory."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize.augment import transfer
from deepfake_generalize.augment.fine_tuning import features_of
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Recipe
from deepfake_generalize.models.training.data import open_data


@pytest.fixture
def trunk():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dropout(0.5)(keras.layers.Conv2D(2, 3)(inputs))
    return keras.Model(inputs, x, name="trunk")


def rows(data, batch=5):
    parts = list(data.batches(batch, None, False).as_numpy_iterator())
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


@pytest.mark.parametrize("memory", [0, 2**20])
@pytest.mark.parametrize("kind", ["dataset", pytest.param("arrays", marks=pytest.mark.nightly)])
def test_features_are_the_trunks_in_the_datas_order(
    trunk, random_images, memory, kind, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    images, labels = random_images(37, 8)
    wanted = trunk(images.astype(np.float32) / 255).numpy()
    whole = (images.astype(np.float32) / 255, labels.astype(np.float32))
    given = (images, labels)
    if kind == "dataset":
        given = tf.data.Dataset.from_tensor_slices(whole).batch(6)
    data, held = features_of(trunk, open_data(given, name="train"), memory)
    features, found = rows(data)
    np.testing.assert_allclose(features, wanted, atol=1e-6)
    np.testing.assert_array_equal(found, labels)
    assert data.shape == (6, 6, 2)
    assert data.facts["images"] == 37
    assert data.facts["fakes"] == 18
    # What a dataset holds is not known beforehand, so that its features go to a file.
    assert held == (0 if memory == 0 or kind == "dataset" else wanted.nbytes)
    # A file has no name, and is gone when it is not read any more, however a process ends. What is
    # there is TensorFlow's own, of the trunk's functions: __autograph_generated_file*, __pycache__.
    assert not [place for place in tmp_path.iterdir() if not place.name.startswith("__")]


def test_the_budget_is_for_all_data_sets_together(tiny_detector, dark_and_bright, monkeypatch):
    taken = []

    def noted(trunk, data, memory, reporter):
        taken.append(memory)
        return features_of(trunk, data, memory, reporter)

    monkeypatch.setattr("deepfake_generalize.augment.fine_tuning.features_of", noted)
    options = {"unfreeze": "dense", "cache_memory": 10_000, "progress": None}
    recipe = Recipe("short", epochs=1)
    transfer(tiny_detector(), dark_and_bright(10), dark_and_bright(4), recipe=recipe, **options)
    # Behind the pooling there are four features of four bytes an image.
    assert taken == [10_000, 10_000 - 10 * 4 * 4]


def test_a_disk_that_refuses_is_named(trunk, random_images, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(InputError, match=r"keep features in .*missing.* Set TMPDIR to a folder"):
        features_of(trunk, open_data(random_images(4, 8), name="train"), 0)


def test_an_empty_dataset_and_features_of_any_shape_are_refused(trunk, random_images):
    empty = tf.data.Dataset.from_tensor_slices(
        (np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, np.float32))
    ).batch(2)
    with pytest.raises(InputError, match="expected images to train on, the dataset gave none"):
        features_of(trunk, open_data(empty.filter(lambda *_: False), name="train"), 0)
    inputs = keras.Input((None, None, 3))
    loose = keras.Model(inputs, keras.layers.Conv2D(1, 3)(inputs), name="loose")
    with pytest.raises(InputError, match=r"fixed shape from loose, they are \(None, None, 1\)"):
        features_of(loose, open_data(random_images(4, 8), name="train"), 0)


def test_a_damaged_image_stops_the_pass(trunk):
    def broken():
        yield np.zeros((1, 8, 8, 3), np.float32), np.zeros(1, np.float32)
        raise ValueError("damaged")

    signature = (
        tf.TensorSpec((None, 8, 8, 3), tf.float32),
        tf.TensorSpec((None,), tf.float32),
    )
    data = tf.data.Dataset.from_generator(broken, output_signature=signature)
    with pytest.raises(tf.errors.InvalidArgumentError, match="damaged"):
        features_of(trunk, open_data(data, name="train"), 0)
