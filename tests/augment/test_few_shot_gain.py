"""A detector that learnt one artefact learns another from a few images, on people it never saw.

Recipes and sizes were chosen on other people than the ones who judge, and those judged once.
"""

import dataclasses

import numpy as np
import pytest

from deepfake_generalize.augment import merge, transfer
from deepfake_generalize.metrics import accuracy, compare
from deepfake_generalize.models import RECIPES, train

JUDGES = range(5000, 5100)
PER_PERSON = 4


@pytest.fixture(scope="module")
def parent(drawn_faces):
    """Return a detector that has seen one artefact, the checkerboard."""
    recipe = dataclasses.replace(
        RECIPES["mesonet"],
        name="drawn-faces-quick",
        loss="bce",
        epochs=12,
        batch_size=8,
        norm_momentum=0.9,
        dropout=0.0,
    )
    known, check = drawn_faces("grid", range(100)), drawn_faces("grid", range(100, 120))
    return train("mesonet", known, check, recipe=recipe, early_stopping=12, progress=None)


@pytest.fixture(scope="module")
def few_shot(drawn_faces):
    """Return few images to train on and fewer to select on, half of them of each artefact."""

    def mixed(known, unseen):
        pairs = zip(drawn_faces("grid", known), drawn_faces("smooth", unseen), strict=True)
        return tuple(np.concatenate(pair) for pair in pairs)

    return mixed(range(40), range(200, 240)), mixed(range(100, 110), range(300, 310))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("augmented", "changes"),
    # Both by the paper's recipe, 50 epochs. Merging is perfect on what selects after a few, and
    # nothing later would replace that.
    [(transfer, {}), pytest.param(merge, {"early_stopping": 50}, marks=pytest.mark.nightly)],
    ids=["transfer", "merge"],
)
def test_a_few_images_teach_an_unseen_artefact(parent, few_shot, drawn_faces, augmented, changes):
    tuned = augmented(parent, *few_shot, progress=None, **changes)
    assert tuned.training["recipe"]["name"] == "mesonet-paper-fine-tuning"
    images, labels = drawn_faces("smooth", JUDGES, per_identity=PER_PERSON)
    people = np.repeat(JUDGES, PER_PERSON)
    found = compare(labels, tuned.scores(images), parent.scores(images), groups=people)
    gain = found.accuracy_difference
    assert gain.estimate >= 0.10
    assert gain.low > 0
    images, labels = drawn_faces("grid", JUDGES, per_identity=PER_PERSON)
    assert accuracy(labels, tuned.scores(images)) > 0.9
