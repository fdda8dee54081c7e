"""Resampling: groups, how often images are drawn, and the videos of several sets together."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.resampling import (
    group_codes,
    percentile_interval,
    resample_counts,
    resample_jointly,
)


@pytest.mark.parametrize(
    "groups",
    [
        ["a", None, "b", float("nan")],
        ("a", np.nan, "b", pd.NA),
        np.array([1.0, np.nan, 2.0, np.nan]),
        np.array(["a", None, "b", None], dtype=object),
        pd.Series(["a", None, "b", pd.NA]),
        pd.Series(["a", None, "b", None], dtype="string"),
    ],
)
@pytest.mark.parametrize("in_order", [False, True])
def test_a_missing_group_is_refused_and_not_named_nan(groups, in_order):
    with pytest.raises(InputError, match="a group for every image, received 2 without") as caught:
        group_codes(groups, 4, in_order=in_order)
    assert caught.value.hint == "Name the video of every image, or leave these images out."


def test_a_video_may_be_called_nan():
    assert group_codes(["nan", "a", "b"], 3).tolist() == [0, 1, 2]
    assert group_codes(["nan", "a", "b"], 3, in_order=True).tolist() == [2, 0, 1]


def test_whole_videos_are_drawn():
    videos = np.array(["b", "a", "b", "c", "a", "d"])
    resampling = Resampling(n_resamples=500, seed=1)
    times = resample_counts(group_codes(videos, 6), resampling)
    assert times.shape == (6, 500)
    for name in "ab":
        of_video = times[videos == name]
        np.testing.assert_array_equal(of_video[0], of_video[1])
    per_video = times[0] + times[1] + times[3] + times[5]
    np.testing.assert_array_equal(per_video, 4)
    assert times.mean() == pytest.approx(1, abs=0.1)
    again = resample_counts(group_codes(videos.tolist(), 6), resampling)
    np.testing.assert_array_equal(times, again)


def test_without_groups_every_image_is_its_own():
    times = resample_counts(group_codes(None, 5), Resampling(n_resamples=50))
    np.testing.assert_array_equal(times.sum(axis=0), 5)
    assert len({tuple(column) for column in times.T}) > 10


def test_groups_that_cannot_be_drawn_are_refused():
    with pytest.raises(UndefinedMetricError, match="undefined for one group only"):
        group_codes(["a"] * 4, 4)
    with pytest.raises(InputError, match=r"one group for each of 4 images, received shape \(2,\)"):
        group_codes(["a", "b"], 4)
    with pytest.raises(InputError, match="n_resamples to be a whole number from 1, received 0"):
        Resampling(n_resamples=0)


def test_an_interval_is_of_the_values_after_the_first():
    values = np.concatenate([[5.0], np.arange(101.0)])
    found = percentile_interval(values)
    assert (found.estimate, found.low, found.high) == pytest.approx((5.0, 2.5, 97.5))


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
    values = resample_jointly({"FS": {"a": table}}, n_resamples=10, seed=0)["a", "FS"]
    assert values[0] == 80.0
    assert values.shape == (11,)


def test_the_spread_is_the_binomial_one():
    table = scored(np.arange(200) < 150)
    values = resample_jointly({"FS": {"a": table}}, n_resamples=4000, seed=1)["a", "FS"][1:]
    # Both classes have the same share of right answers, so the accuracy is a mean of 400 draws.
    assert values.std() == pytest.approx(100 * np.sqrt(0.75 * 0.25 / 400), rel=0.05)
    assert values.mean() == pytest.approx(75.0, abs=0.15)


def test_frames_of_one_video_are_drawn_together():
    right = np.repeat(np.arange(20) < 15, 10)
    alone = resample_jointly({"FS": {"a": scored(right)}}, n_resamples=2000, seed=0)["a", "FS"]
    together = resample_jointly({"FS": {"a": scored(right, 10)}}, n_resamples=2000, seed=0)[
        "a", "FS"
    ]
    assert together[1:].std() == pytest.approx(np.sqrt(10) * alone[1:].std(), rel=0.1)


def test_detectors_meet_the_same_videos():
    rng = np.random.default_rng(0)
    right = rng.random(100) < 0.7
    same = {"a": scored(right), "b": scored(right), "c": scored(~right)}
    found = resample_jointly({"FS": same}, n_resamples=50, seed=3)
    np.testing.assert_array_equal(found["a", "FS"], found["b", "FS"])
    np.testing.assert_allclose(found["a", "FS"] + found["c", "FS"], 100.0)


def test_images_without_a_score_are_left_out():
    table = scored(np.arange(10) < 8)
    table.loc[9, "status"] = "error"  # A real that is judged wrongly.
    values = resample_jointly({"FS": {"a": table}}, n_resamples=5, seed=0)["a", "FS"]
    assert values[0] == pytest.approx(100 * 16 / 19)


def test_degradation_is_the_original_accuracy_less_the_mean():
    sets = {
        name: {"a": scored(np.arange(50) < right)}
        for name, right in (("CELEB", 45), ("FS", 25), ("NT", 30))
    }
    found = resample_jointly(sets, n_resamples=200, seed=0)
    lost = found.degradation("a", "CELEB", ("FS", "NT"))
    assert lost[0] == pytest.approx(90 - (50 + 60) / 2)
    assert percentile_interval(lost).low < lost[0] < percentile_interval(lost).high


def test_another_seed_draws_other_videos():
    table = scored(np.arange(50) < 40)
    one, other = (
        resample_jointly({"FS": {"a": table}}, n_resamples=20, seed=seed)["a", "FS"]
        for seed in (0, 1)
    )
    assert one[0] == other[0]
    assert not np.array_equal(one, other)


def test_a_video_in_two_sets_weighs_the_same_in_both():
    right = np.random.default_rng(0).random(60) < 0.6
    shared = {name: {"a": scored(right)} for name in ("FS", "NT")}
    found = resample_jointly(shared, n_resamples=30, seed=0)
    np.testing.assert_array_equal(found["a", "FS"], found["a", "NT"])
    other = scored(right).assign(video=lambda table: "other " + table["video"])
    found = resample_jointly({**shared, "DFD": {"a": other}}, n_resamples=30, seed=0)
    assert not np.allclose(found["a", "FS"][1:], found["a", "DFD"][1:])
