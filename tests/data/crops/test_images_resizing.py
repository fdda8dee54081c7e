"""One rule of resizing, whoever asks."""

import cv2
import numpy as np
import pytest

from deepfake_generalize.data import pack, read_crops, to_dataset
from deepfake_generalize.data.crops.images import resize
from deepfake_generalize.models.detectors.batching import unit_batches


@pytest.mark.parametrize(
    ("side", "rule"),
    [(20, cv2.INTER_LINEAR), (63, cv2.INTER_LINEAR), (65, cv2.INTER_AREA), (16, cv2.INTER_LINEAR)],
)
def test_resizing_is_bilinear_and_by_area_beyond_two(side, rule):
    image = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    np.testing.assert_array_equal(
        resize(image, (32, 32)), cv2.resize(image, (32, 32), interpolation=rule)
    )


def test_the_rules_meet_at_two():
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    by_area = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resize(image, (32, 32)), by_area)


def test_resizing_keeps_height_and_width_apart():
    assert resize(np.zeros((10, 20, 3), np.uint8), (5, 7)).shape == (5, 7, 3)


@pytest.mark.parametrize("shape", [(20, 30, 3), (40, 40, 3), (90, 64, 3)])
def test_a_network_is_trained_on_what_it_will_be_asked_about(tmp_path, shape):
    image = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    (tmp_path / "fake").mkdir()
    cv2.imwrite(str(tmp_path / "fake" / "crop.png"), image[..., ::-1])
    crops = read_crops(tmp_path)
    scored = next(unit_batches(image[np.newaxis], (32, 32), 1))
    for given in (crops, read_crops(pack(crops, tmp_path / "crop.h5"))):
        trained, _ = next(to_dataset(given, size=(32, 32)).as_numpy_iterator())
        np.testing.assert_allclose(trained, scored, atol=1e-7)
