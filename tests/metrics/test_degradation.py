"""Degradation by hand and by its algebra; the paper's tables are in tests/study."""

import functools
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
    fractions = degradation(original / 100, np.array(unseen) / 100, unit="fraction")
    percent = degradation(original, unseen, unit="percent")
    assert 100 * fractions == pytest.approx(percent, abs=1e-9)


@given(percents, several, several)
def test_the_difference_is_between_two_degradations(original, unseen, specialized) -> None:
    of = functools.partial(degradation, original, unit="percent")
    found = degradation_difference(original, unseen, specialized, unit="percent")
    assert found == pytest.approx(of(unseen) - of(specialized), abs=1e-9)
    swapped = degradation_difference(original, specialized, unseen, unit="percent")
    assert found == pytest.approx(-swapped, abs=1e-9)


@given(percents, several)
def test_the_order_of_the_sets_does_not_matter(original, unseen) -> None:
    of = functools.partial(degradation, original, unit="percent")
    assert of(unseen) == of(unseen[::-1])


@pytest.mark.parametrize(
    ("original", "unseen"),
    [(97.6, [0.55]), (0.976, [55.0]), (97.6, [55, 1.0]), (1.0, [55.0]), (1.5, [0.5])],
)
def test_a_fraction_beside_percent_is_refused(original, unseen) -> None:
    with pytest.raises(InputError, match=r"in one unit, received .*say unit=\"percent\"") as caught:
        degradation(original, unseen)
    assert "which looks like a fraction, beside" in caught.value.message
    with pytest.raises(InputError, match="in one unit"):
        degradation_difference(50.0, 40.0, [*unseen, original])
    assert degradation(original, unseen, unit="percent") == original - np.mean(unseen)


def test_the_first_fraction_is_the_one_that_is_named() -> None:
    message = r"received 0\.55, which looks like a fraction, beside 97\.6.* If 0\.55 is percent"
    with pytest.raises(InputError, match=message):
        degradation(97.6, [0.55, 60.0, 0.4])


@pytest.mark.parametrize(
    ("original", "unseen"), [(97.6, [0.0]), (0.976, [0.0, 1.0]), (1.0, [0.5]), (0.0, [0.0])]
)
def test_what_one_unit_can_hold_is_accepted(original, unseen) -> None:
    assert degradation(original, unseen) == pytest.approx(original - np.mean(unseen))


@pytest.mark.parametrize(
    ("unit", "original", "message"),
    [
        ("fraction", 50.0, r"accuracies, as unit='fraction' says, in .0, 1., .* to 50"),
        ("percent", 101.0, r"accuracies, as unit='percent' says, in .0, 100., .* to 101"),
        ("percent", -1.0, r"accuracies, as unit='percent' says, in .0, 100., .* from -1 "),
        ("points", 50.0, "unit to be one of fraction, percent, received 'points'"),
    ],
)
def test_a_unit_that_is_said_is_checked(unit, original, message) -> None:
    with pytest.raises(InputError, match=message):
        degradation(original, [0.5], unit=unit)


@pytest.mark.parametrize(
    ("original", "unseen", "message"),
    [
        (150.0, [20.0], r"in \[0, 100\], received .* to 150\."),
        (97.6, [-51.0, 50.0], r"in \[0, 100\], received values from -51 "),
        (9760.0, [5115.0], r"in \[0, 100\], received .* to 9760\."),
        (100.001, [50.0], r"in \[0, 100\], received .* to 100\.001\."),
        (0.9, [-0.5], r"in \[0, 1\], received values from -0\.5 "),
    ],
)
def test_accuracies_that_cannot_be_are_refused_without_a_unit_too(original, unseen, message):
    with pytest.raises(InputError, match=message):
        degradation(original, unseen)
    with pytest.raises(InputError, match=message):
        degradation_difference(original, unseen[:1], unseen)


@pytest.mark.parametrize("unit", [None, "fraction"])
def test_an_accuracy_above_1_by_rounding_is_1(unit) -> None:
    assert degradation(1.0000001, [0.5], unit=unit) == 0.5
    assert degradation(0.5, [-1e-9, 1.0000001], unit=unit) == 0.0
    assert degradation(100.00001, [50.0]) == 50.0


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
