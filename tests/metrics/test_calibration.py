"""Thresholds and calibration, chosen on one set for others: by brute force and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import (
    Calibration,
    accuracy,
    auc,
    balanced_accuracy,
    brier_score,
    calibrate,
    choose_threshold,
    decompose_degradation,
    eer,
    expected_calibration_error,
    log_loss,
    per_class_accuracy,
    tpr_at_fpr,
)

GRID = np.linspace(0, 1, 41)
"""Between any two scores of `scored`, and at them."""


@st.composite
def scored(draw):
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=40))
    labels = np.array([label for label, _ in rows])
    assume(0 < labels.sum() < len(labels))
    return labels, np.array([whole / 20 for _, whole in rows])


@given(scored())
def test_the_rules_are_no_worse_than_any_threshold_of_a_fine_grid(pair) -> None:
    best = balanced_accuracy(*pair, threshold=choose_threshold(*pair))
    assert best == pytest.approx(max(balanced_accuracy(*pair, threshold=t) for t in GRID))

    def gap(threshold: float) -> float:
        found = per_class_accuracy(*pair, threshold=threshold)
        return abs(found["real"] - found["fake"])

    nearest = choose_threshold(*pair, rule="eer")
    assert gap(nearest) == pytest.approx(min(map(gap, GRID)))
    found = per_class_accuracy(*pair, threshold=nearest)
    if gap(nearest) == 0.0:
        assert 1 - found["real"] == pytest.approx(eer(*pair))


@given(scored(), st.sampled_from([0.01, 0.25]))
def test_a_fixed_fpr_is_kept_with_the_most_hits(pair, fpr: float) -> None:
    labels, scores = pair
    if (scores[labels == 0] == 1.0).mean() > fpr:
        with pytest.raises(UndefinedMetricError, match="have a score of 1"):
            choose_threshold(*pair, rule="fixed_fpr", fpr=fpr)
        return
    found = per_class_accuracy(*pair, threshold=choose_threshold(*pair, rule="fixed_fpr", fpr=fpr))
    assert 1 - found["real"] <= fpr + 1e-12
    assert found["fake"] == tpr_at_fpr(*pair, fpr=fpr)


def test_it_lies_half_way_and_near_one_half_and_also_between_neighbouring_floats() -> None:
    assert choose_threshold([1, 1, 0, 0], [0.9, 0.6, 0.2, 0.1]) == 0.4
    assert choose_threshold([1, 0], [0.3, 0.3]) == pytest.approx(0.65)
    low = 0.7
    high = np.nextafter(low, 1)
    assert balanced_accuracy([0, 1], [low, high], threshold=choose_threshold([0, 1], [low, high]))
    assert choose_threshold([0, 1], [low, high]) == high
    assert choose_threshold([1, 0], [0.2, 0.1], rule="half") == 0.5
    with pytest.raises(InputError, match="expected rule to be one of half, eer"):
        choose_threshold([1, 0], [0.2, 0.1], rule="best")


@given(scored(), st.lists(scored(), min_size=1, max_size=3), scored())
def test_a_degradation_is_ranking_lost_and_threshold_moved(original, others, validation) -> None:
    sets = {f"set {number}": pair for number, pair in enumerate(others)}
    found = decompose_degradation(original, sets, validation=validation).set_index("set")
    known = choose_threshold(*validation)
    for name, pair in {"original": original, **sets}.items():
        row = found.loc[name]
        for which, threshold in (("", 0.5), ("validation_", known)):
            lost = accuracy(*original, threshold=threshold) - accuracy(*pair, threshold=threshold)
            assert row[f"{which}degradation"] == lost
            parts = row["ranking_lost"] + row[f"{which}threshold_moved"]
            assert parts == pytest.approx(lost, abs=1e-15)
            # What the threshold in use costs beyond the best one, less the same of the original.
            cost = [
                found.loc[key, "oracle_accuracy"] - found.loc[key, f"{which}accuracy"]
                for key in (name, "original")
            ]
            assert row[f"{which}threshold_moved"] == pytest.approx(cost[0] - cost[1], abs=1e-15)
        best = max(accuracy(*pair, threshold=t) for t in GRID)
        assert row["oracle_accuracy"] == pytest.approx(best)
        assert accuracy(*pair, threshold=row["oracle_threshold"]) == row["oracle_accuracy"]
        assert row["auc"] == auc(*pair)


def test_scores_that_all_fell_lost_no_ranking() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    scores = np.clip(0.5 + (labels - 0.5) * 0.5 + rng.normal(0, 0.1, 400), 0, 1)
    found = decompose_degradation((labels, scores), {"moved": (labels, scores / 3)}).iloc[1]
    assert found["degradation"] > 0.4
    assert found["ranking_lost"] == 0.0
    assert found["threshold_moved"] == found["degradation"]
    assert np.isnan(found["validation_accuracy"])


def test_one_class_has_an_oracle_and_no_auc() -> None:
    found = decompose_degradation(([1, 0], [0.9, 0.1]), {"fakes": ([1, 1], [0.2, 0.3])}).iloc[1]
    assert np.isnan(found["auc"])
    assert found["oracle_accuracy"] == 1.0
    with pytest.raises(InputError, match="expected unseen to map the name of a set"):
        decompose_degradation(([1, 0], [0.9, 0.1]), {})


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


def drifted(seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and scores that are too sure and too low."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, n)
    labels = (rng.random(n) < expit(logits)).astype(int)
    return labels, expit(3 * logits - 2)


def test_a_temperature_is_the_slope_of_a_regression_without_intercept() -> None:
    labels, scores = drifted()
    found = calibrate(labels, scores)
    fitted = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-10)
    expected = fitted.fit(logit(scores)[:, None], labels)
    assert found.slope == pytest.approx(expected.coef_.item(), rel=1e-5)
    assert found.intercept == 0.0
    assert ((found.apply(scores) >= 0.5) == (scores >= 0.5)).all()


def test_platt_is_a_regression_on_his_targets() -> None:
    labels, scores = drifted()
    found = calibrate(labels, scores, method="platt")
    fakes, reals = labels.sum(), (1 - labels).sum()
    targets = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    twice, given = np.tile(logit(scores), 2)[:, None], np.repeat([1, 0], len(labels))
    fitted = LogisticRegression(C=1e12, tol=1e-10)
    expected = fitted.fit(twice, given, sample_weight=np.r_[targets, 1 - targets])
    assert found.slope == pytest.approx(expected.coef_.item(), rel=1e-4)
    assert found.intercept == pytest.approx(expected.intercept_.item(), rel=1e-4)


def test_isotonic_is_scikit_learns() -> None:
    labels, scores = drifted()
    found = calibrate(labels, scores, method="isotonic")
    fitted = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    others = np.linspace(0, 1, 301)
    np.testing.assert_allclose(found.apply(others), fitted.predict(others), atol=1e-12)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_what_was_fitted_on_one_set_helps_another_and_survives_its_file(method, tmp_path) -> None:
    labels, scores = drifted(1)
    found = calibrate(*drifted(0), method=method)
    assert log_loss(labels, np.clip(found.apply(scores), 1e-3, 1 - 1e-3)) < log_loss(labels, scores)
    assert brier_score(labels, found.apply(scores)) < brier_score(labels, scores)
    found.save(tmp_path / "map.json")
    assert Calibration.load(tmp_path / "map.json") == found


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_scores_of_0_and_1_that_part_the_classes_have_a_finite_map(method) -> None:
    found = calibrate([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0], method=method)
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.apply([0.0])[0] < 0.5 < found.apply([1.0])[0]


def test_what_is_no_calibration_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="expected method to be one of temperature, platt"):
        calibrate([0, 1], [0.1, 0.9], method="beta")
    with pytest.raises(UndefinedMetricError, match="calibration is undefined for one class"):
        calibrate([1, 1], [0.1, 0.9])
    with pytest.raises(InputError, match=r"expected scores in \[0, 1\]"):
        Calibration("temperature").apply([2.0])
    file = tmp_path / "map.json"
    for text in (
        "",
        "[]",
        '{"method": "beta", "knots": []}',
        '{"method": "isotonic", "knots": []}',
    ):
        file.write_text(text)
        with pytest.raises(InputError, match="expected a calibration in"):
            Calibration.load(file)
