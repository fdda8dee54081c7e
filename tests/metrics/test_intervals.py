"""Bootstrap intervals: fast paths against copying the images, coverage, and what is refused."""

import functools
import json
import math
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
from deepfake_generalize.metrics._ranked import RankedScores
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import (
    Interval,
    accuracy,
    auc,
    average_precision,
    bootstrap_interval,
    eer,
    per_class_accuracy,
    resampling,
)
from deepfake_generalize.metrics.intervals import METRICS


def plain(metric):
    """Hide a metric's identity, so that it takes the plain way."""

    def hidden(labels, scores):
        return metric(labels, scores)

    return hidden


def simulated(rng, *, n_videos=60, n_frames=5, spread=0.2):
    """Videos, half of them fake, whose frames share most of their error."""
    videos = np.repeat(np.arange(n_videos), n_frames)
    labels = videos % 2
    shared = rng.normal(scale=spread, size=n_videos)[videos]
    scores = 0.4 + 0.2 * labels + shared + rng.normal(scale=0.02, size=videos.size)
    return labels, np.clip(scores, 0.0, 1.0), videos


@st.composite
def grouped(draw):
    row = st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 5))
    rows = np.array(draw(st.lists(row, min_size=4, max_size=30)))
    labels, scores, groups = rows[:, 0], rows[:, 1] / 8, rows[:, 2]
    assume(0 < labels.sum() < len(labels) and len(set(groups)) > 1)
    # Both classes in some one group, so that few resamples are undefined.
    assume(any(len(set(labels[groups == group])) == 2 for group in groups))
    return labels, scores, groups


@pytest.mark.parametrize("metric", [auc, average_precision, eer])
@settings(max_examples=40)
@given(data=grouped(), seed=st.integers(0, 5))
def test_the_fast_way_is_the_metric_of_copied_images(metric, data, seed) -> None:
    labels, scores, groups = data
    options = {"groups": groups, "n_resamples": 20, "seed": seed}
    fast = bootstrap_interval(metric, labels, scores, **options)
    slow = bootstrap_interval(plain(metric), labels, scores, **options)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))
    assert fast.estimate == slow.estimate == metric(labels, scores)


@settings(max_examples=40)
@given(grouped())
def test_one_by_one_the_resamples_are_scikit_learns(data) -> None:
    labels, scores, groups = data
    codes = np.unique(groups, return_inverse=True)[1]
    counts = np.random.default_rng(0).integers(0, 3, (6, codes.max() + 1))
    wanted = ("eer", "auc", "average_precision")
    found = RankedScores(labels, scores, codes).measure(counts, wanted)
    for column, times in zip(found.T, counts[:, codes], strict=True):
        if len(set(np.repeat(labels, times))) < 2:
            assert np.isnan(column).all()
            continue
        weights = {"sample_weight": times}
        assert column[1] == pytest.approx(roc_auc_score(labels, scores, **weights))
        assert column[2] == pytest.approx(average_precision_score(labels, scores, **weights))
        assert column[0] == pytest.approx(eer(np.repeat(labels, times), np.repeat(scores, times)))


def test_blocks_and_threads_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores, videos = simulated(np.random.default_rng(8))
    monkeypatch.setattr(resampling, "_ELEMENTS_AT_ONCE", 1 << 12)
    options = {"groups": videos, "n_resamples": 100}
    found = bootstrap_interval(auc, labels, scores, **options)
    monkeypatch.setattr(resampling, "_THREADS", 1)
    assert bootstrap_interval(auc, labels, scores, **options) == found
    slow = bootstrap_interval(plain(auc), labels, scores, **options)
    assert (slow.low, slow.high) == pytest.approx((found.low, found.high))


def test_a_metric_of_the_callers_is_never_called_in_a_thread(monkeypatch) -> None:
    monkeypatch.setattr(resampling, "_ELEMENTS_AT_ONCE", 40)
    callers = set()

    def share_of_fakes(labels, scores):
        callers.add(threading.current_thread())
        return float(labels.mean())

    bootstrap_interval(share_of_fakes, [1, 0, 1, 0], [0.9, 0.1, 0.9, 0.4], n_resamples=50)
    assert callers == {threading.main_thread()}


def test_all_metrics_together_are_each_by_itself() -> None:
    labels, scores, videos = simulated(np.random.default_rng(5))
    together = bootstrap_interval(METRICS, labels, scores, groups=videos, threshold=0.45)
    assert list(together) == [
        "accuracy", "accuracy_real", "accuracy_fake", "auc", "average_precision", "eer",
    ]  # fmt: skip
    for name, metric in (("auc", auc), ("average_precision", average_precision), ("eer", eer)):
        alone = bootstrap_interval(metric, labels, scores, groups=videos)
        assert together[name].estimate == alone.estimate
        assert together[name].low == pytest.approx(alone.low, abs=0.01)
        assert together[name].high == pytest.approx(alone.high, abs=0.01)
    at = functools.partial(accuracy, threshold=0.45)
    assert together["accuracy"] == bootstrap_interval(at, labels, scores, groups=videos)
    by_class = per_class_accuracy(labels, scores, threshold=0.45)
    for name in ("real", "fake"):
        of_class = labels == (name == "fake")
        alone = bootstrap_interval(
            at, labels[of_class], scores[of_class], groups=videos[of_class], n_resamples=4000
        )
        found = together[f"accuracy_{name}"]
        assert found.estimate == by_class[name] == alone.estimate
        # The number of videos of the class varies here as well, so the spread is alike, not equal.
        assert found.low == pytest.approx(alone.low, abs=0.03)
        assert found.high == pytest.approx(alone.high, abs=0.03)


def test_one_class_leaves_only_its_accuracies() -> None:
    found = bootstrap_interval(METRICS, [1, 1, 1], [0.9, 0.1, 0.8])
    assert list(found) == ["accuracy", "accuracy_fake"]
    assert found["accuracy"].estimate == found["accuracy_fake"].estimate == 2 / 3


def test_what_a_coin_decides_counts_half_right() -> None:
    found = bootstrap_interval(METRICS, [1, 1, 0, 0], [0.9, 0.5, 0.1, 0.5], tie=[0, 1, 0, 1])
    assert found["accuracy"].estimate == 0.75
    assert found["accuracy_real"].estimate == found["accuracy_fake"].estimate == 0.75
    assert found["accuracy"].low >= 0.5
    with pytest.raises(InputError, match=r"tie for each of 2 images, received shape \(1,\)"):
        bootstrap_interval(METRICS, [1, 0], [0.5, 0.5], tie=[True])


def test_metrics_by_name_are_those_asked_for() -> None:
    labels, scores, videos = simulated(np.random.default_rng(6))
    every = bootstrap_interval(METRICS, labels, scores, groups=videos)
    some = bootstrap_interval(["eer", "accuracy_real"], labels, scores, groups=videos)
    assert some == {name: every[name] for name in ("accuracy_real", "eer")}


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        ("auc", {}, "a function, or a list of names of metrics, received 'auc'"),
        (["auc", "f1"], {}, "metric to be one of accuracy, .*, received 'f1'"),
        (auc, {"threshold": 0.4}, "threshold and tie with names of metrics"),
        (accuracy, {"tie": [0, 1]}, "threshold and tie with names of metrics"),
    ],
)
def test_metrics_are_functions_or_known_names(metric, options, message) -> None:
    with pytest.raises(InputError, match=message):
        bootstrap_interval(metric, [1, 0], [0.5, 0.5], **options)


def test_the_accuracies_of_the_classes_are_no_single_number() -> None:
    with pytest.raises(InputError, match="returns one number, received per_class_accuracy"):
        bootstrap_interval(per_class_accuracy, [1, 0], [0.5, 0.5])


@pytest.mark.slow
def test_a_million_scores_with_intervals_take_less_than_two_gibibytes() -> None:
    # In a process of its own, so that the memory is that of the metrics alone. More resamples take
    # longer and no more room: they are drawn a block at a time.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.metrics", "--json", "--resamples", "100"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["peak_gib"] < 2.0


@pytest.mark.parametrize("threshold", [0.5, 0.35])
def test_the_fast_accuracy_has_the_spread_of_copied_images(threshold) -> None:
    labels, scores, videos = simulated(np.random.default_rng(3))
    metric = functools.partial(accuracy, threshold=threshold)
    fast = bootstrap_interval(metric, labels, scores, groups=videos, n_resamples=20_000)
    slow = bootstrap_interval(plain(metric), labels, scores, groups=videos, n_resamples=4000)
    assert fast.estimate == slow.estimate == metric(labels, scores)
    assert fast.low == pytest.approx(slow.low, abs=0.01)
    assert fast.high == pytest.approx(slow.high, abs=0.01)


def test_groups_of_unequal_size_count_by_their_images() -> None:
    # Two videos, 1 frame right and 3 frames wrong: the resamples are 1, 0 and 1/4.
    interval = bootstrap_interval(
        accuracy, [1, 1, 1, 1], [0.9, 0.1, 0.1, 0.1], groups=["a", "b", "b", "b"]
    )
    assert interval == Interval(0.25, 0.0, 1.0)
    half = bootstrap_interval(
        accuracy, [1, 1, 1, 1], [0.9, 0.1, 0.1, 0.1], groups=["a", "b", "b", "b"], level=0.4
    )
    assert half == Interval(0.25, 0.25, 0.25)


def test_single_images_give_the_binomial_interval() -> None:
    from scipy.stats import binom

    labels = np.ones(400, dtype=int)
    scores = np.where(np.arange(400) < 320, 0.9, 0.1)
    interval = bootstrap_interval(accuracy, labels, scores, n_resamples=50_000)
    expected = binom.ppf([0.025, 0.975], 400, 0.8) / 400
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=1 / 400)


@pytest.mark.parametrize("metric", [accuracy, auc])
def test_intervals_by_video_hold_the_truth_and_by_frame_do_not(metric) -> None:
    rng = np.random.default_rng(11)
    truth = metric(*simulated(rng, n_videos=100_000, n_frames=1)[:2])
    held = {"video": 0, "frame": 0}
    for trial in range(200):
        labels, scores, videos = simulated(rng)
        for unit, groups in (("video", videos), ("frame", None)):
            interval = bootstrap_interval(
                metric, labels, scores, groups=groups, n_resamples=200, seed=trial
            )
            held[unit] += interval.low <= truth <= interval.high
    # 95 % of 200 has a standard deviation of 3; frames see five times too many images.
    assert 178 <= held["video"] <= 199
    assert held["frame"] < 150


def test_the_seed_decides_and_the_level_widens() -> None:
    labels, scores, videos = simulated(np.random.default_rng(0))
    interval = functools.partial(bootstrap_interval, auc, labels, scores, groups=videos)
    assert interval(seed=4) == interval(seed=4)
    assert interval(seed=4) != interval(seed=5)
    narrow, wide = interval(level=0.5), interval(level=0.99)
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


def test_names_of_groups_and_order_of_images_do_not_matter_for_accuracy() -> None:
    labels, scores, videos = simulated(np.random.default_rng(1))
    order = np.random.default_rng(2).permutation(len(labels))
    names = [f"v{video}" for video in videos[order]]
    assert bootstrap_interval(
        accuracy, labels[order], scores[order], groups=names
    ) == bootstrap_interval(accuracy, labels, scores, groups=videos)


def test_resamples_of_one_class_are_drawn_again() -> None:
    # A third of all resamples of these three videos hold one class only: 8/27 and 1/27.
    labels, scores = [1, 1, 0, 0, 0, 0], [0.9, 0.4, 0.5, 0.2, 0.1, 0.3]
    interval = bootstrap_interval(auc, labels, scores, groups=list("aabbcc"))
    assert 0.5 <= interval.low <= interval.estimate <= interval.high <= 1.0


def test_a_metric_that_seldom_exists_is_refused() -> None:
    labels, scores = np.eye(1, 50, dtype=int)[0], np.linspace(0.0, 1.0, 50)

    def only_on_the_data_themselves(labels, scores):
        if len(np.unique(scores)) < 50:
            raise UndefinedMetricError("not the data themselves.")
        return 0.5

    with pytest.raises(
        UndefinedMetricError, match=r"received 200 undefined ones and 0 others\. Add"
    ):
        bootstrap_interval(only_on_the_data_themselves, labels, scores, n_resamples=100)


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, RuntimeWarning, IndexError])
def test_a_metric_that_raises_in_a_resample_is_drawn_again(error) -> None:
    labels, scores = np.repeat([1, 0], [3, 20]), np.linspace(0.9, 0.1, 23)

    def share(labels, scores):
        if labels.min() == labels.max():
            raise error("one class only")
        return accuracy(labels, scores)

    def undefined(labels, scores):
        return accuracy(labels, scores) if labels.min() != labels.max() else math.nan

    found = bootstrap_interval(share, labels, scores, n_resamples=200)
    assert found == bootstrap_interval(undefined, labels, scores, n_resamples=200)
    log_loss = sklearn.metrics.log_loss
    low, high = 0, -np.log(0.1)
    found = bootstrap_interval(log_loss, labels, scores, n_resamples=200)
    assert low < found.low < found.estimate < found.high < high


def test_a_metric_that_raises_in_most_resamples_says_what() -> None:
    labels, scores = np.repeat([1, 0], 10), np.linspace(0.9, 0.1, 20)

    def whole_only(labels, scores):
        if len(np.unique(scores)) < 20:
            raise KeyError("a score is gone")
        return 0.5

    with pytest.raises(UndefinedMetricError, match="raised KeyError: 'a score is gone'") as caught:
        bootstrap_interval(whole_only, labels, scores, n_resamples=20)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ZeroDivisionError):
        bootstrap_interval(lambda *_: 1 / 0, labels, scores)
    with pytest.raises(UndefinedMetricError, match="it gave NaN"):
        bootstrap_interval(lambda *_: math.nan, labels, scores)


def test_masked_groups_and_ties_are_refused() -> None:
    labels, scores = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    masked = np.ma.array([1, 0, 1, 0], mask=[0, 0, 0, 1])
    with pytest.raises(InputError, match="groups without gaps, received 1 of 4 masked"):
        bootstrap_interval(accuracy, labels, scores, groups=masked)
    with pytest.raises(InputError, match="tie without gaps"):
        bootstrap_interval(["accuracy"], labels, scores, tie=masked)


def test_a_mean_of_nothing_is_refused_and_not_drawn_for_ever() -> None:
    codes = np.arange(4)
    with pytest.raises(UndefinedMetricError, match=r"for most resamples, 198 had nothing in them"):
        resampling.resample_means(
            np.ones(4), codes, resampling.Resampling(n_resamples=99), weights=np.zeros(4)
        )


def test_other_metrics_take_the_plain_way() -> None:
    labels, scores, videos = simulated(np.random.default_rng(5))

    def mean_margin(labels, scores):
        return scores[labels == 1].mean() - scores[labels == 0].mean()

    interval = bootstrap_interval(mean_margin, labels, scores, groups=videos, n_resamples=50)
    assert interval.low < interval.estimate == mean_margin(labels, scores) < interval.high


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"groups": ["a", "b"]}, InputError, r"one group for each of 4 images, received shape"),
        ({"groups": ["a", "b", None, "b"]}, InputError, "group for every image, received 1"),
        ({"groups": ["a", "b", np.nan, "b"]}, InputError, "group for every image, received 1"),
        ({"groups": ["a"] * 4}, UndefinedMetricError, "undefined for one group only"),
        ({"level": 1.0}, InputError, "level to be a number above 0 and below 1, received 1.0"),
        ({"level": 95}, InputError, "level to be a number above 0 and below 1, received 95"),
        ({"n_resamples": 0}, InputError, "n_resamples to be a whole number from 1, received 0"),
        (
            {"n_resamples": 10.5},
            InputError,
            "n_resamples to be a whole number from 1, received 10.5",
        ),
        ({"seed": -1}, InputError, "seed to be a whole number from 0, received -1"),
        ({"seed": "x"}, InputError, "seed to be a whole number from 0, received 'x'"),
    ],
)
def test_what_has_no_interval_is_refused(options, error, message) -> None:
    with pytest.raises(error, match=message):
        bootstrap_interval(auc, [1, 0, 1, 0], [0.9, 0.1, 0.4, 0.5], **options)


def test_the_metric_must_exist_for_the_data_themselves() -> None:
    with pytest.raises(UndefinedMetricError, match="AUC is undefined for one class"):
        bootstrap_interval(auc, [1, 1], [0.9, 0.1])
    with pytest.raises(UndefinedMetricError, match="no images at all"):
        bootstrap_interval(accuracy, [], [])
    with pytest.raises(InputError, match=r"scores in \[0, 1\]"):
        bootstrap_interval(lambda *_: 0.5, [1, 0], [2.0, 0.1])


def test_a_score_at_the_threshold_is_called_fake_in_the_resamples_too() -> None:
    found = bootstrap_interval(accuracy, [1, 0, 1, 0], [0.5, 0.1, 0.5, 0.4])
    assert (found.estimate, found.low, found.high) == (1.0, 1.0, 1.0)
