"""Joint resampling of videos: against accuracies and binomial spreads that are known."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.study.report.resampling import interval, resample


def scored(right, frames_per_video=1, status="ok"):
    """A balanced set of which the first `right` images of each class are judged rightly."""
    n = len(right)
    labels = np.repeat([0, 1], n)
    verdicts = np.concatenate([right, right])
    scores = np.where(verdicts == 1, labels, 1 - labels).astype(float)
    videos = [f"{label}-{i // frames_per_video}" for label in (0, 1) for i in range(n)]
    return pd.DataFrame({"label": labels, "score": scores, "status": status, "video": videos})


def test_the_first_value_is_the_accuracy_itself():
    table = scored(np.arange(50) < 40)
    values = resample({"FS": {"a": table}}, n_resamples=10, seed=0)["a", "FS"]
    assert values[0] == 80.0
    assert values.shape == (11,)


def test_the_spread_is_the_binomial_one():
    table = scored(np.arange(200) < 150)
    values = resample({"FS": {"a": table}}, n_resamples=4000, seed=1)["a", "FS"][1:]
    # Both classes have the same share of right answers, so the accuracy is a mean of 400 draws.
    assert values.std() == pytest.approx(100 * np.sqrt(0.75 * 0.25 / 400), rel=0.05)
    assert values.mean() == pytest.approx(75.0, abs=0.15)


def test_frames_of_one_video_are_drawn_together():
    right = np.repeat(np.arange(20) < 15, 10)
    alone = resample({"FS": {"a": scored(right)}}, n_resamples=2000, seed=0)["a", "FS"]
    together = resample({"FS": {"a": scored(right, 10)}}, n_resamples=2000, seed=0)["a", "FS"]
    assert together[1:].std() == pytest.approx(np.sqrt(10) * alone[1:].std(), rel=0.1)


def test_detectors_meet_the_same_videos():
    rng = np.random.default_rng(0)
    right = rng.random(100) < 0.7
    same = {"a": scored(right), "b": scored(right), "c": scored(~right)}
    found = resample({"FS": same}, n_resamples=50, seed=3)
    np.testing.assert_array_equal(found["a", "FS"], found["b", "FS"])
    np.testing.assert_allclose(found["a", "FS"] + found["c", "FS"], 100.0)


def test_images_without_a_score_are_left_out():
    table = scored(np.arange(10) < 8)
    table.loc[9, "status"] = "error"  # A real that is judged wrongly.
    values = resample({"FS": {"a": table}}, n_resamples=5, seed=0)["a", "FS"]
    assert values[0] == pytest.approx(100 * 16 / 19)


def test_degradation_is_the_original_accuracy_less_the_mean():
    sets = {
        name: {"a": scored(np.arange(50) < right)}
        for name, right in (("CELEB", 45), ("FS", 25), ("NT", 30))
    }
    found = resample(sets, n_resamples=200, seed=0)
    lost = found.degradation("a", "CELEB", ("FS", "NT"))
    assert lost[0] == pytest.approx(90 - (50 + 60) / 2)
    assert interval(lost).low < lost[0] < interval(lost).high


def test_another_seed_draws_other_videos():
    table = scored(np.arange(50) < 40)
    one, other = (
        resample({"FS": {"a": table}}, n_resamples=20, seed=seed)["a", "FS"] for seed in (0, 1)
    )
    assert one[0] == other[0]
    assert not np.array_equal(one, other)


def test_a_video_in_two_sets_weighs_the_same_in_both():
    right = np.random.default_rng(0).random(60) < 0.6
    shared = {name: {"a": scored(right)} for name in ("FS", "NT")}
    found = resample(shared, n_resamples=30, seed=0)
    np.testing.assert_array_equal(found["a", "FS"], found["a", "NT"])
    other = scored(right).assign(video=lambda table: "other " + table["video"])
    found = resample({**shared, "DFD": {"a": other}}, n_resamples=30, seed=0)
    assert not np.allclose(found["a", "FS"][1:], found["a", "DFD"][1:])
