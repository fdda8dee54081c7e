"""Datasets of tf.data are asked how they end and what they hold, and looked at as they are read."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize.augment import transfer
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector

SIDE = 16
IMAGES = np.random.default_rng(0).random((16, SIDE, SIDE, 3), np.float32)
LABELS = np.arange(16, dtype=np.int32) % 2
SPEC = (tf.TensorSpec((None, SIDE, SIDE, 3)), tf.TensorSpec((None,), tf.int32))


def _set(images=IMAGES, labels=LABELS):
    # Iterators that are left where a batch is refused may wait for tf.data's tuner to wake.
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(4).with_options(options)


def _once():
    batches = ((IMAGES[k : k + 4], LABELS[k : k + 4]) for k in range(0, 16, 4))
    return tf.data.Dataset.from_generator(lambda: batches, output_signature=SPEC)


def _named(names, labels=LABELS):
    dataset = _set(labels=labels)
    dataset.class_names = names
    return dataset


UNFIT = {
    "labels 0 and 2": (_set(labels=LABELS * 2), "labels 0 .real. and 1 .fake. in .*received 0 2"),
    "labels that are fractions": (_set(labels=LABELS * 0.9), "labels 0 .real. and 1"),
    "0 to 255": (_set(IMAGES * 255), r"images from 0 to 1 in .*, received from, to .*images / 255"),
    "NaN": (_set(IMAGES * np.nan), "images from 0 to 1"),
    "endless": (_set().repeat(), "to end, received .* repeats.*repeat"),
    "endless below": (_set().repeat().filter(lambda *_: True), "to end, received"),
    "empty": (_set().take(0), "without a batch"),
    "empty as it turns out": (_set().filter(lambda *_: False), "in epoch 1, received none"),
    "fake before real": (_named(["fake", "real"]), "its class names are .*class_names="),
    "fake before real, mapped": (
        _named(["fake", "real"]).map(lambda x, y: (x, tf.cast(y, tf.float32))).prefetch(1),
        "1 is real",
    ),
}


# As others that stay by day are seen; some in training and not before: a training each.
BY_NIGHT = ("labels that are fractions", "NaN", "empty as it turns out", "endless below", "empty")


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        *(
            pytest.param(kind, "train", marks=pytest.mark.nightly if kind in BY_NIGHT else ())
            for kind in UNFIT
        ),
        ("empty as it turns out", "val"),
        pytest.param("endless", "val", marks=pytest.mark.nightly),
    ],
)
def test_a_dataset_that_cannot_be_trained_on_is_refused(kind, part, train_small, short_recipe):
    dataset, words = UNFIT[kind]
    with pytest.raises(InputError, match=words):
        train_small(**{"train": _set(), "val": _set(), part: dataset})


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_data_that_can_be_read_once_are_refused_where_they_are_missed(train_small):
    with pytest.raises(InputError, match=r"train in epoch 2, received none: .*once only"):
        train_small(train=_once(), val=_set())
    with pytest.raises(InputError, match=r"val in epoch 2, received none: .*once only"):
        train_small(train=_set(), val=_once())


@pytest.mark.nightly
def test_classes_in_the_right_order_are_trained_on(train_small, short_recipe):
    one = dataclasses.replace(short_recipe, epochs=1)
    turned = _named(["fake", "real"]).map(lambda x, y: (x, 1 - y))
    for dataset in (_named(["real", "fake"]), turned):
        trained = train_small(train=dataset, val=_set(), recipe=one)
        assert trained.training["ended"] == "complete"


def test_features_are_looked_at_too(small_network, short_recipe):
    detector = Detector(small_network((SIDE, SIDE, 3)))
    for kind in ("labels 0 and 2", "endless", "0 to 255"):
        dataset, words = UNFIT[kind]
        with pytest.raises(InputError, match=words):
            transfer(
                detector, dataset, _set(), recipe=short_recipe, unfreeze="output", progress=None
            )


def test_an_epoch_without_a_step_is_refused_before_it(train_small, short_recipe):
    large = dataclasses.replace(short_recipe, batch_size=64, drop_last=True)
    with pytest.raises(InputError, match="at least 64 images in train, one batch, received 16"):
        train_small(train=(IMAGES, LABELS), val=(IMAGES, LABELS), recipe=large)


def test_a_batch_for_fewer_images_than_devices_is_refused(small_network, short_recipe):
    class Two:
        num_replicas_in_sync = 2

    from deepfake_generalize.models.training.data import open_data
    from deepfake_generalize.models.training.fitting import TrainOptions, refuse_odd_batches

    options = TrainOptions(short_recipe)
    object.__setattr__(options, "strategy", Two())
    data = [open_data((IMAGES[:n], LABELS[:n]), name="train") for n in (9, 10, 16)]
    for train, val in ((data[0], data[2]), (data[2], data[0])):
        with pytest.raises(InputError, match=r"at least one image a device, 2.* 9 images in .* 1"):
            refuse_odd_batches(train, val, options)
    refuse_odd_batches(data[1], data[2], options)
    dropping = dataclasses.replace(short_recipe, drop_last=True)
    refuse_odd_batches(data[0], data[2], dataclasses.replace(TrainOptions(dropping)))


def test_folders_that_keras_sorts_are_refused(tmp_path, train_small):
    for kind in ("fake", "real"):
        (tmp_path / kind).mkdir()
        for index in range(2):
            image = np.full((SIDE, SIDE, 3), 100, np.uint8)
            keras.utils.save_img(tmp_path / kind / f"{index}.png", image, scale=False)
    options = {"image_size": (SIDE, SIDE), "batch_size": 2, "verbose": False}
    folders = keras.utils.image_dataset_from_directory(tmp_path, **options)
    scaled = folders.map(lambda x, y: (x / 255.0, y))
    with pytest.raises(InputError, match="sorts by the alphabet"):
        train_small(train=scaled, val=scaled)
