"""The recipes hold what the paper and the study's scripts say."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import ARCHITECTURES, RECIPES, Recipe

# Table IV and section III-C of the paper, and the table of networks in the scripts:
# learning rate, loss, layers that transfer trains.
STUDY = {
    "mesonet": (1e-3, "mse", 4),
    "mesoinception": (1e-3, "mse", 4),
    "shallownet": (5e-5, "bce", 4),
    "xception": (5e-5, "bce", 5),
    "efficientnet_b0": (5e-5, "bce", 6),
}


def test_every_architecture_has_one():
    assert set(RECIPES) == set(ARCHITECTURES) == set(STUDY)


@pytest.mark.parametrize("name", STUDY)
def test_the_papers_values(name):
    rate, loss, layers = STUDY[name]
    for recipe, epochs, batch, trained in (
        (RECIPES[name], 100, 32, None),
        (RECIPES[name].fine_tuning, 50, 64, layers),
    ):
        assert (recipe.learning_rate, recipe.loss) == (rate, loss)
        assert (recipe.beta_1, recipe.beta_2) == (0.9, 0.999)
        assert (recipe.epochs, recipe.batch_size) == (epochs, batch)
        assert recipe.last_layers == trained
        assert recipe.selection == "val_accuracy"
        assert recipe.restart_below is None
        assert recipe.architecture == name


def _differences(recipe: Recipe) -> dict:
    theirs = recipe.as_scripts.values()
    return {
        key: theirs[key]
        for key, value in recipe.values().items()
        if theirs[key] != value and key != "name"
    }


def test_where_the_scripts_differ():
    originals = {name: _differences(recipe) for name, recipe in RECIPES.items()}
    softmax = {"classes": 2}
    assert originals == {
        "mesonet": {},
        "mesoinception": {},
        "shallownet": {},
        "xception": softmax,
        "efficientnet_b0": softmax,
    }
    fine_tuned = {name: _differences(recipe.fine_tuning) for name, recipe in RECIPES.items()}
    rest = {"drop_last": True}
    assert fine_tuned == {
        "mesonet": rest,
        "mesoinception": rest,
        "shallownet": rest | {"learning_rate": 1e-3, "loss": "mse"},
        "xception": rest | softmax,
        "efficientnet_b0": rest | softmax,
    }


def test_names_are_distinct():
    recipes = [
        variant
        for recipe in RECIPES.values()
        for stage in (recipe, recipe.fine_tuning)
        for variant in (stage, stage.as_scripts)
    ]
    assert len({recipe.name for recipe in recipes}) == len(recipes) == 20


def test_every_value_has_a_source_until_it_is_changed():
    for recipe in RECIPES.values():
        for own in (recipe, recipe.fine_tuning, recipe.as_scripts, recipe.fine_tuning.as_scripts):
            assert set(own.sources) == set(own.values())
            assert "set by the user" not in own.sources.values()
    changed = dataclasses.replace(RECIPES["mesonet"], epochs=3)
    assert changed.sources["epochs"] == "set by the user"
    assert changed.sources["batch_size"] != "set by the user"
    assert "scripts" in RECIPES["shallownet"].fine_tuning.as_scripts.sources["loss"]


def test_is_a_value():
    recipe = RECIPES["xception"]
    assert hash(recipe) == hash(copy.deepcopy(recipe))
    assert pickle.loads(pickle.dumps(recipe)) == recipe  # noqa: S301
    assert json.loads(json.dumps(recipe.values())) == recipe.values()
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 3
    with pytest.raises(TypeError):
        RECIPES["mine"] = recipe


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("beta_1", 1.0),
        ("loss", "hinge"),
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", True),
        ("classes", 3),
        ("last_layers", 0),
        ("selection", "test_accuracy"),
        ("restart_below", 60),
        ("max_restarts", -1),
        ("stage", "last"),
        ("name", ""),
    ],
)
def test_other_values_are_refused(setting, value):
    with pytest.raises(InputError, match=f"expected {setting} of a recipe") as caught:
        dataclasses.replace(RECIPES["mesonet"], **{setting: value})
    assert "RECIPES" in caught.value.hint


def test_numpys_numbers_are_taken_as_pythons():
    recipe = Recipe("mine", epochs=np.int64(3), learning_rate=np.float64(0.5), dropout=np.int8(0))
    assert json.loads(json.dumps(recipe.values())) == recipe.values()
    assert (recipe.epochs, recipe.learning_rate, recipe.dropout) == (3, 0.5, 0)


def test_a_recipe_of_ones_own_has_no_paper_behind_it():
    own = Recipe("mine", epochs=3)
    assert set(own.sources.values()) == {"set by the user"}
    for derive in (lambda: own.fine_tuning, lambda: own.as_scripts):
        with pytest.raises(InputError, match="one of mesonet"):
            derive()
