"""Thresholds by brute force, and the identity that takes a degradation apart."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import (
    accuracy,
    auc,
    balanced_accuracy,
    choose_threshold,
    decompose_degradation,
    eer,
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
