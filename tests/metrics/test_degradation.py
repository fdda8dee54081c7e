"""Degradation by hand and by its algebra; the paper's tables are in tests/study."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import degradation, degradation_difference

percents = st.floats(0, 100)
several = st.lists(percents, min_size=1, max_size=8)


def test_worked_by_hand() -> None:
    assert degradation(90, [70, 50]) == 30
    assert degradation(0.5, [0.75]) == -0.25
    assert degradation_difference(90, [70, 50], [80, 60]) == 10
    assert degradation_difference(90, [70, 50], 50) == -10


def test_a_single_number_is_a_set_of_one() -> None:
    assert degradation(90, 60) == degradation(90, [60]) == degradation(90, np.float32(60)) == 30
    assert degradation_difference(90, 60, 70) == degradation_difference(90, [60], [70]) == 10


@given(percents, several)
def test_fractions_and_percent_give_the_same_in_their_units(original, unseen) -> None:
    fractions = degradation(original / 100, np.array(unseen) / 100)
    assert 100 * fractions == pytest.approx(degradation(original, unseen), abs=1e-9)


@given(percents, several, several)
def test_the_difference_is_between_two_degradations(original, unseen, specialized) -> None:
    expected = degradation(original, unseen) - degradation(original, specialized)
    found = degradation_difference(original, unseen, specialized)
    assert found == pytest.approx(expected, abs=1e-9)
    swapped = degradation_difference(original, specialized, unseen)
    assert found == pytest.approx(-swapped, abs=1e-9)


@given(percents, several)
def test_the_order_of_the_sets_does_not_matter(original, unseen) -> None:
    assert degradation(original, unseen) == degradation(original, unseen[::-1])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="expected finite original accuracies"):
        degradation(bad, [50])
    with pytest.raises(InputError, match=r"expected finite unseen accuracies, .* in 1 of 2"):
        degradation(90, [50, bad])
    with pytest.raises(InputError, match="expected finite specialized accuracies"):
        degradation_difference(90, [50], [bad])


def test_wrong_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="expected original to be one accuracy, received 2"):
        degradation([90, 80], [50])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected unseen accuracies to be numbers, received dict"):
        degradation(90, {"FS": 50})  # type: ignore[arg-type]


def test_without_sets_there_is_no_degradation() -> None:
    with pytest.raises(UndefinedMetricError, match="undefined without unseen accuracies"):
        degradation(90, [])
    with pytest.raises(UndefinedMetricError, match="undefined without specialized accuracies"):
        degradation_difference(90, [50], [])
