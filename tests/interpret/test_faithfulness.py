"""What judges a map: the verdict without what it shows, new weights, and where the forgery is."""

from __future__ import annotations

from functools import partial

import cv2
import keras
import numpy as np
import pytest
from sklearn.metrics import auc

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import (
    deletion_insertion,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    localization,
    randomization_check,
)
from deepfake_generalize.models import Detector, as_detector

RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 6, 4, 3))
RED = as_detector(lambda x: x[..., 0].mean((1, 2)), name="red", size=(6, 4))


def test_curves_of_a_detector_that_adds_pixels_up():
    heatmaps = RNG.random((3, 6, 4)).astype(np.float32)
    found = deletion_insertion(RED, IMAGES, heatmaps, steps=5, reference="mean")
    assert found.fractions.tolist() == [0, 5 / 24, 10 / 24, 14 / 24, 19 / 24, 1]
    for image, heatmap, down, up in zip(
        IMAGES, heatmaps, found.deletion, found.insertion, strict=True
    ):
        red = image[..., 0].ravel()[np.argsort(-heatmap.ravel())]
        for count, out, within in zip([0, 5, 10, 14, 19, 24], down, up, strict=True):
            filled = np.full(24 - count, red.mean())
            assert within == pytest.approx(np.concatenate([red[:count], filled]).mean(), abs=1e-6)
            filled = np.full(count, red.mean())
            assert out == pytest.approx(np.concatenate([filled, red[count:]]).mean(), abs=1e-6)
    for areas, curves in (
        (found.deletion_area, found.deletion),
        (found.insertion_area, found.insertion),
    ):
        expected = [auc(found.fractions, curve) for curve in curves]
        np.testing.assert_allclose(areas, expected, atol=1e-12)
    real = deletion_insertion(RED, IMAGES, heatmaps, steps=5, reference="mean", target="real")
    np.testing.assert_allclose(real.deletion, 1 - found.deletion, atol=1e-12)


def test_the_map_of_what_counts_has_the_best_areas_and_bytes_stay_bytes():
    images = np.full((2, 20, 20, 3), 100, np.uint8)
    images[0, 4:9, 4:9, 0] = images[1, 12:17, 2:7, 0] = 250
    red = as_detector(lambda x: np.sqrt((x[..., 0] ** 4).mean((1, 2))), name="red", size=20)
    true = (images[..., 0] > 200).astype(np.float32)
    for reference in ("blur", "mean"):
        right = deletion_insertion(red, images, true, reference=reference)
        wrong = deletion_insertion(red, images, true[::-1].copy(), reference=reference)
        assert (right.insertion_area > wrong.insertion_area).all()
        assert (right.deletion_area < wrong.deletion_area).all()
        np.testing.assert_allclose(right.insertion[:, -1], red.scores(images), atol=1e-6)
        np.testing.assert_allclose(right.deletion[:, 0], red.scores(images), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heatmaps": np.zeros((3, 4, 6), np.float32)}, "a heat map .H, W. for each image"),
        ({"heatmaps": np.full((3, 6, 4), 2.0)}, "heatmaps"),
        ({"steps": 0}, "steps"),
        ({"reference": "black"}, "reference to be one of blur, mean"),
        ({"target": "forged"}, "target to be one of fake, real"),
    ],
)
def test_other_calls_are_refused(options, message):
    given = {"heatmaps": np.zeros((3, 6, 4), np.float32)} | options
    with pytest.raises(InputError, match=message):
        deletion_insertion(RED, IMAGES, **given)


def test_no_images_have_no_curves():
    found = deletion_insertion(RED, IMAGES[:0], np.zeros((0, 6, 4), np.float32), steps=2)
    assert found.deletion.shape == (0, 3)
    assert found.insertion_area.shape == (0,)


def small(*, trained):
    """A network that looks at the image's brightness, or whose weights are as they were drawn."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    conv = layers.Conv2D(4, 3, activation="relu", name="conv")
    head = layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((16, 16, 3)), conv, layers.Flatten(), head])
    if trained:
        conv.kernel.assign(np.full((3, 3, 3, 4), 0.1))
        head.kernel.assign(np.ones((784, 1)))
    return Detector(model)


def test_maps_that_were_learnt_change_with_the_weights():
    images = RNG.random((4, 16, 16, 3))
    images[:, 4:9, 4:9] *= 0.1
    learnt = randomization_check(small(trained=True), images, seed=1)
    assert learnt.shape == (4,)
    assert (learnt < 0.95).all()

    def bright(_, pictures):
        return pictures.mean(3).astype(np.float32)

    fixed = randomization_check(small(trained=True), images, method=bright)
    np.testing.assert_allclose(fixed, 1)
    same = randomization_check(small(trained=True), images, seed=1)
    np.testing.assert_array_equal(same, learnt)
    by_ssim = partial(randomization_check, method=hires_cam, measure="ssim")
    assert (by_ssim(small(trained=True), images) < 1).all()


def test_hires_cam_before_one_dense_layer_adds_up_to_the_logit():
    detector = small(trained=False)
    images = RNG.random((3, 16, 16, 3)).astype(np.float32)
    conv = detector.model.layers[0](images).numpy()
    kernel = detector.model.layers[-1].kernel.numpy().reshape(14, 14, 4)
    signed = (conv * kernel).sum(-1)
    logits = np.log(detector.scores(images) / (1 - detector.scores(images)))
    np.testing.assert_allclose(signed.sum((1, 2)), logits, atol=1e-4)
    maps = hires_cam(detector, images, relu=False)
    for ours, raw in zip(maps, signed, strict=True):
        big = cv2.resize(raw, (16, 16))
        np.testing.assert_allclose(ours, big / np.abs(big).max(), atol=1e-5)


def test_grad_cam_plus_plus_by_its_equations():
    detector = small(trained=False)
    images = RNG.random((2, 16, 16, 3)).astype(np.float32)
    features = detector.model.layers[0](images).numpy().astype(np.float64)
    gradient = detector.model.layers[-1].kernel.numpy().reshape(1, 14, 14, 4).astype(np.float64)
    total = features.sum((1, 2), keepdims=True)
    alpha = gradient**2 / (2 * gradient**2 + total * gradient**3 + 1e-6)
    weights = (alpha * np.maximum(gradient, 0)).sum((1, 2), keepdims=True)
    signed = (weights * features).sum(-1)
    assert not np.allclose(signed, (gradient.mean((1, 2)) * features).sum(-1))
    maps = grad_cam_plus_plus(detector, images, relu=False)
    for ours, raw in zip(maps, signed, strict=True):
        big = cv2.resize(raw, (16, 16))
        np.testing.assert_allclose(ours, big / np.abs(big).max(), atol=1e-4)
    assert not np.allclose(maps, grad_cam(detector, images, relu=False), atol=1e-2)


@pytest.mark.parametrize("as_levels", [False, True])
def test_shares_are_those_of_a_count(as_levels):
    random = np.random.default_rng(0)
    maps = random.random((4, 9, 11))
    masks = random.random((4, 9, 11)) < 0.3
    found = localization(
        maps.astype(np.float32), masks.astype(np.uint8) * 255 if as_levels else masks
    )
    assert list(found.columns) == ["mass", "region", "ratio", "hit"]
    for heatmap, mask, row in zip(maps, masks, found.to_dict("records"), strict=True):
        places = [(y, x) for y in range(9) for x in range(11)]
        total = sum(heatmap[place] for place in places)
        within = sum(heatmap[place] for place in places if mask[place])
        region = sum(bool(mask[place]) for place in places) / 99
        assert row["mass"] == pytest.approx(within / total, rel=1e-6)
        assert row["region"] == pytest.approx(region)
        assert row["ratio"] == pytest.approx(within / total / region, rel=1e-6)
        assert row["hit"] == float(mask[max(places, key=lambda place: heatmap[place])])


def test_a_map_that_knows_nothing_has_the_regions_share():
    masks = np.zeros((1, 10, 10), bool)
    masks[0, :4, :5] = True
    (row,) = localization(np.full((1, 10, 10), 0.3), masks).to_dict("records")
    assert row == pytest.approx({"mass": 0.2, "region": 0.2, "ratio": 1.0, "hit": 0.2})


def test_empty_maps_and_masks_are_told_and_left_out():
    maps, masks = np.ones((4, 8, 8)), np.ones((4, 8, 8), bool)
    maps[0], masks[1] = 0, False
    maps[2], masks[2] = 0, False
    with pytest.warns(RuntimeWarning, match="3 of 4 rows are NaN: 2 maps and 2 masks are empty"):
        found = localization(maps, masks)
    assert found.iloc[:3].isna().all(axis=None)
    assert found.iloc[3].to_list() == [1.0, 1.0, 1.0, 1.0]
    assert localization(maps[:0], masks[:0]).empty


@pytest.mark.parametrize(
    "masks",
    [
        np.zeros((1, 8, 9), bool),
        np.zeros((1, 8, 8)),
        np.full((1, 8, 8), 64, np.uint8),
        np.ones((1, 8, 8), np.uint8),
        None,
    ],
)
def test_masks_that_do_not_fit_are_refused(masks):
    with pytest.raises(InputError, match=r"expected masks of shape \(1, 8, 8\), bool or uint8 of"):
        localization(np.ones((1, 8, 8)), masks)
