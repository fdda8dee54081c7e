"""What helps: each kind less the original of its own family, with an interval over both chances."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.resampling import Replicates
from deepfake_generalize.metrics.units import Units
from deepfake_generalize.study import Protocol, Source
from deepfake_generalize.study.experiment import DetectorFamily
from deepfake_generalize.study.report.what_helps import what_helps

PROTOCOL = Protocol({"home": Source(("far", "away"))}, fine_tunings=("none", "paired"))
FAMILIES = [DetectorFamily(name, "home", None, PROTOCOL) for name in ("mesonet", "xception")]
MANY = Units(((),), np.zeros((1, 1), np.int64), 1000, "videos")


def training(gains, home=0.0, noise=0.0):
    """Accuracies of both networks: paired is better by these points, and by noise in resamples."""
    numbers = {}
    drawn = np.random.default_rng(1).normal(0, 0.01, 201) * np.r_[0, np.ones(200)]
    for family, gain in zip(FAMILIES, gains, strict=True):
        for key, more in (("home", home), ("far", gain), ("away", gain - 0.02)):
            numbers[family.detector("none"), key, "accuracy"] = 0.5 + drawn[np.newaxis]
            numbers[family.detector("paired"), key, "accuracy"] = (
                0.5 + more + (1 + noise) * drawn[np.newaxis]
            )
    units = dict.fromkeys(("home", "far", "away"), MANY)
    return Replicates(numbers, units, Resampling(), scale=100.0)


def test_the_difference_is_the_mean_over_networks_and_paired_by_video():
    found = what_helps(FAMILIES, [training([0.10, 0.06], home=0.01)]).set_index("set")
    expected = {"far": 8.0, "away": 6.0, "average of unseen sets": 7.0, "original test set": 1.0}
    for name, value in (*expected.items(), ("degradation", -6.0)):
        row = found.loc[name]
        # Both move alike from resample to resample: nothing is left to chance.
        assert (row["difference"], row["families"]) == (pytest.approx(value), 2)
        assert row["highest"] - row["lowest"] < 1e-6
        assert row["told"] == "better"
    assert (found["fine_tuning"] == "paired").all()


def test_the_interval_is_of_students_t_over_trainings_and_says_what_leaves_out_zero():
    gains = [[0.10, 0.06], [0.05, 0.05], [-0.02, 0.0]]
    found = what_helps(FAMILIES, [training(each) for each in gains]).set_index("set")
    means = 100 * np.mean(gains, axis=1)
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    assert found.loc["far", ["difference", "lowest", "highest"]].tolist() == pytest.approx(
        [means.mean(), low, high]
    )
    assert found.loc["far", "told"] == ""
    worse = what_helps(FAMILIES, [training([-0.1, -0.1])]).set_index("set")
    assert worse.loc["degradation", "told"] == worse.loc["far", "told"] == "worse"
    noisy = what_helps(FAMILIES, [training([0.1, 0.1], noise=1.0)]).set_index("set").loc["far"]
    half = (noisy["highest"] - noisy["lowest"]) / 2
    assert half == pytest.approx(1.96, rel=0.2)
    assert not math.isclose(half, 0)


def test_an_interval_asks_no_videos_of_sets_that_it_is_not_of():
    one = training([0.1, 0.1], noise=1.0)
    few = Units(((),), np.zeros((1, 1), np.int64), 1, "videos")
    units = one.units | {"away": few, "people": few}
    found = what_helps(FAMILIES, [dataclasses.replace(one, units=units)])
    known = found.set_index("set")["lowest"].notna()
    assert known[known].index.tolist() == ["original test set", "far"]


def test_a_study_of_originals_alone_has_nothing_to_tell():
    alone = DetectorFamily("mesonet", "home", None, Protocol({"home": Source(("far",))}))
    assert what_helps([alone], []).empty
