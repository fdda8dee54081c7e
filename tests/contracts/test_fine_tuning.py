"""What every kind of fine-tuning must do, in a script and in a study."""

import dataclasses

import keras
import numpy as np
import pytest

from deepfake_generalize import augment, study
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import RECIPES, Detector
from deepfake_generalize.study.facts import FINE_TUNINGS

# Those that take a detector and two sets, and nothing more.
KINDS = [
    kind
    for kind, of in FINE_TUNINGS.items()
    if of.sees == "few-shot" and of.function.startswith(augment.__name__)
]
SIDE = 8


@pytest.fixture
def detector() -> Detector:
    keras.utils.set_random_seed(5)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(4, 3, activation="relu", name="conv1"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(6, activation="tanh", name="dense"),
            layers.Dense(1, activation="sigmoid", name="last"),
        ]
    )
    return Detector(model, name="parent")


@pytest.fixture
def recipe():
    short = RECIPES["mesonet"].fine_tuning
    # The two dense layers are what transfer trains of four.
    changes = {"epochs": 8, "batch_size": 8, "learning_rate": 0.02, "last_layers": 2}
    return dataclasses.replace(short, name="short", **changes)


def dark_and_bright(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make images of which the fakes are the bright ones."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(0, 100, (count, SIDE, SIDE, 3)) + 150 * labels[:, None, None, None]
    return images.astype(np.uint8), labels


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_child_learns_and_its_parent_stays(kind: str, detector: Detector, recipe) -> None:
    images, labels = dark_and_bright(16, 2)
    before = detector.scores(images)
    tune = getattr(augment, kind)
    sets = dark_and_bright(64, 0), dark_and_bright(16, 1)
    tuned, again = (tune(detector, *sets, recipe=recipe, seed=3, progress=None) for _ in range(2))
    np.testing.assert_array_equal(detector.scores(images), before)
    scores = tuned.scores(images)
    assert scores[labels == 1].mean() - scores[labels == 0].mean() > np.ptp(before) / 2
    np.testing.assert_array_equal(scores, again.scores(images))
    # It says whose it is and how it was made.
    assert tuned.name == f"parent-{kind}"
    assert (tuned.training["kind"], tuned.training["seed"]) == (kind, 3)
    assert tuned.training["parent"]["name"] == "parent"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_detector_is_refused_in_words(kind: str) -> None:
    sets = dark_and_bright(4, 0), dark_and_bright(4, 1)
    with pytest.raises(InputError, match=r"expected .*Detector.*, received str"):
        getattr(augment, kind)("mesonet", *sets)


@pytest.mark.nightly  # Of a new one CONTRIBUTING's test runs it; the others are in every study.
@pytest.mark.parametrize("kind", KINDS)
def test_a_study_makes_one_from_each_source(kind: str, tiny_study, tmp_path) -> None:
    config = tiny_study()
    protocol = dataclasses.replace(config.protocol, fine_tunings=("none", kind))
    run = study.run(dataclasses.replace(config, protocol=protocol), tmp_path / "run")
    assert run.table("IV")["fine_tuning"].tolist() == ["none", kind]
