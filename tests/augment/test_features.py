"""The features of a frozen trunk: right, in order, and within their budget of memory."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize.augment.features import FeatureCache
from deepfake_generalize.errors import InputError
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
@pytest.mark.parametrize("kind", ["arrays", "dataset"])
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
    cached = FeatureCache(memory)
    data = cached.add(trunk, open_data(given, name="train"))
    features, found = rows(data)
    np.testing.assert_allclose(features, wanted, atol=1e-6)
    np.testing.assert_array_equal(found, labels)
    assert data.shape == (6, 6, 2)
    assert data.facts["images"] == 37
    assert data.facts["fakes"] == 18
    # What a dataset holds is not known beforehand, so that its features go to a file.
    assert cached.on_disk == (memory == 0 or kind == "dataset")
    # A file has no name, and is gone when it is not read any more, however a process ends.
    assert not [place for place in tmp_path.iterdir() if not place.name.startswith("__autograph")]


def test_the_budget_is_for_all_data_sets_together(trunk, random_images):
    data = open_data(random_images(10, 8), name="train")
    size = 10 * 6 * 6 * 2 * 4
    for memory, on_disk in ((2 * size, False), (2 * size - 1, True)):
        cached = FeatureCache(memory)
        for _ in range(2):
            cached.add(trunk, data)
        assert cached.on_disk == on_disk


def test_a_disk_that_refuses_is_named(trunk, random_images, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(InputError, match=r"keep features in .*missing.* Set TMPDIR to a folder"):
        FeatureCache(0).add(trunk, open_data(random_images(4, 8), name="train"))


def test_an_empty_dataset_and_features_of_any_shape_are_refused(trunk, random_images):
    empty = tf.data.Dataset.from_tensor_slices(
        (np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, np.float32))
    ).batch(2)
    with pytest.raises(InputError, match="expected images to train on, the dataset gave none"):
        FeatureCache(0).add(trunk, open_data(empty.filter(lambda *_: False), name="train"))
    inputs = keras.Input((None, None, 3))
    loose = keras.Model(inputs, keras.layers.Conv2D(1, 3)(inputs), name="loose")
    with pytest.raises(InputError, match=r"fixed shape from loose, they are \(None, None, 1\)"):
        FeatureCache(0).add(loose, open_data(random_images(4, 8), name="train"))


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
        FeatureCache(0).add(trunk, open_data(data, name="train"))
