"""The metrics of labels and scores, against scikit-learn, by hand and by what must hold of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    recall_score,
    roc_auc_score,
)

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    eer,
    per_class_accuracy,
    tpr_at_fpr,
)
from deepfake_generalize.metrics.measures import ranks

pairs = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 100).map(lambda whole: whole / 100)), min_size=1
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@given(pairs, st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_accuracy_is_scikit_learns_on_the_decisions(pair, threshold: float) -> None:
    labels, scores = pair
    expected = accuracy_score(labels, [int(score >= threshold) for score in scores])
    assert accuracy(labels, scores, threshold=threshold) == pytest.approx(expected)


@given(pairs)
def test_accuracy_of_flipped_labels_is_the_complement(pair) -> None:
    labels, scores = pair
    assert accuracy(1 - labels, scores) == pytest.approx(1 - accuracy(labels, scores))


def test_a_score_at_the_threshold_is_a_fake() -> None:
    assert accuracy([1, 0], [0.5, 0.5]) == 0.5
    assert per_class_accuracy([1, 0], [0.5, 0.5]) == {"real": 0.0, "fake": 1.0}
    assert accuracy([1], [np.nextafter(0.5, 0)]) == 0.0
    assert accuracy([1], [0.7], threshold=0.7) == 1.0
    assert accuracy([1, 0], [1.0, np.nextafter(1, 0)], threshold=1.0) == 1.0


def test_per_class_accuracy_is_the_recall_of_each_class() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 200), rng.random(200)
    real, fake = recall_score(labels, scores >= 0.5, average=None)
    assert per_class_accuracy(labels, scores) == pytest.approx({"real": real, "fake": fake})


def test_balanced_accuracy_is_scikit_learns_and_needs_both_classes() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 200) * rng.integers(0, 2, 200), rng.random(200)
    for threshold in (0.2, 0.5):
        expected = balanced_accuracy_score(labels, scores >= threshold)
        assert balanced_accuracy(labels, scores, threshold=threshold) == pytest.approx(expected)
    with pytest.raises(UndefinedMetricError, match="balanced accuracy is undefined for one class"):
        balanced_accuracy([1, 1], [0.9, 0.1])


def test_a_class_that_does_not_occur_has_no_accuracy() -> None:
    assert per_class_accuracy([1, 1], [0.9, 0.1]) == {"fake": 0.5}
    assert per_class_accuracy([0, 0], [0.9, 0.1]) == {"real": 0.5}


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 2], [0.1, 0.2], r"expected labels 0 or 1, received 2\."),
        ([-1, 1], [0.1, 0.2], r"expected labels 0 or 1, received -1\."),
        ([0, 1], [0.1, 1.5], r"expected scores in \[0, 1\], received values from 0\.1 to 1\.5\."),
        ([0, 1], [-3, 0.5], r"expected scores in \[0, 1\], received values from -3 to 0\.5\."),
        ([0, 1], [0.1, np.nan], r"expected finite scores, received NaN or infinity in 1 of 2\."),
        ([0, np.nan], [0.1, 0.1], r"expected finite labels, received NaN or infinity in 1 of 2\."),
        ([0, 1], [0.1], r"as many labels as scores, received 2 labels and 1 scores\."),
        ([[0, 1]], [0.1, 0.2], r"expected labels of shape \(N,\), received an array of shape \(1,"),
        (["fake"], [0.1], r"expected labels to be numbers, received list\. Label fakes 1"),
    ],
)
def test_wrong_input_is_refused_with_what_came(labels, scores, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        accuracy(labels, scores)
    assert not isinstance(caught.value, UndefinedMetricError)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (
            [0, 1],
            np.ma.array([0.1, 0.9], mask=[0, 1]),
            "scores without gaps, received 1 of 2 masked",
        ),
        (np.ma.array([0, 1], mask=[1, 1]), [0.1, 0.9], "labels without gaps, received 2 of 2 mask"),
        ([0, 1], [np.ma.masked, 0.9], "scores without gaps, received 1 of 2 masked"),
        ([0, 1], np.array([0.1j, 0.9]), "scores to be numbers"),
    ],
)
def test_what_is_masked_does_not_count(labels, scores, message: str) -> None:
    with pytest.raises(InputError, match=message):
        accuracy(labels, scores)


def test_a_masked_array_with_nothing_masked_is_an_array() -> None:
    assert accuracy([0, 1], np.ma.array([0.1, 0.9])) == 1.0


def test_a_score_outside_by_rounding_is_at_the_border() -> None:
    hair = np.nextafter(np.float32(1), np.float32(2))
    assert accuracy([1, 0], np.array([hair, -1e-8]), threshold=1.0) == 1.0
    with pytest.raises(InputError, match=r"received values from 0\.1 to 1\.00001\."):
        accuracy([1, 0], [1.00001, 0.1])


@pytest.mark.parametrize("metric", [accuracy, per_class_accuracy])
def test_nothing_has_no_accuracy(metric) -> None:
    with pytest.raises(UndefinedMetricError, match="accuracy is undefined for no images at all"):
        metric([], [])


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold to be a number from 0 and at most 1"):
        accuracy([1], [0.5], threshold=threshold)


def test_inputs_are_left_alone_and_any_array_will_do() -> None:
    labels, scores = np.array([True, False]), np.array([0.9, 0.1], np.float32)
    assert type(accuracy(labels, scores)) is float
    assert labels.tolist() == [True, False]
    assert scores.dtype == np.float32


METRICS = [auc, average_precision, eer, tpr_at_fpr]


@st.composite
def scored(draw):
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=40))
    labels = np.array([label for label, _ in rows])
    assume(0 < labels.sum() < len(labels))
    return labels, np.array([whole / 20 for _, whole in rows])


@given(scored())
def test_auc_and_average_precision_are_scikit_learns(pair) -> None:
    assert auc(*pair) == pytest.approx(roc_auc_score(*pair))
    assert average_precision(*pair) == pytest.approx(average_precision_score(*pair))


@given(scored())
def test_auc_is_the_chance_that_a_fake_scores_above_a_real(pair) -> None:
    labels, scores = pair
    margins = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    assert auc(labels, scores) == pytest.approx(np.mean((np.sign(margins) + 1) / 2))


@pytest.mark.parametrize("metric", METRICS)
@given(pair=scored())
def test_only_the_order_of_the_scores_counts(metric, pair) -> None:
    labels, scores = pair
    assert metric(labels, scores**3 / 2 + 0.25) == pytest.approx(metric(labels, scores))


@given(scored(), st.sampled_from([0.0, 0.01, 0.05, 0.25, 1.0]))
def test_tpr_at_fpr_is_the_best_of_all_thresholds_that_keep_to_it(pair, fpr: float) -> None:
    labels, scores = pair
    thresholds = [*scores, 2.0]
    rates = [[(scores[labels == k] >= t).mean() for k in (0, 1)] for t in thresholds]
    assert tpr_at_fpr(*pair, fpr=fpr) == max(hits for false, hits in rates if false <= fpr)


@given(scored())
def test_turning_the_scores_round_turns_auc_and_eer_round(pair) -> None:
    labels, scores = pair
    assert auc(labels, 1 - scores) == pytest.approx(1 - auc(labels, scores))
    assert eer(labels, 1 - scores) == pytest.approx(1 - eer(labels, scores))


@given(scored())
def test_swapping_the_classes_and_the_scores_changes_neither(pair) -> None:
    labels, scores = pair
    assert auc(1 - labels, 1 - scores) == pytest.approx(auc(labels, scores))
    assert eer(1 - labels, 1 - scores) == pytest.approx(eer(labels, scores))


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], 0.0),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], 1.0),
        ([1, 1, 0, 0], [0.5, 0.5, 0.5, 0.5], 0.5),
        # One fake of four is below the one real of four that is above: 1/4 wrong on both sides.
        ([1, 1, 1, 0, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], 0.25),
        # From (0, 1/3) to (1, 1) in one step: 1 - FPR - 1/3 - 2/3 FPR = 0 at FPR 2/5.
        ([1, 1, 1, 0], [0.9, 0.4, 0.4, 0.4], 0.4),
    ],
)
def test_eer_worked_by_hand(labels, scores, expected: float) -> None:
    assert eer(labels, scores) == pytest.approx(expected)


def test_eer_lies_between_the_rates_around_it() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 5000)
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.15), 0, 1)
    gaps = [
        abs((scores[labels == 0] >= t).mean() - (scores[labels == 1] < t).mean())
        for t in np.sort(scores)
    ]
    best = np.sort(scores)[int(np.argmin(gaps))]
    assert eer(labels, scores) == pytest.approx((scores[labels == 0] >= best).mean(), abs=1e-3)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("label", "word"), [(1, "fake"), (0, "real")])
@pytest.mark.parametrize("count", [1, 2])
def test_one_class_has_no_ranking(metric, count: int, label: int, word: str) -> None:
    with pytest.raises(
        UndefinedMetricError, match=f"undefined for one class: all {count} labels are {word}"
    ):
        metric([label] * count, [0.1, 0.9][:count])


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_and_wrong_input_are_refused(metric) -> None:
    with pytest.raises(UndefinedMetricError, match="undefined for no images at all"):
        metric([], [])
    with pytest.raises(InputError, match=r"expected scores in \[0, 1\]"):
        metric([0, 1], [0.0, 2.0])


@given(st.lists(st.integers(0, 9).map(lambda whole: whole / 10), min_size=1, max_size=12))
def test_ranks_are_scipys_with_the_better_place_for_a_tie(values) -> None:
    assert ranks(values).tolist() == rankdata(values, method="min").tolist()
    high = ranks(values, best="high").tolist()
    assert high == rankdata(-np.array(values), method="min").tolist()


def test_the_noise_of_floats_makes_no_rank() -> None:
    assert ranks([42.35, 42.349999999999994, 42.36]).tolist() == [1, 1, 3]
    assert ranks([]).size == 0
    with pytest.raises(InputError, match="best to be one of low, high, received 'most'"):
        ranks([1.0], best="most")
    with pytest.raises(InputError, match="expected finite values, received NaN"):
        ranks([1.0, np.nan])
