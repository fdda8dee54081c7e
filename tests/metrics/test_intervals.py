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
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    bootstrap_interval,
    brier_score,
    eer,
    log_loss,
    per_class_accuracy,
    resampling,
    tpr_at_fpr,
    weighted,
)
from deepfake_generalize.metrics.weighted import METRICS, WeightedScores


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
    assume(0 < labels.sum() < len(labels))
    return labels, scores, groups


@given(data=grouped(), seed=st.integers(0, 5))
def test_weighted_metrics_are_scikit_learns(data, seed) -> None:
    labels, scores, groups = data
    codes = np.unique(groups, return_inverse=True)[1]
    weights = np.random.default_rng(seed).exponential(size=(codes.max() + 1, 4))
    right = ((scores >= 0.5) == labels).astype(float)
    weighted = WeightedScores(labels, scores, right, codes, len(weights))
    found = dict(zip(METRICS, weighted.measure(weights, METRICS), strict=True))
    for column, of_units in enumerate(weights.T):
        own = of_units[codes]
        for label in (0, 1):  # Classes keep their sizes.
            of_class = labels == label
            own[of_class] *= of_class.sum() / own[of_class].sum()
            expected = np.average(right[of_class], weights=own[of_class])
            name = ("accuracy_real", "accuracy_fake")[label]
            assert found[name][column] == pytest.approx(expected)
        called = scores >= 0.5
        alarms, hits, _ = sklearn.metrics.roc_curve(
            labels, scores, sample_weight=own, drop_intermediate=False
        )
        for name, value in {
            "accuracy": sklearn.metrics.accuracy_score(labels, called, sample_weight=own),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(
                labels, called, sample_weight=own
            ),
            "auc": roc_auc_score(labels, scores, sample_weight=own),
            "average_precision": average_precision_score(labels, scores, sample_weight=own),
            "brier_score": sklearn.metrics.brier_score_loss(labels, scores, sample_weight=own),
            "log_loss": sklearn.metrics.log_loss(labels, scores, sample_weight=own),
            "tpr_at_fpr_1": hits[alarms <= 0.01 + 1e-9].max(),
            "tpr_at_fpr_5": hits[alarms <= 0.05 + 1e-9].max(),
        }.items():
            assert found[name][column] == pytest.approx(value, abs=1e-9), name


@given(data=grouped(), times=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_whole_weights_are_copies(data, times) -> None:
    labels, scores, groups = data
    often = np.array(times)[groups]
    assume(len(set(np.repeat(labels, often))) == 2)
    weighted = WeightedScores(labels, scores, np.ones(len(labels)), groups, 6)
    found = weighted.measure(np.array(times, float)[:, np.newaxis], ["eer", "auc"])[:, 0]
    assert found[0] == pytest.approx(eer(np.repeat(labels, often), np.repeat(scores, often)))
    assert found[1] == pytest.approx(auc(np.repeat(labels, often), np.repeat(scores, often)))


def test_blocks_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores, videos = simulated(np.random.default_rng(8))
    options = {"groups": videos, "n_resamples": 100}
    found = bootstrap_interval(METRICS, labels, scores, **options)
    monkeypatch.setattr(resampling, "_NUMBERS_AT_ONCE", 700)
    again = bootstrap_interval(METRICS, labels, scores, **options)
    for name, interval in found.items():
        ends = (again[name].low, again[name].high)
        assert ends == pytest.approx((interval.low, interval.high), rel=1e-12), name


def test_scores_too_many_to_be_told_apart_hardly_move_an_end(monkeypatch) -> None:
    labels, scores, videos = simulated(np.random.default_rng(9), n_videos=100, n_frames=20)
    whole = bootstrap_interval(METRICS, labels, scores, groups=videos)
    monkeypatch.setattr(weighted, "_LEVELS", 200)
    coarse = bootstrap_interval(METRICS, labels, scores, groups=videos)
    for name, interval in whole.items():
        assert coarse[name].estimate == interval.estimate
        width = interval.high - interval.low
        slack = 0.25 if "tpr" in name else 0.06
        assert coarse[name].low == pytest.approx(interval.low, abs=slack * width), name
        assert coarse[name].high == pytest.approx(interval.high, abs=slack * width), name


def test_a_metric_of_the_callers_is_never_called_in_a_thread() -> None:
    callers = set()

    def share_of_fakes(labels, scores):
        callers.add(threading.current_thread())
        return float(labels.mean())

    bootstrap_interval(share_of_fakes, [1, 0, 1, 0], [0.9, 0.1, 0.9, 0.4], n_resamples=50)
    assert callers == {threading.main_thread()}


def test_all_metrics_together_are_each_by_itself() -> None:
    labels, scores, videos = simulated(np.random.default_rng(5))
    together = bootstrap_interval(METRICS, labels, scores, groups=videos)
    assert tuple(together) == METRICS
    functions = {
        "accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "auc": auc,
        "average_precision": average_precision, "eer": eer, "brier_score": brier_score,
        "log_loss": log_loss,
    }  # fmt: skip
    for name, metric in functions.items():
        assert together[name] == bootstrap_interval(metric, labels, scores, groups=videos)
        assert together[name].estimate == pytest.approx(metric(labels, scores), rel=1e-15)
    by_class = per_class_accuracy(labels, scores)
    for name in ("real", "fake"):
        assert together[f"accuracy_{name}"].estimate == pytest.approx(by_class[name], rel=1e-15)
    for name, rate in (("tpr_at_fpr_1", 0.01), ("tpr_at_fpr_5", 0.05)):
        assert together[name].estimate == tpr_at_fpr(labels, scores, fpr=rate)


def test_one_class_leaves_only_its_accuracies() -> None:
    found = bootstrap_interval(METRICS, [1, 1, 1], [0.9, 0.1, 0.8])
    assert list(found) == ["accuracy", "accuracy_fake", "brier_score", "log_loss"]
    assert found["accuracy"].estimate == found["accuracy_fake"].estimate == 2 / 3


def test_what_a_coin_decides_counts_half_right() -> None:
    found = resampling.resample(
        {"s": {"": resampling.Scored([1, 1, 0, 0], [0.9, 0.5, 0.1, 0.5], tie=[0, 1, 0, 1])}},
        ["accuracy", "accuracy_real", "accuracy_fake"],
        resampling.Resampling(n_resamples=9),
    )
    assert [values[0, 0] for values in found.numbers.values()] == [0.75] * 3
    assert (found["", "s"] >= 0.5).all()
    with pytest.raises(InputError, match=r"tie for each of 2 images, received shape \(1,\)"):
        resampling.resample(
            {"s": {"": resampling.Scored([1, 0], [0.5, 0.5], tie=[True])}},
            ["accuracy"],
            resampling.Resampling(),
        )


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
        (auc, {"threshold": 0.4}, "threshold with names of metrics"),
    ],
)
def test_metrics_are_functions_or_known_names(metric, options, message) -> None:
    with pytest.raises(InputError, match=message):
        bootstrap_interval(metric, [1, 0], [0.5, 0.5], **options)


def test_the_accuracies_of_the_classes_are_no_single_number() -> None:
    with pytest.raises(InputError, match="returns one number, received per_class_accuracy"):
        bootstrap_interval(per_class_accuracy, [1, 0], [0.5, 0.5])


@pytest.mark.slow
def test_a_million_scores_with_intervals_take_less_than_a_gibibyte() -> None:
    # In a process of its own, so that the memory is that of the metrics alone. More resamples take
    # longer and no more room: they are drawn a block at a time.
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.metrics", "--json", "--resamples", "100"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["peak_gib"] < 1.0


@pytest.mark.parametrize("threshold", [0.35, pytest.param(0.5, marks=pytest.mark.nightly)])
def test_the_fast_accuracy_has_the_spread_of_copied_images(threshold) -> None:
    labels, scores, videos = simulated(np.random.default_rng(3))
    metric = functools.partial(accuracy, threshold=threshold)
    fast = bootstrap_interval(metric, labels, scores, groups=videos, n_resamples=8000)
    slow = bootstrap_interval(plain(metric), labels, scores, groups=videos, n_resamples=4000)
    assert fast.estimate == slow.estimate == metric(labels, scores)
    assert fast.high - fast.low == pytest.approx(slow.high - slow.low, rel=0.06)


def test_groups_of_unequal_size_count_by_their_images() -> None:
    right = np.repeat([1, 0, 1, 0, 1, 0], [1, 3, 2, 6, 1, 3])
    videos = np.repeat(np.arange(6), [1, 3, 2, 6, 1, 3])
    found = bootstrap_interval(accuracy, np.ones(16), np.where(right, 0.9, 0.1), groups=videos)
    assert found.estimate == 0.25
    assert (found.n, found.unit) == (6, "videos")
    even = bootstrap_interval(accuracy, np.ones(16), np.where(right, 0.9, 0.1))
    assert (even.n, even.unit) == (16, "images")
    assert found.high - found.low > even.high - even.low


def test_single_images_give_the_binomial_interval() -> None:
    from scipy.stats import binom

    labels = np.ones(400, dtype=int)
    scores = np.where(np.arange(400) < 320, 0.9, 0.1)
    interval = bootstrap_interval(accuracy, labels, scores, n_resamples=20_000)
    expected = binom.ppf([0.025, 0.975], 400, 0.8) / 400
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=1.5 / 400)


@pytest.mark.slow
@pytest.mark.parametrize("metric", [accuracy, pytest.param(auc, marks=pytest.mark.nightly)])
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


def test_the_order_of_images_does_not_matter() -> None:
    labels, scores, videos = simulated(np.random.default_rng(1))
    order = np.random.default_rng(2).permutation(len(labels))
    found = bootstrap_interval(METRICS, labels, scores, groups=videos)
    again = bootstrap_interval(METRICS, labels[order], scores[order], groups=videos[order])
    for name, interval in found.items():
        ends = (again[name].low, again[name].high)
        assert ends == pytest.approx((interval.low, interval.high), rel=1e-9), name


def test_few_videos_of_a_class_have_no_interval_and_that_is_said() -> None:
    labels, scores = [1, 1, 0, 0, 0, 0], [0.9, 0.4, 0.5, 0.2, 0.1, 0.3]
    found = bootstrap_interval(auc, labels, scores, groups=list("aabbcc"))
    assert found.estimate == 0.875
    assert math.isnan(found.low)
    assert found.note == "no interval: 1 video of a class, and none is made of fewer than 5"


def test_a_metric_that_seldom_exists_is_refused() -> None:
    labels, scores = np.arange(50) % 2, np.linspace(0.0, 1.0, 50)

    def only_on_the_data_themselves(labels, scores):
        if len(np.unique(scores)) < 50:
            raise UndefinedMetricError("not the data themselves.")
        return 0.5

    with pytest.raises(UndefinedMetricError, match="received 101 undefined ones and 0 others"):
        bootstrap_interval(only_on_the_data_themselves, labels, scores, n_resamples=100)


@pytest.mark.parametrize(
    "error",
    [
        ValueError,
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in (ZeroDivisionError, RuntimeWarning, IndexError)
        ),
    ],
)
def test_a_metric_that_raises_in_a_resample_is_drawn_again(error) -> None:
    labels, scores = np.repeat([1, 0], [10, 20]), np.linspace(0.9, 0.1, 30)

    def share(labels, scores):
        if 0.9 not in scores:
            raise error("the highest score is gone")
        return accuracy(labels, scores)

    def undefined(labels, scores):
        return accuracy(labels, scores) if 0.9 in scores else math.nan

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
        resampling.resample(
            {"s": {"": resampling.Scored(labels, scores, tie=masked)}},
            ["accuracy"],
            resampling.Resampling(),
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
    found = bootstrap_interval(accuracy, [1, 0] * 6, [0.5, 0.4] * 6)
    assert (found.estimate, found.low, found.high) == (1.0, 1.0, 1.0)
