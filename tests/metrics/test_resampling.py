"""Resampling: what is drawn, the videos of several sets together, and intervals of what was."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm, t

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.resampling import (
    Replicates,
    Scored,
    Units,
    exponential_weights,
    find_units,
    number_groups,
    resample,
    resample_counts,
    resample_means,
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
        number_groups(groups, 4, in_order=in_order)
    assert caught.value.hint == "Name the video of every image, or leave these images out."


def test_a_video_may_be_called_nan():
    assert number_groups(["nan", "a", "b"], 3)[0].tolist() == [0, 1, 2]
    assert number_groups(["nan", "a", "b"], 3, in_order=True)[0].tolist() == [2, 0, 1]


def test_whole_videos_are_drawn():
    videos = np.array(["b", "a", "b", "c", "a", "d"])
    resampling = Resampling(n_resamples=500, seed=1)
    times = resample_counts(videos, 6, resampling)
    assert times.shape == (6, 500)
    for name in "ab":
        of_video = times[videos == name]
        np.testing.assert_array_equal(of_video[0], of_video[1])
    per_video = times[0] + times[1] + times[3] + times[5]
    np.testing.assert_array_equal(per_video, 4)
    assert times.mean() == pytest.approx(1, abs=0.1)
    again = resample_counts(videos.tolist(), 6, resampling)
    np.testing.assert_array_equal(times, again)


def test_without_groups_every_image_is_its_own():
    times = resample_counts(None, 5, Resampling(n_resamples=50))
    np.testing.assert_array_equal(times.sum(axis=0), 5)
    assert len({tuple(column) for column in times.T}) > 10


def test_groups_that_cannot_be_drawn_are_refused():
    with pytest.raises(UndefinedMetricError, match="undefined for one group only"):
        resample_counts(["a"] * 4, 4, Resampling())
    with pytest.raises(InputError, match=r"one group for each of 4 images, received shape \(2,\)"):
        number_groups(["a", "b"], 4)
    with pytest.raises(InputError, match="n_resamples to be a whole number from 1, received 0"):
        Resampling(n_resamples=0)


def test_weights_are_splitmix64_made_exponential():
    # The first numbers of the generator seeded with 0 and with 1234567, as published with it.
    published = {
        0: [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F],
        1234567: [6457827717110365317, 3203168211198807973, 9817491932198370423],
    }
    for seed, numbers in published.items():
        uniform = np.array([((number >> 11) + 1) * 2.0**-53 for number in numbers])
        found = exponential_weights(np.array([seed], np.uint64), 0, 3)
        np.testing.assert_allclose(found[0], -np.log(uniform), rtol=1e-14)
        later = exponential_weights(np.array([seed], np.uint64), 2, 1)
        assert later[0, 0] == found[0, 2]
    many = exponential_weights(np.arange(3000, dtype=np.uint64), 0, 200)
    assert many.mean() == pytest.approx(1.0, abs=0.01)
    assert many.var() == pytest.approx(1.0, abs=0.02)
    by_unit, by_resample = np.corrcoef(many[:60, :])[0, 1:], np.corrcoef(many.T)[0, 1:]
    assert np.abs(by_unit).max() < 0.35
    assert np.abs(by_resample).max() < 0.1


def scored(right, frames_per_video=1, prefix=""):
    """A balanced set of which the first `right` images of each class are judged rightly."""
    n = len(right)
    labels = np.repeat([0, 1], n)
    verdicts = np.concatenate([right, right])
    scores = np.where(verdicts == 1, labels, 1 - labels).astype(float)
    videos = [f"{prefix}{label}-{i // frames_per_video}" for label in (0, 1) for i in range(n)]
    return Scored(labels, scores, videos)


def accuracies(sets, **options):
    return resample(sets, ["accuracy"], Resampling(**options), scale=100.0)


def test_the_first_value_is_the_accuracy_itself():
    values = accuracies({"FS": {"a": scored(np.arange(50) < 40)}}, n_resamples=10)["a", "FS"]
    assert values[0, 0] == 80.0
    assert values.shape == (1, 11)


def test_the_spread_is_the_binomial_one():
    table = scored(np.arange(200) < 150)
    values = accuracies({"FS": {"a": table}}, n_resamples=4000, seed=1)["a", "FS"][0, 1:]
    # Both classes have the same share of right answers, so the accuracy is a mean of 400 draws.
    assert values.std() == pytest.approx(100 * np.sqrt(0.75 * 0.25 / 400), rel=0.05)
    assert values.mean() == pytest.approx(75.0, abs=0.15)


def test_classes_keep_their_sizes():
    # Reals all right and fakes all wrong: what varies is neither, so the accuracy does not either.
    labels = np.repeat([0, 1], [30, 10])
    found = accuracies({"FS": {"a": Scored(labels, np.zeros(40), np.arange(40))}}, n_resamples=50)
    interval = found.interval(found["a", "FS"])
    assert (interval.estimate, interval.low, interval.high) == (75.0, 75.0, 75.0)


def test_frames_of_one_video_are_drawn_together():
    right = np.repeat(np.arange(20) < 15, 10)
    alone = accuracies({"FS": {"a": scored(right)}}, n_resamples=2000)["a", "FS"]
    together = accuracies({"FS": {"a": scored(right, 10)}}, n_resamples=2000)["a", "FS"]
    assert together[0, 1:].std() == pytest.approx(np.sqrt(10) * alone[0, 1:].std(), rel=0.1)


def test_detectors_meet_the_same_videos():
    right = np.random.default_rng(0).random(100) < 0.7
    same = {"a": scored(right), "b": scored(right), "c": scored(~right)}
    found = accuracies({"FS": same}, n_resamples=50, seed=3)
    np.testing.assert_array_equal(found["a", "FS"], found["b", "FS"])
    np.testing.assert_allclose(found["a", "FS"] + found["c", "FS"], 100.0)


def test_degradation_is_the_original_accuracy_less_the_mean():
    sets = {
        name: {"a": scored(np.arange(50) < right)}
        for name, right in (("CELEB", 45), ("FS", 25), ("NT", 30))
    }
    found = accuracies(sets, n_resamples=200)
    lost = found.degradation("a", "CELEB", ("FS", "NT"))
    assert lost[0, 0] == pytest.approx(90 - (50 + 60) / 2)
    interval = found.interval(lost)
    assert interval.low < lost[0, 0] < interval.high


def test_another_seed_draws_other_videos():
    table = scored(np.arange(50) < 40)
    first, other = (
        accuracies({"FS": {"a": table}}, n_resamples=20, seed=seed)["a", "FS"] for seed in (0, 1)
    )
    assert first[0, 0] == other[0, 0]
    assert not np.array_equal(first, other)


def test_a_video_in_two_sets_weighs_the_same_in_both():
    right = np.random.default_rng(0).random(60) < 0.6
    shared = {name: {"a": scored(right)} for name in ("FS", "NT")}
    found = accuracies(shared, n_resamples=30)
    np.testing.assert_array_equal(found["a", "FS"], found["a", "NT"])
    found = accuracies({**shared, "DFD": {"a": scored(right, prefix="other ")}}, n_resamples=30)
    assert not np.allclose(found["a", "FS"][:, 1:], found["a", "DFD"][:, 1:])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), order=st.permutations(["FS", "NT", "DF"]))
def test_other_sets_and_detectors_beside_it_and_their_order_change_nothing(seed, order):
    rng = np.random.default_rng(seed)
    sets = {name: {"a": scored(rng.random(8) < 0.6, prefix=name)} for name in ("FS", "NT", "DF")}
    alone = accuracies({"FS": sets["FS"]}, n_resamples=7)["a", "FS"]
    others = {name: sets[name] | {"b": sets[name]["a"]} for name in order}
    np.testing.assert_allclose(accuracies(others, n_resamples=7)["a", "FS"], alone, rtol=1e-12)


def by_person(effects, frames=40):
    """Fakes and reals of people; `effects` says how far errors belong to (target, source)."""
    rng = np.random.default_rng(5)
    n, labels, scores, people, videos = 30, [], [], [], []
    seen, put_in = rng.normal(size=n), rng.normal(size=n)
    for video in range(600):
        target, source = rng.integers(n, size=2)
        fake = video % 2
        push = effects[0] * seen[target] + effects[1] * fake * put_in[source] + rng.normal() * 0.5
        labels.append(fake)
        scores.append(norm.cdf(push if fake else -push))
        people.append((f"{target}", f"{source}" if fake else ""))
        videos.append(f"{video}")
    return np.array(labels), np.array(scores), np.array(videos), np.array(people, dtype=object)


@pytest.mark.parametrize("effects", [(1.5, 0.0), (0.0, 1.5)])
def test_people_widen_the_interval_where_errors_are_theirs(effects):
    labels, scores, videos, people = by_person(effects)
    width = {}
    for unit, who in (("videos", None), ("people", people)):
        found = accuracies({"s": {"": Scored(labels, scores, videos, people=who)}})
        interval = found.interval(found["", "s"])
        assert interval.unit == unit
        width[unit] = interval.high - interval.low
    assert width["people"] > 1.5 * width["videos"]
    units = find_units(Scored(labels, scores, videos, people=people))
    assert units.n == 30
    assert len(units.names) == 3


def test_swaps_that_are_each_of_another_pair_are_drawn_as_videos():
    """The variance by target and by source, less that by both, is that of single videos."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    scores = rng.random(200)
    people = np.array([(f"{i}", "") for i in range(100)] + [(f"t{i}", f"s{i}") for i in range(100)])
    videos = np.arange(200)
    widths = []
    for who in (None, people.astype(object)):
        found = accuracies(
            {"s": {"": Scored(labels, scores, videos, people=who)}}, n_resamples=4000
        )
        interval = found.interval(found["", "s"])
        widths.append(interval.high - interval.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


def test_a_set_without_people_beside_one_with_them_varies_as_it_does_alone():
    labels, scores, videos, people = by_person((1.5, 0.0))
    known = {"": Scored(labels, scores, videos, people=people)}
    unknown = {"": scored(np.arange(50) < 40, prefix="other ")}
    alone = accuracies({"u": unknown}, n_resamples=20)["", "u"]
    found = accuracies({"k": known, "u": unknown}, n_resamples=20)
    assert found["", "k"].shape == found["", "u"].shape == (3, 21)
    for way in found["", "u"]:
        np.testing.assert_allclose(way, alone[0], rtol=1e-12)
    np.testing.assert_array_equal(
        found.degradation("", "k", ["u"]), found["", "k"] - found["", "u"]
    )


def test_few_people_are_not_drawn_and_that_is_said():
    labels = np.repeat([0, 1], 20)
    people = np.array([f"{i % 4}" for i in range(40)], dtype=object)
    units = find_units(Scored(labels, labels / 1.0, np.arange(40), people=people))
    assert (units.n, units.unit) == (20, "videos")
    assert units.note == (
        "4 people of a class: too few to draw people, so intervals are of other videos of the "
        "same people"
    )
    with pytest.raises(
        InputError, match=r"people of shape \(40,\) or \(40, 2\), received \(3, 1\)"
    ):
        find_units(Scored(labels, labels / 1.0, np.arange(40), people=["a", "b", "c"]))


def of_normal(n, ways=1):
    numbers = {("", "s", "accuracy"): np.zeros((ways, 2))}
    units = {"s": Units(((),) * ways, np.zeros((ways, 1), np.int64), n, "videos")}
    return Replicates(numbers, units, Resampling())


def test_the_interval_is_students_of_normal_replicates():
    rng = np.random.default_rng(0)
    for n in (5, 12, 300):
        # As the weights make them: with the variance of the mean of n, times (n - 1) / (n + 1).
        spread = np.sqrt((n - 1) / (n + 1) / n)
        values = np.concatenate([[10.0], 10.0 + spread * rng.normal(size=200_000)])
        found = of_normal(n).interval(values)
        assert found.estimate == 10.0
        margin = t.ppf(0.975, n - 1) / np.sqrt(n)
        assert (found.low, found.high) == pytest.approx((10 - margin, 10 + margin), abs=0.01)
        assert (found.n, found.unit, found.note) == (n, "videos", "")


def test_two_ways_add_their_variances_and_take_off_that_of_both():
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [np.zeros((3, 1)), np.array([[3.0], [2.0], [1.0]]) * rng.normal(size=(3, 100_000))], axis=1
    )
    found = of_normal(2000, ways=3).interval(values)
    assert found.high == pytest.approx(1.96 * np.sqrt(9 + 4 - 1), rel=0.02)


def test_fewer_than_five_videos_of_a_class_have_no_interval():
    found = of_normal(4).interval(np.arange(5.0))
    assert (found.estimate, found.n) == (0.0, 4)
    assert np.isnan([found.low, found.high]).all()
    assert found.note == "no interval: 4 videos of a class, and none is made of fewer than 5"


def test_what_is_bounded_has_its_interval_on_the_scale_of_logits():
    logits = np.concatenate([[3.0], 3.0 + 0.5 * np.random.default_rng(0).normal(size=200_000)])
    found = of_normal(50).interval(10 * expit(logits), within=(0.0, 10.0))
    margin = t.ppf(0.975, 49) * 0.5 * np.sqrt(51 / 49)
    assert (found.low, found.high) == pytest.approx(
        (10 * expit(3 - margin), 10 * expit(3 + margin)), abs=0.01
    )
    at_border = of_normal(50).interval(np.ones(5), within=(0.0, 1.0))
    assert (at_border.low, at_border.high) == (1.0, 1.0)


def test_means_of_numbers_are_drawn_by_video():
    rng = np.random.default_rng(1)
    by_video = rng.random(50)
    values, videos = np.repeat(by_video, 4), np.repeat(np.arange(50), 4)
    found = resample_means({"a": (values, videos)}, Resampling(n_resamples=4000))
    interval = found.interval(found["", "a"])
    assert interval.estimate == pytest.approx(by_video.mean())
    margin = t.ppf(0.975, 49) * by_video.std(ddof=1) / np.sqrt(50)
    assert interval.high - interval.low == pytest.approx(2 * margin, rel=0.05)
