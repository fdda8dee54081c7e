"""Structural similarity against scikit-image, and what the pictures' kind does to it."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import (
    colorize,
    congenetic_similarity,
    similarity_bins,
    ssim,
)
from deepfake_generalize.interpret.rendering import study_overlay


def smooth_maps(random, count, size, cells=12):
    """Random maps as smooth as Grad-CAM's: a few cells, resized."""
    height, width = size
    cells = random.random((count, cells, cells))
    return np.stack([cv2.resize(each, (width, height)) for each in cells]).clip(0, 1)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), height=st.integers(7, 90), width=st.integers(7, 40))
def test_maps_equal_scikit_image(seed, height, width):
    random = np.random.default_rng(seed)
    a, b = random.random((2, 2, height, width))
    b = 0.7 * a + 0.3 * b
    expected = [structural_similarity(x, y, data_range=1.0) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ssim(a, b), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(7, 7), (31, 50), (256, 256), (9, 9000)])
def test_pictures_equal_scikit_image(size):
    random = np.random.default_rng(1)
    a = colorize(smooth_maps(random, 2, size))
    b = np.where(random.random(a.shape) < 0.8, a, random.integers(0, 256, a.shape)).astype(np.uint8)
    expected = [structural_similarity(x, y, channel_axis=-1) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ssim(a, b), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("levels", [(0, 0), (255, 255), (0, 255)])
def test_flat_extremes_equal_scikit_image(levels):
    a, b = (np.full((1, 40, 40, 3), level, np.uint8) for level in levels)
    expected = structural_similarity(a[0], b[0], channel_axis=-1)
    np.testing.assert_allclose(ssim(a, b), [expected], atol=1e-6, rtol=0)


@pytest.mark.parametrize("render", ["jet", "raw", "study"])
def test_three_detectors_give_the_mean_of_three_pairs(render):
    random = np.random.default_rng(2)
    maps = [smooth_maps(random, 2, (48, 40)) for _ in range(3)]
    photographs = random.random((2, 48, 40, 3)) if render == "study" else None
    draw = {
        "jet": colorize,
        "raw": lambda each: each,
        "study": lambda own: study_overlay(own, photographs),
    }[render]
    how = {"data_range": 1.0} if render == "raw" else {"channel_axis": -1}
    drawn = [draw(each) for each in maps]
    expected = [
        np.mean([structural_similarity(a[i], b[i], **how) for a, b in combinations(drawn, 2)])
        for i in range(2)
    ]
    measured = congenetic_similarity(maps, render=render, images=photographs)
    np.testing.assert_allclose(measured, expected, atol=1e-6, rtol=0)


def rectified(random, count, size, share):
    """Maps of which about `share` is above zero, as Grad-CAM's often are."""
    maps = smooth_maps(random, count, size)
    kept = np.quantile(maps, 1 - share, axis=(1, 2), keepdims=True)
    return np.maximum(maps - kept, 0)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.04])
def test_rank_correlation_is_scipys_over_all_pairs(share):
    maps = [rectified(np.random.default_rng(seed), 3, (21, 30), share) for seed in range(3)]
    expected = [
        np.mean([spearmanr(a[i].ravel(), b[i].ravel())[0] for a, b in combinations(maps, 2)])
        for i in range(3)
    ]
    found = congenetic_similarity(maps, measure="rank_correlation")
    np.testing.assert_allclose(found, expected, atol=1e-12)
    squeezed = [own**3 for own in maps]  # another scale, the same order
    again = congenetic_similarity(squeezed, measure="rank_correlation", render="raw")
    np.testing.assert_allclose(again, expected, atol=1e-12)


def top_places(heatmap):
    """Places of the tenth of largest values, with those equal to the last, without zeros."""
    values = sorted(heatmap.ravel(), reverse=True)
    border = values[round(0.1 * len(values)) - 1]
    return {place for place, value in enumerate(heatmap.ravel()) if value >= border and value > 0}


@pytest.mark.parametrize("share", [0.5, 0.04])
def test_top_overlap_is_dices_of_the_top_tenths(share):
    maps = [rectified(np.random.default_rng(seed), 3, (21, 30), share) for seed in range(3)]
    maps[2] = 0.5 * maps[1] + 0.5 * maps[2]
    tops = [[top_places(each) for each in own] for own in maps]
    expected = [
        np.mean([2 * len(a[i] & b[i]) / (len(a[i]) + len(b[i])) for a, b in combinations(tops, 2)])
        for i in range(3)
    ]
    found = congenetic_similarity(maps, measure="top_overlap")
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_unrelated_maps_share_a_tenth_of_their_top_tenths():
    a, b = np.random.default_rng(0).random((2, 50, 60, 60))
    assert congenetic_similarity([a, b], measure="top_overlap").mean() == pytest.approx(
        0.1, abs=5e-3
    )
    assert congenetic_similarity([a, a], measure="top_overlap").tolist() == [1.0] * 50


@pytest.mark.parametrize("measure", ["rank_correlation", "top_overlap"])
def test_a_map_without_an_order_is_left_out(measure):
    a, b = np.random.default_rng(1).random((2, 1, 12, 12))
    flat = np.zeros((1, 12, 12))
    expected = congenetic_similarity([a, b], measure=measure)
    found = congenetic_similarity([a, flat, b], measure=measure)
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(congenetic_similarity([a, flat], measure=measure)).all()
    few = np.random.default_rng(2).random((2, 1, 3, 3))  # no window is needed
    assert np.isfinite(congenetic_similarity(few, measure=measure)).all()


def test_the_photograph_inflates_the_similarity_of_unrelated_maps():
    random = np.random.default_rng(3)
    maps = [smooth_maps(random, 1, (96, 96)) for _ in range(3)]
    photograph = random.integers(0, 256, (1, 96, 96, 3), dtype=np.uint8)
    pure = congenetic_similarity(maps)[0]
    blended = congenetic_similarity(maps, render="study", images=photograph)[0]
    assert blended > pure + 0.2


def test_the_callers_maps_stay_as_they_are():
    maps = smooth_maps(np.random.default_rng(4), 2, (32, 32))
    before = maps.copy()
    congenetic_similarity([maps, maps])
    np.testing.assert_array_equal(maps, before)


def test_images_may_be_more_than_rows():
    a, b = np.random.default_rng(6).random((2, 9, 7, 8))
    expected = [structural_similarity(x, y, data_range=1.0) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ssim(a, b), expected, atol=1e-6, rtol=0)


def test_no_images_give_no_values():
    assert ssim(np.zeros((0, 8, 8)), np.zeros((0, 8, 8))).shape == (0,)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 6, 9)), np.zeros((1, 6, 9)), "at least 7x7 pixels, received 6x9"),
        (np.zeros((1, 8, 8)), np.zeros((2, 8, 8)), r"equal shapes, received \(1, 8, 8\) and \(2"),
        (np.zeros((1, 8, 8, 3)), np.zeros((1, 8, 8, 3)), "coloured a of dtype uint8, received"),
        (np.zeros((1, 8, 8)), np.zeros((1, 8, 8), int), "expected b of shape"),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused(a, b, message):
    with pytest.raises(InputError, match=message):
        ssim(a, b)


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (1, {}, "at least two detectors, received 1"),
        (2, {"render": "viridis"}, "one of jet, raw, study, received 'viridis'"),
        (2, {"render": "study"}, 'images with render="study" and only there, .* and no images'),
        (2, {"images": np.zeros((1, 8, 8, 3))}, 'received render="jet" and images'),
        (2, {"measure": "mse"}, "one of ssim, rank_correlation, top_overlap, received 'mse'"),
        (2, {"measure": "top_overlap", "render": "study"}, "one of jet, raw, received 'study'"),
    ],
)
def test_calls_that_make_no_sense_are_refused(count, options, message):
    with pytest.raises(InputError, match=message):
        congenetic_similarity([np.zeros((1, 8, 8))] * count, **options)


def test_bins_hold_their_lower_edges():
    values = [-0.2, np.nextafter(0.7, 0), 0.7, np.nextafter(0.9, 0), 0.9, 1.0, 1.0]
    assert similarity_bins(values) == {"dissimilar": 2, "low": 2, "high": 3}
    assert similarity_bins([]) == {"dissimilar": 0, "low": 0, "high": 0}


def test_bins_refuse_nan():
    with pytest.raises(InputError, match="received NaN in 1 of 2"):
        similarity_bins([0.5, np.nan])


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1.5, -1.00001])
def test_bins_refuse_what_no_similarity_can_be(bad):
    with pytest.raises(InputError, match=r"expected similarities in \[-1, 1\], received values"):
        similarity_bins([0.5, bad])
    assert similarity_bins([1.0000001, -1.0000001]) == {"dissimilar": 1, "low": 0, "high": 1}


def test_what_is_masked_is_refused():
    masked = np.ma.masked_less(np.linspace(0, 1, 64).reshape(1, 8, 8), 0.5)
    for call in (lambda: similarity_bins(masked[0, 0]), lambda: ssim(masked, masked)):
        with pytest.raises(InputError, match="without gaps, received"):
            call()


def test_maps_may_come_from_a_generator_or_one_array():
    maps = np.random.default_rng(0).random((3, 2, 8, 8))
    expected = congenetic_similarity(list(maps))
    np.testing.assert_array_equal(congenetic_similarity(own for own in maps), expected)
    np.testing.assert_array_equal(congenetic_similarity(maps), expected)
    for wrong in (None, 3, {"a": maps[0], "b": maps[1]}):
        with pytest.raises(InputError, match="maps of at least two detectors, received"):
            congenetic_similarity(wrong)


@pytest.mark.parametrize("values", [0.5, [[0.5]], ["0.5"], [True], np.array([], object)])
def test_bins_refuse_what_is_no_list_of_numbers(values):
    with pytest.raises(InputError, match=r"expected similarities of shape \(N,\), received"):
        similarity_bins(values)
