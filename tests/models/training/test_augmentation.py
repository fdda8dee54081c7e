"""Augmentation: each operation against OpenCV or a formula, draws that no label has a part in."""

import functools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from deepfake_generalize import augment
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import AUGMENTATIONS, Recipe
from deepfake_generalize.models.training import augmentation, data_of_arrays
from deepfake_generalize.models.training.augmentation import augmented
from deepfake_generalize.study.experiment import schedules

FACE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8), (5, 5), 0)


def test_operations_are_those_of_opencv_at_their_parameters():
    matrix = cv2.getRotationMatrix2D((10, 12), 7.0, 1.1)
    matrix[:, 2] += 2.0, -1.2
    turned = augmentation.turn(FACE, 7.0, 1.1, (0.1, -0.05))
    np.testing.assert_array_equal(turned, cv2.warpAffine(FACE, matrix, (20, 24)))
    sigma = 0.3 * ((7 - 1) * 0.5 - 1) + 0.8
    kernel = cv2.getGaussianKernel(7, sigma)
    blurred = cv2.sepFilter2D(FACE.astype(float), -1, kernel, kernel)
    assert abs(augmentation.blur(FACE, 7) - blurred).max() < 1.5
    brighter = np.clip(FACE * 0.9 + 25.5, 0, 255)
    assert abs(augmentation.adjust_brightness(FACE, 0.1, -0.1) - brighter).max() < 1
    hsv = cv2.cvtColor(FACE, cv2.COLOR_RGB2HSV).astype(int)
    hsv += (150, -30, 20)
    hsv[..., 0] %= 180
    shifted = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB)
    np.testing.assert_array_equal(augmentation.shift_hsv(FACE, 150.7, -29.6, 20.2), shifted)
    fitted = PCA().fit(FACE.reshape(-1, 3) / 255)
    along = (augmentation.shift_components(FACE, 5.0) - FACE.astype(float)) / 255
    moved = fitted.components_ @ along[(FACE > 60).all(2) & (FACE < 195).all(2)].mean(0)
    np.testing.assert_allclose(abs(moved), 5.0 * fitted.explained_variance_, atol=1 / 255)


@settings(deadline=None, max_examples=30)
@given(name=st.sampled_from(sorted(AUGMENTATIONS)), seed=st.integers(0, 2**31))
def test_recipes_give_images_of_the_same_shape_by_their_seed_alone(name, seed):
    before = np.stack([FACE, FACE[::-1]])
    one, two = (AUGMENTATIONS[name](before.copy(), np.random.default_rng(seed)) for _ in "12")
    assert (one.shape, one.dtype) == (before.shape, np.uint8)
    np.testing.assert_array_equal(one, two)


def drawn(labels, order, epoch, size, seed=1):
    """Return each of eight equal images by its row, as an epoch draws it."""
    images = np.stack([FACE] * 8).astype(np.float32) / 255
    data = data_of_arrays(images, np.asarray(labels, np.float32), {})
    changed = augmented(data, "deepfakebench", seed, lambda: epoch, [])
    batches = changed.batches(size, lambda: np.asarray(order), False)
    found = np.concatenate([batch.numpy() for batch, _ in batches])
    assert 0 <= found.min() <= found.max() <= 1
    return found[np.argsort(order)]


def test_draws_hang_on_seed_epoch_and_row_and_not_on_label_order_or_batch():
    one = drawn([0, 1] * 4, range(8), 2, 4)
    np.testing.assert_array_equal(one, drawn([1] * 8, [3, 1, 2, 0, 7, 6, 5, 4], 2, 3))
    for other in (drawn([0, 1] * 4, range(8), 3, 4), drawn([0, 1] * 4, range(8), 2, 4, seed=2)):
        assert not np.array_equal(one, other)
    assert len(np.unique(one.reshape(8, -1), axis=0)) > 4


def darker(images, rng):
    return (images * rng.random()).astype(np.uint8)


def test_a_function_of_ones_own_is_named_in_the_record(train_small):
    record = train_small(augmentation=darker, epochs=1).training["recipe"]
    assert record["augmentation"] == f"{__name__}:darker"
    assert record["name"] == f"short, epochs 1, augmentation {__name__}:darker"


def test_a_function_has_one_name_whatever_process_it_is_in():
    recipe = Recipe("short", augmentation=functools.partial(darker))
    assert recipe.values()["augmentation"].endswith("(<function darker>)")
    assert tuple(AUGMENTATIONS) == schedules._AUGMENTATIONS


def test_what_cannot_augment_is_refused_in_words(train_small, trained, striped_train, striped_val):
    with pytest.raises(InputError, match=r"one of deepfakebench, selimsef, received 'mixup'"):
        train_small(augmentation="mixup")
    with pytest.raises(InputError, match=r"return images \(1, 16, 16, 3\) uint8 .* dtype float64"):
        train_small(augmentation=lambda images, _rng: images / 255)
    later = [  # Refused at real images alone, within TensorFlow.
        (
            lambda images, _: images[:, : 9 + 99 * (images == 128).all()],
            InputError,
            "return images",
        ),
        (
            lambda images, _: images if (images == 128).all() else 1 / 0,
            ZeroDivisionError,
            "by zero",
        ),
    ]
    for function, kind, message in later:
        with pytest.raises(kind, match=message):
            train_small(augmentation=function, epochs=1)
    sets = striped_train, striped_val
    options = {"recipe": Recipe("short", epochs=1), "augmentation": "selimsef", "progress": None}
    with pytest.raises(InputError, match=r"each image once, received 'selimsef'.* cache=False"):
        augment.transfer(trained, *sets, unfreeze=1, **options)
    tuned = augment.transfer(trained, *sets, unfreeze=1, cache=False, **options)
    assert tuned.training["recipe"]["augmentation"] == "selimsef"
