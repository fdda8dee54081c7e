"""Each architecture learns a planted artefact, and nothing where there is none."""

import dataclasses
from math import sqrt

import numpy as np
import pytest

from deepfake_generalize.models import ARCHITECTURES, RECIPES, train

# Far from the paper's hundred epochs on 16,000 images: larger steps, statistics that follow
# quickly, no dropout.
RATES = {
    "mesonet": 1e-3,
    "mesoinception": 1e-3,
    "shallownet": 3e-4,
    "xception": 1e-3,
    "efficientnet_b0": 1e-3,
}


ONE_AND_OTHERS = [
    pytest.param(name, marks=() if name == "mesonet" else pytest.mark.nightly)
    for name in ARCHITECTURES
]


def _quick(name, **changes):
    return dataclasses.replace(
        RECIPES[name],
        name="drawn-faces-quick",
        learning_rate=RATES[name],
        loss="bce",
        epochs=12,
        batch_size=8,
        norm_momentum=0.9,
        dropout=0.0,
        **changes,
    )


def _interval(right):
    """Wilson's 99 % interval of a share."""
    z, n, p = 2.576, len(right), float(np.mean(right))
    centre, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def _right(detector, images, labels):
    return (detector.scores(images) >= 0.5) == labels


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_AND_OTHERS)
def test_learns_the_artefact_on_people_it_has_not_seen(name, drawn_faces):
    detector = train(
        name,
        drawn_faces("grid", range(100)),
        drawn_faces("grid", range(100, 120)),
        recipe=_quick(name),
        early_stopping=12,
        progress=None,
    )
    images, labels = drawn_faces("grid", range(120, 170))
    assert detector.training["recipe"]["name"] == "drawn-faces-quick"
    assert _right(detector, images, labels).mean() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_AND_OTHERS)
def test_stays_at_chance_where_nothing_was_planted(name, drawn_faces):
    # What an artefact needs, two epochs are enough to find: so they are for a tell-tale path.
    recipe = dataclasses.replace(_quick(name), epochs=2)
    detector = train(
        name,
        drawn_faces(None, range(60)),
        drawn_faces(None, range(100, 120)),
        recipe=recipe,
        progress=None,
    )
    low, high = _interval(_right(detector, *drawn_faces(None, range(120, 170))))
    assert low <= 0.5 <= high
