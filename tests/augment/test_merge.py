"""Merge: every layer learns, the parent stays."""

import dataclasses
import importlib

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepfake_generalize.augment import merge
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, Recipe
from deepfake_generalize.models.training import fit


def test_every_layer_changes_and_the_parent_not_at_all(tiny_detector, dark_and_bright, short):
    detector = tiny_detector()
    detector.model.get_layer("conv1").trainable = False
    before = [w.copy() for w in detector.model.get_weights()]
    tuned = merge(
        detector,
        dark_and_bright(64),
        dark_and_bright(8, seed=1),
        recipe=short("mesonet", epochs=1, batch_size=4),
        progress=None,
    )
    for old, now in zip(before, detector.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    for layer, old in zip(tuned.model.layers, detector.model.layers, strict=True):
        pairs = zip(layer.get_weights(), old.get_weights(), strict=True)
        assert not any(np.array_equal(a, b) for a, b in pairs), layer.name
        assert layer.trainable == old.trainable == (layer.name != "conv1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "fake_index"), [(1, 0), pytest.param(2, 1, marks=pytest.mark.nightly)]
)
def test_labels_are_learnt_in_the_networks_own_polarity(
    tiny_detector, dark_and_bright, short, columns, fake_index
):
    tuned = merge(
        tiny_detector(columns=columns, fake_index=fake_index),
        dark_and_bright(64),
        dark_and_bright(16, seed=1),
        recipe=short("mesonet", epochs=12, batch_size=8, learning_rate=0.02),
        progress=None,
    )
    images, labels = dark_and_bright(20, seed=2)
    scores = tuned.scores(images)
    assert scores[labels == 1].min() > 0.5 > scores[labels == 0].max()


@pytest.mark.slow
def test_the_lineage_reaches_back_and_how_to_train_is_handed_on(
    tiny_detector, dark_and_bright, short, monkeypatch
):
    module = importlib.import_module("deepfake_generalize.augment.fine_tuning")
    taken = []

    def noted(model, train, val, options):
        taken.append(vars(options))
        plain = dataclasses.replace(options, precision="float32", checkpoint=None)
        return fit(model, train, val, plain)

    monkeypatch.setattr(module, "fit", noted)
    record = {"kind": "transfer", "parent": {"name": "mine"}}
    first = Detector(tiny_detector().model, fake_index=0, name="mine-transfer", training=record)
    run = {
        "precision": "bfloat16",
        "strategy": tf.distribute.get_strategy(),
        "checkpoint": "somewhere",
        "early_stopping": 3,
        "seed": 4,
        "progress": None,
    }
    few, check = dark_and_bright(16), dark_and_bright(8, seed=1)
    recipe = short("mesonet", epochs=1, batch_size=4)
    second = merge(first, few, check, recipe=recipe, **run)
    assert (run | {"fake_index": 0}).items() <= taken[0].items()
    assert second.name == "mine-transfer-merge"
    assert (second.training["kind"], second.training["seed"]) == ("merge", 4)
    assert second.training["architecture"] == "tiny"
    assert second.training["parent"]["name"] == "mine-transfer"
    assert second.training["parent"]["parent"]["name"] == "mine"


def test_what_is_shared_or_wrong_is_refused(tiny_detector, dark_and_bright, short):
    crops = pd.DataFrame({"path": ["/a.png", "/b.png"], "label": [0, 1]})
    recipe = short("mesonet", epochs=1)
    with pytest.raises(InputError, match=r"share no image, both hold '/a.png' and 1 more"):
        merge(tiny_detector(), crops, crops, recipe=recipe)
    with pytest.raises(InputError, match=r"expected a models.Detector, received str"):
        merge("detector", crops, crops, recipe=recipe)
    with pytest.raises(InputError, match="expected a Recipe, received NoneType"):
        merge(tiny_detector(), crops, crops)
    with pytest.raises(
        InputError, match=r"examples of shape \(8, 8, 3\) in val, received \(9, 9, 3\)"
    ):
        merge(tiny_detector(), dark_and_bright(4), dark_and_bright(4, side=9), recipe=recipe)


def test_a_subclassed_network_is_refused(dark_and_bright, short):
    @keras.saving.register_keras_serializable(package="tests")
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(1)
            self.input_shape, self.output_shape = (None, 8, 8, 3), (None, 1)

        def call(self, images):
            return keras.ops.sigmoid(self.dense(self.flat(images)))

    model = Own()
    model(np.zeros((1, 8, 8, 3), np.float32))
    recipe = short("mesonet", epochs=1)
    with pytest.raises(InputError, match=r"functional or Sequential Keras model in own, .* Own"):
        merge(Detector(model, name="own"), dark_and_bright(4), dark_and_bright(4), recipe=recipe)


@pytest.mark.slow
def test_the_rule_of_resizing_is_inherited(tiny_detector, dark_and_bright, tmp_path):
    parent = tiny_detector()
    nearest = Detector(parent.model, name="nearest", resize="nearest")
    few, check = dark_and_bright(8), dark_and_bright(4, seed=1)
    recipe = Recipe("r", epochs=1, batch_size=4)
    assert merge(nearest, few, check, recipe=recipe, progress=None).resize == "nearest"
    rows = []
    for index in range(2):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.zeros((9, 9, 3), np.uint8))
        rows.append({"path": str(tmp_path / f"{index}.png"), "label": index})
    with pytest.raises(InputError, match=r"crops of \(8, 8\).*received \(9, 9\)"):
        merge(nearest, pd.DataFrame(rows), check, recipe=recipe, progress=None)
