"""What training takes: arrays, crops and datasets alike, any network, and nothing that leaks."""

import dataclasses

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepfake_generalize import data
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import ARCHITECTURES, RECIPES, Detector, Recipe, mesonet
from deepfake_generalize.models.training.data import open_data


def _write_crops(folder, images, labels, video):
    rows = []
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / f"{video}_{index:03d}.png"
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows.append({"path": str(path), "video": f"/v/{video}{index // 4}.mp4", "frame": index % 4})
        rows[-1]["label"] = label
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def crops(tmp_path_factory, striped_train, striped_val):
    folder = tmp_path_factory.mktemp("crops")
    return _write_crops(folder, *striped_train, "a"), _write_crops(folder, *striped_val, "b")


@pytest.mark.slow
def test_crops_arrays_and_datasets_are_one(crops, trained, train_small, same_weights):
    of_crops = train_small(train=crops[0], val=crops[1], seed=3)
    assert same_weights(of_crops, trained)
    assert of_crops.training["history"] == trained.training["history"]
    assert of_crops.training["data"]["train"]["fakes"] == 20
    sets = [data.to_dataset(part, batch_size=8) for part in crops]
    of_sets = train_small(train=sets[0], val=sets[1], seed=3)
    assert of_sets.training["data"]["train"] == {"images": None, "fakes": None, "sha256": None}
    assert of_sets.training["history"]["val_accuracy"]


@pytest.mark.slow
def test_a_detector_knows_that_it_was_trained_on_drawn_faces(
    crops, trained, tmp_path, train_small, short_recipe
):
    one = dataclasses.replace(short_recipe, epochs=1)
    filmed = train_small(train=crops[0], val=crops[1], recipe=one)
    assert (trained.synthetic, filmed.synthetic, Detector(filmed.model).synthetic) == (False,) * 3
    drawn = train_small(train=crops[0].assign(synthetic="true"), val=crops[1], recipe=one)
    assert drawn.synthetic
    assert Detector.load(drawn.save(tmp_path / "drawn.keras")).synthetic
    child = Detector(drawn.model, training={"data": {}, "parent": drawn.training})
    assert child.synthetic


@pytest.mark.nightly
def test_the_hash_of_crops_does_not_move_with_their_folder(
    crops, tmp_path, train_small, short_recipe, striped_train
):
    moved = _write_crops(tmp_path, *striped_train, "a")
    one = dataclasses.replace(short_recipe, epochs=1)
    there = train_small(train=crops[0], val=crops[1], recipe=one).training["data"]
    assert train_small(train=moved, val=crops[1], recipe=one).training["data"] == there
    fewer = train_small(train=crops[0].iloc[2:], val=crops[1], recipe=one).training["data"]
    assert fewer["train"]["sha256"] != there["train"]["sha256"]
    assert fewer["val"] == there["val"]


def test_crops_are_resized_to_the_network(crops, train_small, short_recipe):
    one = dataclasses.replace(short_recipe, epochs=1)
    detector = train_small(train=crops[0], val=crops[1], recipe=one, input_shape=(24, 20, 3))
    assert detector.size == (24, 20)
    assert detector.training["input_shape"] == [24, 20, 3]


@pytest.mark.parametrize(
    ("column", "words"),
    [("path", r"share no image, both hold '.*a_000.png' and 1 more"), ("video", "share no video")],
)
def test_what_is_trained_on_cannot_be_validated_on(crops, column, words, train_small):
    leaking = crops[1].copy()
    leaking.loc[:1, column] = crops[0][column].to_numpy()[:2]
    with pytest.raises(InputError, match=words) as caught:
        train_small(train=crops[0], val=leaking)
    assert "balanced_splits" in caught.value.hint


def test_unknown_videos_are_not_the_same_video(crops, train_small, short_recipe):
    loose = [part.assign(video=pd.NA) for part in crops]
    one = dataclasses.replace(short_recipe, epochs=1)
    assert train_small(train=loose[0], val=loose[1], recipe=one).training["best_epoch"] == 1


@pytest.mark.nightly
def test_the_last_smaller_batch_is_left_out_by_choice(
    crops, train_small, striped_train, striped_val
):
    counts = []

    class Counting(keras.layers.Layer):
        def call(self, inputs, training=False):
            if training:
                tf.py_function(lambda n: counts.append(int(n)), [tf.shape(inputs)[0]], [])
            return inputs

    def build(input_shape):
        inputs = keras.Input(input_shape)
        x = keras.layers.GlobalAveragePooling2D()(Counting()(inputs))
        return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))

    for source in (striped_train, crops[0]):
        for drop_last, expected in ((False, [16, 16, 8]), (True, [16, 16])):
            counts.clear()
            recipe = Recipe("count", epochs=1, batch_size=16, drop_last=drop_last)
            train_small(architecture=build, train=source, val=striped_val, recipe=recipe)
            assert counts == expected


def test_a_model_of_ones_own_is_copied_and_keeps_its_weights(
    train_small, short_recipe, small_network
):
    model = small_network((16, 16, 3))
    before = [array.copy() for array in model.get_weights()]
    still = dataclasses.replace(short_recipe, epochs=1, learning_rate=1e-12)
    detector = train_small(architecture=model, recipe=still)
    for old, kept, new in zip(
        before, model.get_weights(), detector.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, kept)
        assert new.shape == old.shape
    np.testing.assert_allclose(detector.model.get_weights()[0], before[0], atol=1e-6)
    assert not model.compiled


def test_a_network_of_ones_own_needs_a_recipe(train_small):
    with pytest.raises(InputError, match="expected a Recipe, received NoneType") as it:
        train_small(recipe=None)
    assert "RECIPES" in it.value.hint


@pytest.mark.nightly
def test_names_and_builders_of_the_five_will_do(train_small, same_weights):
    once = dataclasses.replace(RECIPES["mesonet"], epochs=1, name="once")
    named = train_small(architecture="mesonet", recipe=once)
    built = train_small(architecture=ARCHITECTURES["mesonet"], recipe=once, name="mine")
    assert same_weights(named, built)
    assert named.training == built.training | {"seconds": named.training["seconds"]}
    assert (named.name, built.name) == ("mesonet", "mine")


IMAGES, LABELS = np.full((40, 16, 16, 3), 99, np.uint8), np.arange(40) % 2
TINY = (IMAGES[:, :4, :4], LABELS)
FLAT = (np.zeros((4, 5), np.float32), np.zeros(4))


class Subclassed(keras.Model):
    """A network of its own class, which tells no shapes before it is built, nor afterwards."""

    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(1, activation="sigmoid")

    def call(self, x):
        return self.last(keras.ops.mean(x, axis=(1, 2)))


CALLED = Subclassed()
CALLED(IMAGES[:1] / 255)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": Subclassed()}, r"one input \(None, H, W, 3\) of fixed size"),
        ({"architecture": CALLED}, r"one input \(None, H, W, 3\) of fixed size"),
        ({"architecture": "resnet"}, "architecture to be one of mesonet, .*, received 'resnet'"),
        (
            {"architecture": 3},
            "architecture to be one of .*, received 3. Or pass a builder or a Keras model",
        ),
        ({"architecture": lambda shape: shape}, "expected a Keras model from the builder"),
        ({"recipe": "paper"}, "expected a Recipe, received str"),
        ({"train": "folder"}, "expected train to be images, received str"),
        ({"train": (IMAGES, LABELS[:3])}, r"one label an image, shape \(40,\)"),
        ({"train": (IMAGES, LABELS + 1)}, r"labels 0 \(real\) and 1 \(fake\) in train"),
        ({"train": (IMAGES * 2.0, LABELS)}, r"float train\[0\] in \[0, 1\]"),
        ({"train": (IMAGES[:0], LABELS[:0])}, "expected images in train, received none"),
        ({"val": FLAT}, r"expected val\[0\] of shape \(N, H, W, 3\)"),
        (
            {"val": (np.zeros((4, 24, 24, 3), np.uint8), LABELS[:4])},
            r"shape \(16, 16, 3\) in val",
        ),
        ({"val": pd.DataFrame({"label": [0]})}, "missing: path"),
        ({"val": tf.data.Dataset.range(3)}, "expected val as batches of"),
        ({"seed": -1}, "expected seed to be a whole number from 0, received -1"),
        ({"seed": 1.5}, "seed"),
        ({"early_stopping": 0}, "early_stopping"),
        ({"precision": "float16"}, "float32, bfloat16, received 'float16'"),
        ({"strategy": "mirrored"}, "expected a tf.distribute strategy, received str"),
        ({"input_shape": (16, 16)}, r"input_shape as \(height, width, 3\)"),
        ({"input_shape": (4, 4, 3)}, r"shape \(4, 4, 3\) in train, received \(16, 16, 3\)"),
        (
            {"architecture": "mesonet", **dict.fromkeys(("train", "val"), TINY)},
            "sides of at least 8 for MesoNet",
        ),
        ({"progress": "loud"}, "expected progress to be"),
        ({"architecture": mesonet((16, 16, 3), classes=3)}, r"two softmax columns"),
        ({"architecture": mesonet((16, 16, 3)), "input_shape": (24, 24, 3)}, "no input_shape"),
    ],
)
def test_other_arguments_are_refused(change, words, train_small):
    with pytest.raises(InputError, match=words):
        train_small(**change)


def test_images_outside_by_rounding_are_trained_on_as_they_are_scored():
    images = np.full((4, 8, 8, 3), 0.5, np.float32)
    images[0, 0, 0] = np.nextafter(np.float32(1), np.float32(2))
    opened = open_data((images, np.array([0, 1, 0, 1])), name="train", shape=(8, 8, 3))
    (batch,) = opened.batches(4, None, False)
    assert float(tf.reduce_max(batch[0])) == 1.0
