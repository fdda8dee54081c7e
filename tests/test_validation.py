"""Arguments are refused with what was expected, what came and what to do."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.batching import unit_batches
from deepfake_generalize.validation import (
    check_choice,
    check_counts,
    check_images,
    check_mapping,
    check_number,
    check_type,
    check_unit,
    check_whole,
    is_whole,
)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_images_pass_uncopied(dtype: type) -> None:
    images: Any = np.ones((2, 4, 5, 3), dtype)
    assert check_images(images) is images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([1, 2], r"expected images to be a NumPy array, received list"),
        (np.zeros((4, 5, 3), np.uint8), r"\(N, H, W, 3\), received an array of shape \(4, 5, 3\)"),
        (np.zeros((1, 4, 5, 4), np.uint8), r"shape \(1, 4, 5, 4\)"),
        (np.zeros((1, 0, 5, 3), np.uint8), r"shape \(1, 0, 5, 3\)"),
        (np.zeros((1, 4, 5, 3), np.int64), r"dtype uint8 or float, received .* dtype int64"),
        (np.full((1, 4, 5, 3), np.nan), r"finite images, received NaN"),
        (np.full((1, 4, 5, 3), 2.0), r"float images in \[0, 1\], received values from 2 to 2"),
        (np.full((1, 4, 5, 3), -0.1), r"values from -0\.1 to -0\.1"),
        (np.full((1, 4, 5, 3), np.inf), r"values from inf to inf"),
    ],
)
def test_anything_else_is_refused(images: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_images(images)
    assert "the scale is never guessed" in caught.value.hint


HAIR = np.nextafter(np.float32(1), np.float32(2))


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        (HAIR, 1),
        (np.float64(HAIR), 1),
        (1 + 1e-6, 1),
        (-1e-6, 0),
        (np.float32(-1e-7), 0),
        (np.nextafter(np.float16(1), np.float16(2)), 1),
    ],
)
def test_what_is_outside_by_rounding_is_put_at_the_border(came: Any, kept: float) -> None:
    given: Any = np.array([0.25, came], np.asarray(came).dtype)
    before = given.copy()
    inside = check_unit("scores", given)
    assert inside.tolist() == [0.25, kept]
    assert inside.dtype == given.dtype
    np.testing.assert_array_equal(given, before)
    images = np.full((1, 4, 5, 3), came, given.dtype)
    np.testing.assert_array_equal(check_images(images), kept)


def test_what_is_inside_is_not_copied() -> None:
    given: Any = np.array([0.0, 0.5, 1.0], np.float32)
    assert check_unit("scores", given) is given
    percent: Any = np.array([0.0, 100.0])
    assert check_unit("accuracies", percent, most=100) is percent
    assert check_unit("accuracies", np.array([100.00001]), most=100).tolist() == [100.0]


@pytest.mark.parametrize(
    ("came", "message"),
    [
        (1.000002, r"in \[0, 1\], received values from 0\.5 to 1\.000002\."),
        (-0.00001, r"received values from -1e-05 to 0\.5\."),
        (np.float16(1.002), r"received values from 0\.5 to 1\.00195312\."),
        (np.nan, r"received values from nan to nan"),
        (np.inf, r"received values from 0\.5 to inf"),
    ],
)
def test_what_is_outside_by_more_is_shown_to_the_digit(came: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_unit("scores", np.array([0.5, came], np.asarray(came).dtype))


def test_an_empty_batch_is_a_batch() -> None:
    assert check_images(np.zeros((0, 4, 5, 3), np.uint8)).shape == (0, 4, 5, 3)


@pytest.mark.parametrize("number", [2, np.int8(2), np.uint64(2)])
def test_whole_numbers_are_pythons_and_numpys(number: object) -> None:
    assert is_whole(number)
    assert is_whole(number, least=2)
    assert not is_whole(number, least=3)


@pytest.mark.parametrize("other", [True, np.True_, 2.0, np.float64(2), "2", None, np.array([2])])
def test_nothing_else_is_a_whole_number(other: object) -> None:
    assert not is_whole(other)


def test_true_is_no_batch_of_one_image() -> None:
    with pytest.raises(InputError, match="batch_size to be a whole number from 1, received True"):
        next(unit_batches(np.zeros((1, 4, 4, 3)), (4, 4), True))


whole = partial(check_whole, "n")
number = partial(check_number, "level")


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (whole, 2.0, "expected n to be a whole number, received 2.0."),
        (partial(whole, least=1), 0, "expected n to be a whole number from 1, received 0."),
        (partial(whole, most=9), 10, "expected n to be a whole number up to 9, received 10."),
        (partial(whole, least=1, most=9), 10, "a whole number from 1 to 9, received 10."),
        (partial(whole, least=2, even=True), 3, "expected n to be an even number from 2, rec"),
        (partial(whole, most=10**8), 10**9, "a whole number up to 100000000, received 1000000000."),
        (number, "x", "expected level to be a number, received 'x'."),
        (number, True, "expected level to be a number, received True."),
        (number, float("nan"), "expected level to be a number, received nan."),
        (number, np.float32("inf"), "expected level to be a number, received "),
        (number, 10**400, "expected level to be a number, received 1000"),
        (partial(number, above=0), 0, "expected level to be a number above 0, received 0."),
        (partial(number, below=1), 1, "expected level to be a number below 1, received 1."),
        (partial(number, most=1), 1.5, "a number at most 1, received 1.5."),
        (partial(number, above=0, below=1), 95, "a number above 0 and below 1, received 95."),
        (partial(number, above=0, most=1), 0, "a number above 0 and at most 1, received 0."),
        (partial(number, least=0, below=1), 1, "a number from 0 and below 1, received 1."),
        (partial(number, least=0, most=0.5), -1, "a number from 0 and at most 0.5, received -1."),
        (
            partial(check_choice, "by", choices=("a", "b")),
            "c",
            "by to be one of a, b, received 'c'",
        ),
        (partial(check_choice, "by", choices={"a": 1}), ["a"], "to be one of a, received ['a']."),
        (partial(check_type, "a text", kind=str), 3, "expected a text, received int."),
        (partial(check_mapping, "m", of="a to b"), [1], "expected m to map a to b, received list."),
        (partial(check_mapping, "m", of="a to b"), {1: 2}, "m to map a to b, received keys [1]."),
        (partial(check_mapping, "m", of="a to b"), {}, "m to map a to b, received nothing in it."),
    ],
)
def test_a_refusal_says_the_range_or_the_choices_what_came_and_what_to_do(
    check: Callable[..., object], value: object, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        check(value=value, hint="Do this.")
    assert message in caught.value.message
    assert caught.value.hint == "Do this."


def test_what_is_right_comes_back_as_pythons_own() -> None:
    assert type(check_whole("n", np.int64(4), least=4, most=4, even=True)) is int
    assert type(check_number("level", np.float64(0.5), above=0, least=0.5, most=0.5)) is float
    assert check_number("level", 3) == 3
    assert check_choice("by", "a", {"a": 1}) == "a"
    assert check_type("a text", "x", str) == "x"
    sets = {"DFD": 1}
    assert check_mapping("m", sets, of="a to b") is sets


@pytest.mark.parametrize(
    ("came", "most", "message"),
    [
        (-1, 9, "faces from 0 to 9, received -1."),
        (10, 9, "received 10."),
        (-1, np.inf, "from 0, r"),
    ],
)
def test_what_is_no_count_is_refused(came: int, most: float, message: str) -> None:
    check_counts("faces", np.array([0, 3]), most=most)
    with pytest.raises(InputError, match=message):
        check_counts("faces", np.array([3, came]), most=most)
