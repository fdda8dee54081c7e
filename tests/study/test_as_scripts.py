"""A study that follows the paper's scripts where the paper says something else."""

import dataclasses

import numpy as np
import pytest

from deepfake_generalize import augment, causal, interpret, models
from deepfake_generalize.data import read_image
from deepfake_generalize.errors import InputError
from deepfake_generalize.study import StudyConfig
from deepfake_generalize.study.experiment import DetectorFamily, steps
from deepfake_generalize.study.experiment.detector_family import Step

FAMILY = DetectorFamily("mesonet", "CELEB")


@pytest.fixture(scope="module")
def work(tiny_config, tiny_run):
    return steps._Work(tiny_config.as_scripts(), FAMILY, tiny_run.folder)


def test_a_configuration_says_what_it_follows(tmp_path):
    config = StudyConfig.demo(quick=True).as_scripts()
    (tmp_path / "study.toml").write_text(config.to_toml())
    assert StudyConfig.from_toml(tmp_path / "study.toml").follows == "scripts"
    assert dataclasses.replace(config, follows="paper") == StudyConfig.demo(quick=True)
    with pytest.raises(InputError, match="follows to be one of paper, scripts, received 'code'"):
        dataclasses.replace(config, follows="code")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", models.RECIPES["shallownet"].as_scripts),
        ("merge", models.RECIPES["shallownet"].fine_tuning.as_scripts),
    ],
)
def test_recipes_are_the_scripts(work, kind, expected):
    shallow = dataclasses.replace(work, family=DetectorFamily("shallownet", "CELEB"))
    recipe = shallow._recipe(steps.Schedule(), kind)
    assert recipe == expected
    # Fine-tuning of ShallowNet is where the two differ most.
    assert kind == "none" or recipe != models.RECIPES["shallownet"].fine_tuning
    changed = shallow._recipe(steps.Schedule(epochs=2, fine_tuning_epochs=2), kind)
    assert (changed.epochs, changed.learning_rate) == (2, expected.learning_rate)


def test_frozen_layers_drop_out_in_transfer(work, monkeypatch):
    given = []

    def taken(*_, **options):
        given.append(options)
        raise KeyboardInterrupt

    for name in ("transfer", "merge"):
        monkeypatch.setattr(augment, name, taken)
    for kind in ("transfer", "merge"):
        with pytest.raises(KeyboardInterrupt):
            work._train(Step("detector", FAMILY.detector(kind), 1.0))
    assert (given[0]["cache"], given[0]["trunk"]) == (False, "scripts")
    assert "trunk" not in given[1]


def test_maps_are_signed_of_the_first_output_and_over_the_photograph(work):
    found = work._compare_maps(Step("similarity", f"{FAMILY.name}/FS", 1.0))
    fakes = work._fakes("FS", work.config.analysis.heat_map_fakes)
    images = np.stack([read_image(path) for path in fakes["path"]])
    maps = [
        interpret.grad_cam(each, images, target="real", relu=False)
        for each in work._congenetic().values()
    ]
    maps = [np.stack([(each - each.min()) / np.ptp(each) for each in signed]) for signed in maps]
    values = interpret.congenetic_similarity(maps, render="study", images=images)
    assert found["compared"]["own"]["ssim"] == pytest.approx(values, abs=2e-6)
    assert (found["render"], found["target"]) == ("study", "the first output")


def test_effects_are_on_the_output_whatever_the_label(work):
    name = FAMILY.detector("none")
    found = work._contributions("FS", work.detector(name))
    paper = dataclasses.replace(work, config=dataclasses.replace(work.config, follows="paper"))
    assert found["outcome"] == "score"
    assert found["contribution"] != paper._contributions("FS", work.detector(name))["contribution"]
    test, half = work.splits["FS"].test, work.config.analysis.causal_images // 2
    parts = [
        steps._sampled(test[test["label"] == label], half, work._seed_of("FS")) for label in (0, 1)
    ]
    images = np.stack([read_image(path) for part in parts for path in part["path"]])
    effects = causal.average_causal_effect(
        work.detector(name), images, outcome="score", steps=work.config.analysis.causal_steps
    )
    np.testing.assert_allclose(found["contribution"], effects.contribution, atol=1e-7)
