"""Image batches are refused with what was expected and what came."""

import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.batching import unit_batches
from deepfake_generalize.validation import check_images, is_whole


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_images_pass_uncopied(dtype: type) -> None:
    images = np.ones((2, 4, 5, 3), dtype)
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
