"""Calibration metrics against scikit-learn and by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import brier_score, expected_calibration_error, log_loss

pairs = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 100).map(lambda whole: whole / 100)), min_size=1
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))


@given(pairs)
def test_brier_and_log_loss_are_scikit_learns(pair) -> None:
    labels, scores = pair
    assert brier_score(*pair) == pytest.approx(brier_score_loss(labels, scores, pos_label=1))
    clipped = np.clip(scores, 2.220446049250313e-16, 1 - 2.220446049250313e-16)
    by_hand = -np.mean(np.where(labels == 1, np.log(clipped), np.log1p(-clipped)))
    assert log_loss(*pair) == pytest.approx(by_hand, abs=1e-12)
    assert log_loss(*pair) == pytest.approx(sklearn_log_loss(labels, scores, labels=[0, 1]))


@given(pairs, st.integers(1, 20))
def test_the_calibration_error_is_the_gap_in_scikit_learns_reliability_diagram(pair, bins) -> None:
    labels, scores = pair
    share, mean = calibration_curve(labels, scores, n_bins=bins)
    edges = np.linspace(0, 1, bins + 1)
    lower = np.r_[-1.0, edges[1:-1]]
    counts = [
        ((scores > low) & (scores <= high)).sum()
        for low, high in zip(lower, edges[1:], strict=True)
    ]
    kept = np.array([count for count in counts if count])
    expected = (np.abs(share - mean) * kept).sum() / kept.sum()
    assert expected_calibration_error(*pair, bins=bins) == pytest.approx(expected, abs=1e-12)


def test_one_class_is_calibrated_or_not() -> None:
    assert brier_score([1, 1], [1.0, 0.0]) == 0.5
    assert expected_calibration_error([1, 1], [1.0, 0.0]) == 0.5
    assert log_loss([1], [1.0]) == pytest.approx(0, abs=1e-15)
    assert log_loss([1], [0.0]) == pytest.approx(36.04, abs=0.01)


@pytest.mark.parametrize("metric", [brier_score, log_loss, expected_calibration_error])
def test_nothing_has_no_calibration(metric) -> None:
    with pytest.raises(UndefinedMetricError, match="undefined for no images at all"):
        metric([], [])


def test_there_is_a_bin() -> None:
    with pytest.raises(InputError, match="bins"):
        expected_calibration_error([1], [0.5], bins=0)
