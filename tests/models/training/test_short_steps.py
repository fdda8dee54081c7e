from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from deepfake_generalize.models import RECIPES, Recipe
from deepfake_generalize.models.training import Fit, TrainOptions, data_of_arrays, fit
from deepfake_generalize.models.training.fitting import EpochLoop

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = dataclasses.replace(RECIPES["mesonet"].fine_tuning, epochs=3, batch_size=8, name="short")
FEATURES = np.random.default_rng(0).random((35, 12), np.float32)
LABELS = np.float32(np.arange(35) % 2)


def tail(classes: int = 1) -> keras.Model:
    layers = [
        keras.layers.Dropout(0.3, seed=1),
        keras.layers.Dense(6, kernel_initializer=keras.initializers.GlorotUniform(1)),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(
            classes,
            activation="sigmoid" if classes == 1 else "softmax",
            kernel_initializer=keras.initializers.GlorotUniform(2),
        ),
    ]
    return keras.Sequential([keras.Input((12,)), *layers])


def learn(model: keras.Model, options: TrainOptions) -> Fit:
    rows = slice(27), slice(27, None)
    train, val = (data_of_arrays(FEATURES[part], LABELS[part], {"sha256": ""}) for part in rows)
    return fit(model, train, val, options)


@pytest.mark.parametrize(
    ("classes", "fake_index", "recipe"),
    [
        pytest.param(1, 1, RECIPE, marks=pytest.mark.nightly),
        pytest.param(1, 0, dataclasses.replace(RECIPE, drop_last=True), marks=pytest.mark.slow),
        pytest.param(
            2, 1, dataclasses.replace(RECIPE, loss="bce", epochs=2), marks=pytest.mark.nightly
        ),
    ],
)
def test_short_steps_are_keras_own_to_the_last_bit(
    classes: int, fake_index: int, recipe: Recipe
) -> None:
    options = TrainOptions(recipe, fake_index=fake_index, progress=None)
    by_keras, by_row = tail(classes), tail(classes)
    expected = learn(by_keras, options)
    found = learn(by_row, dataclasses.replace(options, steps_per_call=8))
    assert found.history == expected.history
    assert list(found.history) == list(expected.history)
    assert found.best_epoch == expected.best_epoch
    for ours, theirs in zip(by_row.get_weights(), by_keras.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_no_iterator_of_keras_is_made_for_short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Keras's fit was called")

    monkeypatch.setattr(keras.Model, "fit", refuse)
    assert len(learn(tail(), TrainOptions(RECIPE, progress=None, steps_per_call=8)).history) == 4


@pytest.mark.nightly
def test_short_steps_go_on_from_a_checkpoint_as_if_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainOptions(RECIPE, progress=None, steps_per_call=8)
    whole, stopped = tail(), tail()
    expected = learn(whole, options)
    kept = dataclasses.replace(options, checkpoint=tmp_path / "run")
    begin = EpochLoop.on_epoch_begin

    def stop(loop: EpochLoop, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        begin(loop, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(EpochLoop, "on_epoch_begin", stop)
        with pytest.raises(KeyboardInterrupt):
            learn(stopped, kept)
    again = tail()
    assert learn(again, kept).history == expected.history
    for ours, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_short_steps_end_where_nothing_better_can_follow() -> None:
    recipe = dataclasses.replace(RECIPE, epochs=30)
    options = TrainOptions(recipe, progress=None, steps_per_call=8, early_stopping=1)
    found = learn(tail(), options)
    assert len(found.history["loss"]) < 30
