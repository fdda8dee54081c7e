"""What helps: each kind less the original of its own family, with an interval over both chances."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.resampling import Replicates, Units
from deepfake_generalize.study import Protocol, Source
from deepfake_generalize.study.experiment import DetectorFamily
from deepfake_generalize.study.report.what_helps import helping_kinds, what_helps

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
    (row,) = what_helps(FAMILIES, [training([0.10, 0.06], home=0.01)]).to_dict("records")
    assert (row["fine_tuning"], row["families"]) == ("paired", 2)
    expected = {"far": 8.0, "away": 6.0, "average_gained": 7.0, "home_gained": 1.0}
    for name, value in (*expected.items(), ("degradation", -6.0)):
        # Both move alike from resample to resample: nothing is left to chance.
        assert row[name] == pytest.approx(value)
        assert row[f"{name}_high"] - row[f"{name}_low"] < 1e-6


def test_the_interval_is_of_students_t_over_trainings():
    gains = [[0.10, 0.06], [0.05, 0.05], [-0.02, 0.0]]
    (row,) = what_helps(FAMILIES, [training(each) for each in gains]).to_dict("records")
    means = 100 * np.mean(gains, axis=1)
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    found = [row["far"], row["far_low"], row["far_high"]]
    assert found == pytest.approx([means.mean(), low, high])
    (noisy,) = what_helps(FAMILIES, [training([0.1, 0.1], noise=1.0)]).to_dict("records")
    assert (noisy["far_high"] - noisy["far_low"]) / 2 == pytest.approx(1.96, rel=0.2)


def test_an_interval_asks_no_videos_of_sets_that_it_is_not_of():
    one = training([0.1, 0.1], noise=1.0)
    few = Units(((),), np.zeros((1, 1), np.int64), 1, "videos")
    units = one.units | {"away": few, "people": few}
    (row,) = what_helps(FAMILIES, [dataclasses.replace(one, units=units)]).to_dict("records")
    known = [name for name in row if name.endswith("_low") and not np.isnan(row[name])]
    assert known == ["home_gained_low", "far_low"]


def test_it_is_said_plainly_which_kind_helps_and_that_none_does():
    found = what_helps(FAMILIES, [training([0.1, 0.06])])
    assert helping_kinds(found).endswith("unseen sets: paired by 7.00 points.")
    none = what_helps(FAMILIES, [training([-0.1, 0.06])])
    assert helping_kinds(none).startswith("None of what sees the source alone (paired) is shown to")
    assert helping_kinds(found.assign(fine_tuning="merge")) == ""


def test_a_study_of_originals_alone_has_nothing_to_tell():
    alone = DetectorFamily("mesonet", "home", None, Protocol({"home": Source(("far",))}))
    assert what_helps([alone], []).empty
