"""Intervals of degradations: against drawing by hand, by coverage, and what is refused."""

import numpy as np
import pytest
from scipy.stats import t

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import (
    degradation_interval,
)
from deepfake_generalize.metrics.resampling import Scored


def sampled_set(rng, accuracy: float, *, n_videos: int = 100, n_frames: int = 4) -> Scored:
    """A set whose videos are wholly right or wholly wrong."""
    videos = np.repeat(np.arange(n_videos), n_frames)
    labels = videos % 2
    right = (rng.random(n_videos) < accuracy)[videos]
    return Scored(labels, np.where(right, labels, 1 - labels) * 0.8 + 0.1, groups=videos)


@pytest.mark.nightly
def test_the_spread_is_that_of_independent_means() -> None:
    rng = np.random.default_rng(0)
    sets = [sampled_set(rng, share, n_videos=200) for share in (0.9, 0.5, 0.6, 0.8)]
    for number, known in enumerate(sets):
        names = np.array([f"{number}-{video}" for video in known.groups])
        sets[number] = Scored(known.labels, known.scores, names)

    def variance(known: Scored) -> float:
        right = ((np.asarray(known.scores) >= 0.5) == known.labels)[::4]
        by_class = [right[label::2].var(ddof=1) for label in (0, 1)]
        return sum(by_class) / 4 / 100

    first, second, third, fourth = map(variance, sets)
    found = degradation_interval(sets[0], sets[1:3], n_resamples=8000)
    expected = 2 * t.ppf(0.975, 99) * np.sqrt(first + (second + third) / 4)
    assert found.high - found.low == pytest.approx(expected, rel=0.05)
    difference = degradation_interval(sets[0], sets[1:3], sets[3:], n_resamples=8000)
    expected = 2 * t.ppf(0.975, 99) * np.sqrt(fourth + (second + third) / 4)
    assert difference.high - difference.low == pytest.approx(expected, rel=0.05)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        original, *unseen = (sampled_set(rng, share) for share in (0.95, 0.5, 0.6))
        found = degradation_interval(original, unseen, n_resamples=200, seed=trial)
        held += found.low <= 0.4 <= found.high
    assert 180 <= held <= 199


def test_the_same_set_twice_loses_nothing_for_sure() -> None:
    same = sampled_set(np.random.default_rng(2), 0.5)
    found = degradation_interval(same, [same])
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)


def test_shared_videos_cancel_as_far_as_they_are_shared() -> None:
    rng = np.random.default_rng(2)
    labels, videos = np.repeat([0, 1], 50), np.arange(100)
    right = rng.random(100) < 0.6
    home = Scored(labels, np.where(right, labels, 1 - labels), videos)
    away = np.where(labels == 0, right, rng.random(100) < 0.6)
    names = np.where(labels == 0, videos, videos + 1000)
    shared = degradation_interval(home, [Scored(labels, np.where(away, labels, 1 - labels), names)])
    apart = degradation_interval(
        home, [Scored(labels, np.where(away, labels, 1 - labels), videos + 1000)]
    )
    ratio = (shared.high - shared.low) / (apart.high - apart.low)
    assert ratio == pytest.approx(np.sqrt(0.5), rel=0.15)


def test_the_original_set_cancels_in_the_difference() -> None:
    rng = np.random.default_rng(3)
    unseen, special = sampled_set(rng, 0.5), sampled_set(rng, 0.7)
    few = Scored([1, 0] * 5, [0.9, 0.9] * 5)
    wide = degradation_interval(few, [unseen], [special], seed=1)
    sharp = degradation_interval(sampled_set(rng, 0.9), [unseen], [special], seed=1)
    assert wide == sharp


def test_the_seed_decides_and_groups_widen() -> None:
    rng = np.random.default_rng(4)
    home, away = sampled_set(rng, 0.5), sampled_set(rng, 0.5)
    away = Scored(away.labels, away.scores, np.asarray(away.groups) + 1000)
    assert degradation_interval(home, [away], seed=1) == degradation_interval(home, [away], seed=1)
    assert degradation_interval(home, [away], seed=1) != degradation_interval(home, [away], seed=2)
    frames = [Scored(known.labels, known.scores) for known in (home, away)]
    by_video, by_frame = (
        degradation_interval(home, [away]),
        degradation_interval(*frames[:1], frames[1:]),
    )
    assert by_video.high - by_video.low > 1.7 * (by_frame.high - by_frame.low)


def test_scores_are_told_apart_without_comparing_their_arrays() -> None:
    first, second = (sampled_set(np.random.default_rng(5), 0.5) for _ in range(2))
    assert first != second
    assert len({first, second, first}) == 2


def test_what_a_coin_decides_counts_half() -> None:
    sure = Scored([1, 0, 1, 0], [0.9, 0.1, 0.9, 0.1])
    coin = Scored([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5], tie=[0, 0, 1, 1])
    assert degradation_interval(sure, [coin]).estimate == 0.25


def test_a_set_is_a_tuple_of_arrays() -> None:
    labels, scores, videos = [1, 0, 1, 0] * 5, [0.9, 0.1, 0.5, 0.5] * 5, range(20)
    found = degradation_interval((labels, scores), [(labels, scores, videos)])
    assert found == degradation_interval(
        Scored(labels, scores), [Scored(labels, scores, groups=videos)]
    )
    coin = degradation_interval((labels, scores), [(labels, scores, None, [0, 0, 1, 1] * 5)])
    assert coin.estimate == 0.0
    for wrong, came in (((labels,), "1 of them"), (labels, "list")):
        with pytest.raises(InputError, match=f"a set as .*, received {came}"):
            degradation_interval(wrong, [(labels, scores)])


def test_what_has_no_interval_is_refused() -> None:
    one = Scored([1, 0], [0.9, 0.1])
    with pytest.raises(UndefinedMetricError, match="undefined without unseen sets"):
        degradation_interval(one, [])
    with pytest.raises(UndefinedMetricError, match="undefined without specialized sets"):
        degradation_interval(one, [one], [])
    with pytest.raises(InputError, match="as many labels as scores"):
        degradation_interval(one, [Scored([1, 0], [0.5])])
    found = degradation_interval(one, [Scored([1, 0], [0.5, 0.1], groups=["v", "v"])])
    assert np.isnan(found.low)
    assert found.note.startswith("no interval: 1 ")
    with pytest.raises(InputError, match="threshold to be a number from 0"):
        degradation_interval(one, [one], threshold=2.0)
    with pytest.raises(InputError, match="level to be a number above 0 and below 1"):
        degradation_interval(one, [one], level=0.0)


def test_sets_may_come_from_a_generator() -> None:
    labels, scores = [1, 1, 0, 0] * 10, [0.9, 0.2, 0.1, 0.2] * 10
    sets = [(labels, scores), (labels, scores[::-1])]
    assert degradation_interval(sets[0], (given for given in sets)) == degradation_interval(
        sets[0], sets
    )
    assert degradation_interval(sets[0], iter(sets), iter(sets[:1])) == degradation_interval(
        sets[0], sets, sets[:1]
    )
    for wrong in (None, {"a": sets[0]}, Scored(labels, scores)):
        with pytest.raises(InputError, match="unseen as a list of sets, received"):
            degradation_interval(sets[0], wrong)
