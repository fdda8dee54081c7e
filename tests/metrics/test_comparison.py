"""Comparisons of two detectors against DeLong's definition, scikit-learn, and Holm by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm, t
from sklearn.metrics import accuracy_score, roc_auc_score

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import auc, bootstrap_interval, compare, compare_all
from deepfake_generalize.metrics.comparison import holm


def delong_by_definition(labels, a, b):
    """z from the covariance matrix of DeLong et al. (1988), over all pairs of a fake and a real."""
    by_fake, by_real = [], []
    for scores in (a, b):
        margins = np.sign(scores[labels == 1][:, None] - scores[labels == 0][None, :])
        won = (margins + 1) / 2
        by_fake.append(won.mean(axis=1))
        by_real.append(won.mean(axis=0))
    covariance = np.cov(by_fake) / len(by_fake[0]) + np.cov(by_real) / len(by_real[0])
    contrast = np.array([1.0, -1.0])
    difference = contrast @ np.mean(by_fake, axis=1)
    return difference, contrast @ covariance @ contrast


@st.composite
def two_detectors(draw):
    row = st.tuples(st.integers(0, 1), st.integers(0, 10), st.integers(0, 10))
    rows = np.array(draw(st.lists(row, min_size=4, max_size=40)))
    labels = rows[:, 0]
    assume(2 <= labels.sum() <= len(labels) - 2)
    return labels, rows[:, 1] / 10, rows[:, 2] / 10


@given(two_detectors())
def test_delong_is_its_definition(data) -> None:
    result = compare(*data, n_resamples=1)
    difference, variance = delong_by_definition(*data)
    assert result.auc_difference.estimate == pytest.approx(difference, abs=1e-12)
    if variance > 1e-12:
        assert result.z == pytest.approx(difference / np.sqrt(variance))
        assert result.p_value == pytest.approx(2 * norm.sf(abs(result.z)))
    elif abs(difference) < 1e-12:
        assert (result.z, result.p_value) == (0.0, 1.0)
    else:
        assert (result.z, result.p_value) == (None, None)


@given(two_detectors())
def test_estimates_are_scikit_learns_and_exchange_of_the_detectors_turns_the_sign(data) -> None:
    labels, a, b = data
    there, back = compare(labels, a, b, n_resamples=5), compare(labels, b, a, n_resamples=5)
    assert there.auc_a == back.auc_b == pytest.approx(roc_auc_score(labels, a))
    assert there.auc_b == back.auc_a == pytest.approx(roc_auc_score(labels, b))
    assert there.accuracy_difference.estimate == pytest.approx(
        accuracy_score(labels, a >= 0.5) - accuracy_score(labels, b >= 0.5)
    )
    assert there.auc_difference.low == pytest.approx(-back.auc_difference.high, nan_ok=True)
    assert there.p_value == back.p_value


def made(seed, *, n=200, edge=0.0):
    """Two detectors that share half their noise; a is better by `edge`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    shared = rng.normal(size=n)
    scores = [
        1 / (1 + np.exp(-(shared + rng.normal(size=n) + gain * (2 * labels - 1))))
        for gain in (1.0 + edge, 1.0)
    ]
    return labels, *scores


@pytest.mark.slow
def test_delong_rejects_equal_detectors_as_often_as_it_says() -> None:
    p = np.array([compare(*made(seed), n_resamples=1).p_value for seed in range(600)])
    assert 0.03 <= np.mean(p < 0.05) <= 0.075
    assert 0.45 <= np.mean(p) <= 0.55


def test_a_better_detector_is_found_by_test_and_interval_alike() -> None:
    result = compare(*made(1, n=600, edge=1.0))
    assert result.p_value < 1e-4
    assert 0.0 < result.auc_difference.low < result.auc_difference.estimate
    assert result.accuracy_difference.low > 0.0


def test_the_spread_of_the_bootstrap_is_delongs() -> None:
    labels, a, b = made(2, n=2000)
    result = compare(labels, a, b, n_resamples=2000)
    _, variance = delong_by_definition(labels, a, b)
    width = result.auc_difference.high - result.auc_difference.low
    assert width == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.08)


def test_pairing_makes_the_interval_of_the_accuracies_exact() -> None:
    # The detectors are right on the same images: whatever is drawn, they do not differ.
    labels = np.array([1, 0] * 20)
    a = np.where(np.arange(40) < 30, labels * 0.8 + 0.1, 0.9 - labels * 0.8)
    interval = compare(labels, a, 0.5 + (a - 0.5) / 2).accuracy_difference
    assert (interval.estimate, interval.low, interval.high) == (0.0, 0.0, 0.0)


def test_copies_of_an_image_in_one_video_tell_nothing_more() -> None:
    labels, a, b = made(3, n=100)
    videos = np.arange(100)
    many = [np.repeat(column, 8) for column in (labels, a, b, videos)]
    by_frame = compare(*many[:3])
    by_video = compare(*many[:3], groups=many[3])
    once = compare(labels, a, b, groups=videos)
    width = {
        name: result.auc_difference.high - result.auc_difference.low
        for name, result in (("frame", by_frame), ("video", by_video), ("once", once))
    }
    assert width["video"] > 2 * width["frame"]
    assert width["video"] == pytest.approx(width["once"])
    assert by_video.p_value == pytest.approx(once.p_value)
    assert by_frame.p_value < once.p_value
    assert (by_frame.test, by_video.test) == ("DeLong", "DeLong by video")
    # Videos of one frame: DeLong's statistic, against Student's t.
    plain = compare(labels, a, b)
    assert once.z == pytest.approx(plain.z)
    fewest = min(labels.sum(), (1 - labels).sum())
    assert once.p_value == pytest.approx(2 * t.sf(abs(once.z), fewest - 1))


def test_the_difference_from_a_constant_is_the_interval_of_the_other() -> None:
    labels, a, _ = made(4)
    result = compare(labels, a, np.full(len(labels), 0.5), seed=3)
    alone = bootstrap_interval(auc, labels, a, seed=3)
    # One on the scale of logits, the other as it is.
    width = result.auc_difference.high - result.auc_difference.low
    assert width == pytest.approx(alone.high - alone.low, rel=0.03)


@pytest.mark.nightly
def test_six_equal_detectors_are_seldom_told_apart() -> None:
    """The chance that any of fifteen pairs has an adjusted p-value below 5 %."""
    rng = np.random.default_rng(17)
    labels, videos = np.repeat(np.arange(80) % 2, 5), np.repeat(np.arange(80), 5)
    false_alarms = 0
    for _ in range(2000):
        shared = rng.normal(scale=0.15, size=80)[videos]
        scores = {
            f"d{number}": np.clip(
                0.4
                + 0.2 * labels
                + shared
                + rng.normal(scale=0.15, size=80)[videos]
                + rng.normal(scale=0.1, size=400),
                0,
                1,
            )
            for number in range(6)
        }
        table = compare_all(labels, scores, groups=videos, n_resamples=1)
        false_alarms += (table["p_holm"] < 0.05).any()
    assert false_alarms / 2000 <= 0.06


def test_where_delong_does_not_exist_it_says_none() -> None:
    perfect = compare([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2], [0.5] * 4)
    assert (perfect.z, perfect.p_value, perfect.auc_difference.estimate) == (None, None, 0.5)
    assert compare([1, 0, 0], [0.9, 0.8, 0.95], [0.5, 0.1, 0.2]).p_value is None


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="4 labels and 3 scores"):
        compare([1, 0, 1, 0], [0.5] * 4, [0.5] * 3)
    with pytest.raises(UndefinedMetricError, match="all 2 labels are fake"):
        compare([1, 1], [0.1, 0.2], [0.1, 0.2])
    found = compare([1, 0], [0.1, 0.2], [0.2, 0.1], groups=["v", "v"])
    assert (found.z, found.p_value) == (None, None)
    with pytest.raises(InputError, match="level to be a number above 0 and below 1"):
        compare([1, 0], [0.1, 0.2], [0.1, 0.2], level=0)


def test_holm_by_hand() -> None:
    # Smallest first: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04 raised to what came before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20), st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_rejects(p_values, alpha) -> None:
    adjusted = holm(p_values)
    steps = len(p_values) - np.arange(len(p_values))
    margins = np.sort(p_values) * steps - alpha
    assume(np.abs(margins).min() > 1e-9)
    failed = np.flatnonzero(margins > 0)
    n_rejected = int(failed[0]) if failed.size else len(p_values)
    assert (adjusted <= alpha).sum() == n_rejected
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(1.0, len(p_values) * np.array(p_values))).all()


@pytest.mark.parametrize("p_values", [[0.1, 1.2], [-0.1], [np.nan], [None]])
def test_holm_refuses_what_is_no_p_value(p_values) -> None:
    with pytest.raises(InputError, match="p-values"):
        holm(p_values)


def test_all_pairs_are_each_pair_by_itself_with_holm_over_all() -> None:
    labels, a, b = made(5, edge=0.5)
    videos = np.repeat(np.arange(100), 2)
    scores = {"a": a, "b": b, "flat": np.full(len(labels), 0.5), "a again": a}
    table = compare_all(labels, scores, groups=videos, n_resamples=200)
    assert list(zip(table["a"], table["b"], strict=True)) == [
        ("a", "b"), ("a", "flat"), ("a", "a again"), ("b", "flat"), ("b", "a again"),
        ("flat", "a again"),
    ]  # fmt: skip
    for row in table.to_dict("records"):
        alone = compare(labels, scores[row["a"]], scores[row["b"]], groups=videos, n_resamples=200)
        assert row["auc_difference"] == alone.auc_difference.estimate
        assert row["auc_difference_low"] == alone.auc_difference.low
        assert row["accuracy_difference_high"] == alone.accuracy_difference.high
        assert (row["z"], row["p_value"]) == (alone.z, alone.p_value)
    assert table["p_holm"].tolist() == holm(table["p_value"]).tolist()


def test_pairs_without_a_test_are_left_out_of_holm() -> None:
    scores = {"perfect": [0.9, 0.8, 0.1, 0.2], "flat": [0.5] * 4, "good": [0.9, 0.1, 0.2, 0.05]}
    table = compare_all([1, 1, 0, 0], scores, n_resamples=20)
    assert table["p_value"].isna().tolist() == table["p_holm"].isna().tolist()
    assert table["p_value"].isna().sum() == 1
    tested = table.dropna()
    assert tested["p_holm"].tolist() == holm(tested["p_value"]).tolist()


@pytest.mark.parametrize("scores", [{"a": [0.5, 0.5]}, {}, [[0.5, 0.5]] * 2])
def test_fewer_than_two_detectors_are_no_comparison(scores) -> None:
    with pytest.raises(InputError, match="scores of at least two detectors by name, received"):
        compare_all([1, 0], scores)
