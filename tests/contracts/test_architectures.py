"""What every architecture of the list must do: be trained, fine-tuned both ways, run in a study."""

import dataclasses

import numpy as np
import pytest

from deepfake_generalize import augment, study
from deepfake_generalize.models import ARCHITECTURES, RECIPES, train
from deepfake_generalize.study.protocol import PAPER

# A study's smallest images: the deep networks need most of them.
SIDE = 72
# Each takes a minute or more, and shows no more than the quick one: the list is the same.
DEEP = {"xception", "efficientnet_b0", "shallownet", "mesoinception"}
NETWORKS = [
    pytest.param(name, marks=[pytest.mark.nightly] if name in DEEP else [])
    for name in ARCHITECTURES
]


def images_and_labels(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8), np.arange(count) % 2


@pytest.mark.slow
@pytest.mark.parametrize("architecture", NETWORKS)
def test_is_trained_and_fine_tuned_by_its_own_recipes(architecture: str) -> None:
    data, check = images_and_labels(8, 0), images_and_labels(4, 1)
    recipe = dataclasses.replace(RECIPES[architecture], name="short", epochs=1, batch_size=4)
    detector = train(architecture, data, check, recipe=recipe, progress=None)
    assert detector.training["architecture"] == architecture
    short = dataclasses.replace(recipe.fine_tuning, name="short", epochs=1, batch_size=4)
    for kind in (augment.transfer, augment.merge):
        tuned = kind(detector, data, check, recipe=short, progress=None)
        assert tuned.training["parent"]["name"] == detector.name
        assert ((tuned.scores(data[0]) >= 0) & (tuned.scores(data[0]) <= 1)).all()


@pytest.mark.nightly  # Of a new one CONTRIBUTING's test runs it; the others are in every study.
@pytest.mark.parametrize("architecture", NETWORKS)
def test_runs_in_a_study(architecture: str, tiny_study, tmp_path) -> None:
    run = study.run(tiny_study(architecture), tmp_path / "run")
    assert len(run.table("IV")) == len(PAPER.fine_tunings)
    assert run.table("V")["degradation"].notna().all()
