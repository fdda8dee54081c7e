"""Every public function with a seed refuses what is none, in the same words, before any work."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import augment, causal, data, interpret, metrics, models, study
from deepfake_generalize.data import synthetic
from deepfake_generalize.errors import InputError

CROPS = pd.DataFrame(
    {
        "path": [f"/c/{number}.png" for number in range(8)],
        "video": [f"/v/{number}.mp4" for number in range(8)],
        "label": [0, 1] * 4,
    }
)
LABELS, SCORES = np.array([0, 1] * 4), np.linspace(0.1, 0.9, 8)
SET = pd.DataFrame({"label": LABELS, "score": SCORES})
IMAGES = (np.zeros((8, 16, 16, 3), np.float32), LABELS)
ONE = dataclasses.replace(models.RECIPES["mesonet"], epochs=1, name="one")


@pytest.fixture(scope="module")
def detector():
    keras.utils.set_random_seed(0)
    return models.Detector(models.ARCHITECTURES["mesonet"]((16, 16, 3)))


def interval(function, *values, **more):
    return lambda seed, *_: function(*values, n_resamples=5, seed=seed, **more)


CALLS = {
    "augment.few_shot_mix": lambda seed, *_: augment.few_shot_mix(
        CROPS.iloc[:4], {"FS": CROPS.iloc[4:]}, n_original=2, n_unseen=2, seed=seed
    ),
    "augment.focus": lambda seed, detector, _: augment.focus(
        detector, [0], IMAGES, IMAGES, mode="silence", seed=seed
    ),
    "augment.merge": lambda seed, detector, _: augment.merge(
        detector, IMAGES, IMAGES, recipe=ONE, seed=seed, progress=None
    ),
    "augment.self_blend": lambda seed, _, folder: augment.self_blend(
        CROPS[CROPS["label"] == 0], folder / "blends", seed=seed
    ),
    "augment.transfer": lambda seed, detector, _: augment.transfer(
        detector, IMAGES, IMAGES, recipe=ONE, seed=seed, progress=None
    ),
    "data.balanced_splits": lambda seed, *_: data.balanced_splits(
        CROPS, train=2, val=2, test=2, by="video", seed=seed
    ),
    "data.synthetic.make_datasets": lambda seed, _, folder: synthetic.make_datasets(
        folder, size=16, per_split=2, seed=seed
    ),
    "data.synthetic.make_videos": lambda seed, _, folder: synthetic.make_videos(
        folder, size=96, frames=1, per_split={"train": 0, "val": 0, "test": 2}, seed=seed
    ),
    "data.Perturbation.at_levels": lambda seed, *_: data.PERTURBATIONS["colour_noise"].at_levels(
        np.zeros((8, 8, 3), np.uint8), (1, 2), seed=seed
    ),
    "data.audit_shortcuts": lambda seed, *_: data.audit_shortcuts(
        CROPS, resampling=metrics.Resampling(seed=seed)
    ),
    "interpret.randomization_check": lambda seed, detector, _: interpret.randomization_check(
        detector, IMAGES[0], seed=seed
    ),
    "causal.control": lambda seed, detector, _: causal.control(detector, "untrained", seed=seed),
    "data.to_dataset": lambda seed, *_: data.to_dataset(CROPS, shuffle_seed=seed, size=(8, 8)),
    "metrics.Resampling": lambda seed, *_: metrics.Resampling(seed=seed),
    "metrics.bootstrap_interval": interval(metrics.bootstrap_interval, "auc", LABELS, SCORES),
    "metrics.compare": interval(metrics.compare, LABELS, SCORES, SCORES),
    "metrics.compare_all": interval(metrics.compare_all, LABELS, {"a": SCORES, "b": SCORES**2}),
    "metrics.degradation_interval": interval(metrics.degradation_interval, SET, {"U": SET}),
    "models.train": lambda seed, *_: models.train(
        "mesonet", IMAGES, IMAGES, recipe=ONE, seed=seed, progress=None
    ),
    "study.StudyConfig": lambda seed, *_: study.StudyConfig(
        data="synthetic", architectures=("mesonet",), seed=seed
    ),
    "study.StudyConfig.demo": lambda seed, *_: study.StudyConfig.demo(seed=seed),
    "study.StudyConfig.paper": lambda seed, *_: study.StudyConfig.paper(
        dict.fromkeys(("faceforensics", "celebdf_v2", "celebdf_v1"), "/nowhere"), seed=seed
    ),
    "study.benchmark": lambda seed, *_: study.benchmark(
        "mine", original=SET, unseen={"U": SET}, resampling=metrics.Resampling(seed=seed)
    ),
    "study.breakdown": lambda seed, *_: study.breakdown(
        {"U": SET}, "method", resampling=metrics.Resampling(seed=seed)
    ),
    "study.gaps": lambda seed, *_: study.gaps(
        {"U": SET}, "method", resampling=metrics.Resampling(seed=seed)
    ),
    "study.robustness": lambda seed, detector, _: study.robustness(detector, CROPS, seed=seed),
    "study.study_sets": lambda seed, *_: study.study_sets(CROPS, seed=seed),
}


def test_every_seed_is_tried():
    listed = Path(__file__).parents[1].joinpath("public_api.txt").read_text().splitlines()
    assert {line.partition("(")[0] for line in listed if "seed=" in line} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("seed", [-1, 1.0, "0", True, np.nan, np.random.default_rng(0)], ids=str)
def test_what_is_no_seed_is_refused_by_its_name(name, seed, detector, tmp_path):
    with pytest.raises(InputError, match=r"expected (shuffle_)?seed to be a whole number from 0"):
        CALLS[name](seed, detector, tmp_path)
    assert not list(tmp_path.iterdir())
