"""Accuracy against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import accuracy, balanced_accuracy, per_class_accuracy

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
