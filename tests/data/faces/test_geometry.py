"""The map from frame to crop, against answers worked out by hand."""

import numpy as np
import pytest

from deepfake_generalize.data.faces.alignment import crop_matrix, cut_out, roll_of


def test_a_box_of_the_crops_size_is_copied_exactly():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    matrix = crop_matrix((10, 5, 26, 21), roll=0, size=16, margin=1)
    np.testing.assert_array_equal(cut_out(image, matrix, 16), image[5:21, 10:26])


def test_shrinking_averages_and_the_outside_is_black():
    chequered = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(chequered[..., None], 3, axis=2)

    crop = cut_out(image, crop_matrix((0, 0, 256, 256), roll=0, size=64, margin=1), 64)
    beyond = cut_out(image, crop_matrix((0, 0, 256, 256), roll=0, size=64, margin=2), 64)
    nowhere = cut_out(image, crop_matrix((900, 900, 920, 920), roll=0, size=64, margin=1), 64)

    assert np.abs(crop[4:-4, 4:-4].astype(int) - 127).max() <= 2
    assert beyond[:15].max() == 0
    assert nowhere.max() == 0


def test_rolls_by_hand():
    assert roll_of(((0, 0), (10, 0))) == 0.0
    assert roll_of(((0, 0), (10, -10))) == pytest.approx(-45)
