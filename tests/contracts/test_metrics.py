"""What every metric of labels and scores must do, found by its first two arguments."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize import metrics
from deepfake_generalize.errors import InputError

METRICS = {
    name: function
    for name in metrics.__all__
    if inspect.isfunction(function := getattr(metrics, name))
    and list(inspect.signature(function).parameters)[:2] == ["labels", "scores"]
    # What is said of several detectors or many resamples, or is to be applied, is no metric.
    and not name.startswith(("bootstrap", "calibrate", "choose", "compare"))
}
several = pytest.mark.parametrize("name", METRICS)


def values(name: str, labels, scores) -> np.ndarray:
    found = METRICS[name](labels, scores)
    return np.array([*found.values()] if isinstance(found, dict) else [found], float)


def test_the_metrics_are_found() -> None:
    assert {"accuracy", "auc", "average_precision", "eer"} <= METRICS.keys()


@several
def test_a_perfect_and_a_useless_detector_lie_at_the_ends(name: str) -> None:
    labels = np.array([0, 1] * 10)
    right, wrong = (
        values(name, labels, labels.astype(float)),
        values(name, labels, 1.0 - labels),
    )
    assert set(right.round(12)) <= {0.0, 1.0}
    assert len(set(right.round(12))) == 1
    assert (right != wrong).all()


@several
@given(st.integers(0, 2**32 - 1))
def test_neither_order_nor_doubling_changes_it(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.r_[0, 1, rng.integers(0, 2, 30)]
    # Ties are meant.
    scores = rng.integers(0, 11, 32) / 10
    found = values(name, labels, scores)
    order = rng.permutation(32)
    np.testing.assert_allclose(values(name, labels[order], scores[order]), found, atol=1e-12)
    twice = values(name, np.tile(labels, 2), np.tile(scores, 2))
    np.testing.assert_allclose(twice, found, atol=1e-12)


@several
@pytest.mark.parametrize(
    ("labels", "scores"),
    [([0, 1], [0.5]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, float("nan")]), ([], [])],
)
def test_what_cannot_be_counted_is_refused_in_words(name: str, labels, scores) -> None:
    with pytest.raises(InputError, match=r"expected .*received|at least one|no "):
        METRICS[name](labels, scores)


@several
def test_it_has_an_interval(name: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    scores = np.clip(labels * 0.3 + rng.uniform(0, 0.7, 60), 0, 1)
    if values(name, labels, scores).size == 1:
        found = metrics.bootstrap_interval(METRICS[name], labels, scores, n_resamples=50)
        assert found.low <= found.estimate <= found.high
