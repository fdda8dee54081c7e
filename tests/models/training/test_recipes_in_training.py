"""What a recipe and its options ask of training takes effect, and the paper's is the default."""

import contextlib
import dataclasses
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import RECIPES, Detector, Recipe
from deepfake_generalize.models.training import fitting
from deepfake_generalize.models.training.fitting import Fit, TrainOptions


class _Stop(BaseException):
    """What ends a run before it begins."""


def test_the_papers_recipe_is_the_default(monkeypatch, train_small):
    seen = []

    def stop(model, train, val, options):
        seen.append(options.recipe)
        raise _Stop

    module = importlib.import_module("deepfake_generalize.models.training.train")
    monkeypatch.setattr(module, "fit", stop)
    with pytest.raises(_Stop):
        train_small(architecture="mesonet", recipe=None)
    assert seen == [RECIPES["mesonet"]]


def test_settings_of_a_recipe_are_changed_by_name(train_small, short_recipe):
    changes = {"epochs": 2, "learning_rate": 0.02, "batch_size": 10}
    record = train_small(**changes).training
    name = "short, epochs 2, learning rate 0.02, batch size 10"
    assert record["recipe"] == {**short_recipe.values(), **changes, "name": name}
    assert len(record["history"]["loss"]) == 2
    for setting in changes:
        with pytest.raises(InputError, match=f"expected {setting} of a recipe .* received 0"):
            train_small(**{setting: 0})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        pytest.param("norm_momentum", 0.5, marks=pytest.mark.slow),
        pytest.param("dropout", 0.0, marks=pytest.mark.nightly),
    ],
)
def test_what_a_recipe_changes_in_the_layers_takes_effect(
    setting, value, train_small, same_weights, short_recipe
):
    plain = train_small(recipe=dataclasses.replace(short_recipe, epochs=1))
    changed = train_small(recipe=dataclasses.replace(short_recipe, epochs=1, **{setting: value}))
    assert not same_weights(plain, changed)


def test_weight_decay_takes_its_part_of_a_weight_off_and_adam_does_the_rest():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[0.5]]), np.array([0.2])])
    recipe = Recipe("one step", learning_rate=0.125, weight_decay=0.25, loss="mse")
    compiled = fitting.compile_shared(model, TrainOptions(recipe))
    # 0.7 is to be 1: both gradients are negative, and Adam's first step is the rate by their sign.
    compiled.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))
    for found, before in zip(model.get_weights(), (0.5, 0.2), strict=True):
        np.testing.assert_allclose(found, before + 0.125 - 0.125 * 0.25 * before, rtol=1e-5)


@pytest.mark.slow
def test_early_stopping_by_choice(train_small, short_recipe):
    recipe = dataclasses.replace(short_recipe, epochs=30, norm_momentum=0.5, loss="bce")
    image = np.full((2, 16, 16, 3), 99, np.uint8)
    stuck = train_small(val=(image, np.array([0, 1])), recipe=recipe, early_stopping=2)
    assert len(stuck.training["history"]["loss"]) == 3
    assert (stuck.training["ended"], stuck.training["best_epoch"]) == ("stopped early", 1)
    perfect = train_small(recipe=recipe, early_stopping=30)
    assert perfect.training["ended"] == "perfect"
    accuracies = perfect.training["history"]["val_accuracy"]
    assert accuracies.index(1.0) == len(accuracies) - 1 == perfect.training["best_epoch"] - 1


@pytest.mark.slow
def test_a_plateau_begins_again_with_other_numbers(
    tmp_path, train_small, same_weights, short_recipe, striped_train
):
    recipe = dataclasses.replace(
        short_recipe, epochs=3, restart_below=1.0, restart_after=2, max_restarts=2
    )
    # Labels that say nothing cannot be learnt in two epochs.
    noise = (striped_train[0], np.random.default_rng(0).permutation(striped_train[1]))
    whole = train_small(train=noise, recipe=recipe)
    restarts = whole.training["restarts"]
    assert [len(restart["accuracy"]) for restart in restarts] == [2, 2]
    assert restarts[0]["seed"] == 0
    assert restarts[0]["seed"] != restarts[1]["seed"]
    assert restarts[0]["accuracy"] != restarts[1]["accuracy"]
    assert (whole.training["ended"], whole.training["seed"]) == ("complete", 0)
    for _ in range(2):
        assert same_weights(train_small(train=noise, recipe=recipe, checkpoint=tmp_path), whole)


@pytest.mark.slow
def test_bfloat16_is_for_the_arithmetic_of_training_alone(train_small, same_weights):
    detector = train_small(precision="bfloat16")
    assert {layer.dtype_policy.name for layer in detector.model.layers} == {"float32"}
    assert detector.training["precision"] == "bfloat16"
    assert not same_weights(detector, train_small())
    worker = fitting.in_bfloat16(detector.model)
    policies = [layer.dtype_policy.name for layer in worker.layers[1:]]
    assert set(policies[:-1]) == {"mixed_bfloat16"}
    assert policies[-1] == "float32"
    assert {variable.dtype for variable in worker.trainable_variables} == {"float32"}


@pytest.mark.nightly
def test_the_networks_are_float32_whatever_keras_is_set_to(
    train_small, same_weights, other_settings
):
    found = train_small(architecture="mesonet", epochs=1)
    with standard_settings():
        right = train_small(architecture="mesonet", epochs=1)
    assert same_weights(found, right)
    assert found.training["history"] == right.training["history"]
    assert found.training["precision"] == "float32"
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


@pytest.mark.nightly
def test_a_network_of_half_precision_is_trained_and_said_to_be_one(
    train_small, small_network, same_weights, tmp_path
):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("bfloat16")
        network = small_network((16, 16, 3))
    finally:
        keras.config.set_dtype_policy(before)
    options = {"architecture": network, "epochs": 1, "checkpoint": tmp_path}
    whole = train_small(**options)
    assert whole.training["precision"] == "bfloat16"
    assert {weight.dtype for weight in whole.model.weights} == {"bfloat16"}
    assert same_weights(train_small(**options), whole)
    assert same_weights(Detector.load(whole.save(tmp_path / "d.keras")), whole)


def test_an_accuracy_that_never_leaves_chance_is_noted(train_small, capsys):
    image = np.full((20, 16, 16, 3), 99, np.uint8)
    stuck = train_small(val=(image, np.arange(20) % 2), epochs=1, progress="lines")
    (note,) = stuck.training["notes"]
    assert "never left chance: 0.5000 at best, and one class" in note
    assert note in capsys.readouterr().err


@pytest.mark.parametrize(
    ("best", "images", "fakes", "noted"),
    [
        (0.61, 100, 50, False),
        (0.59, 100, 50, True),
        (0.92, 1000, 900, False),
        (0.9, 1000, 900, True),
        (1.0, 10, 10, True),
        (0.5, None, None, True),
        (0.51, None, None, False),
    ],
)
def test_chance_is_what_one_class_for_all_gives(best, images, fakes, noted):
    state = Fit(history={"val_accuracy": [0.5, best, 0.5]}, ended="complete")
    assert bool(fitting._notes(state, {}, {"images": images, "fakes": fakes})) is noted
    assert not fitting._notes(Fit(), {}, {"images": images, "fakes": fakes})


def test_softmax_columns_are_trained_towards_the_fake_one(train_small, short_recipe, striped_val):
    recipe = dataclasses.replace(short_recipe, classes=2, loss="bce", epochs=20, norm_momentum=0.5)
    detector = train_small(recipe=recipe, early_stopping=20)
    assert detector.model.output_shape == (None, 2)
    scores = detector.scores(striped_val[0])
    assert np.mean((scores > 0.5) == striped_val[1]) == max(
        detector.training["history"]["val_accuracy"]
    )
    assert scores[striped_val[1] == 1].mean() > scores[striped_val[1] == 0].mean() + 0.1


def test_divergence_is_an_error(train_small, short_recipe):
    recipe = dataclasses.replace(short_recipe, learning_rate=1e38)
    with pytest.raises(InputError, match="after epoch 1, received NaN") as caught:
        train_small(recipe=recipe)
    assert "learning_rate" in caught.value.hint


@pytest.mark.parametrize("devices", ["one", pytest.param("several", marks=pytest.mark.slow)])
def test_one_processor_trains_in_fewer_operations(devices, train_small, monkeypatch):
    seen = []

    def quick(network):
        seen.append(network)
        return contextlib.nullcontext()

    monkeypatch.setattr(fitting, "quick_training", quick)
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"]) if devices == "several" else None
    train_small(epochs=1, strategy=strategy)
    assert len(seen) == (devices == "one")
