"""Colours against OpenCV's and tf-explain's own."""

import cv2
import numpy as np
import pytest
from skimage import io

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import colorize, overlay
from deepfake_generalize.interpret.rendering import study_overlay


def test_colours_are_opencvs_jet_in_rgb():
    maps = (np.arange(256, dtype=np.float32) / 255).reshape(1, 16, 16)
    bgr = cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(16, 16), cv2.COLORMAP_JET)
    np.testing.assert_array_equal(colorize(maps)[0], bgr[..., ::-1])


def test_maps_are_not_stretched():
    same = colorize(np.array([[[0.2, 0.4]], [[0.4, 1.0]]]))
    np.testing.assert_array_equal(same[0, 0, 1], same[1, 0, 0])


def test_no_maps_give_no_pictures():
    assert colorize(np.zeros((0, 4, 5))).shape == (0, 4, 5, 3)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.zeros((4, 4)), r"expected heatmaps of shape \(N, H, W\) and dtype float, received an"),
        (np.zeros((1, 4, 4), np.uint8), "dtype float, received an array .* dtype uint8"),
        (np.full((1, 4, 4), np.nan), r"expected heatmaps in \[0, 1\], received values from nan"),
        (np.full((1, 4, 4), -0.5), r"from -0.5 to -0.5. Signed maps \(relu=False\)"),
    ],
)
def test_what_is_no_map_is_refused(maps, message):
    with pytest.raises(InputError, match=message):
        colorize(maps)


def as_the_scripts_draw(heatmap, photograph, file):
    """Return the picture, RGB, that the study's scripts write of a map: their calls, in order."""
    display = pytest.importorskip("tf_explain.utils.display")
    image = photograph.astype(np.float32) / 255.0
    grid = display.grid_display(np.array([display.heatmap_display(heatmap, image)]))
    grid = cv2.normalize(grid, None, 0, 255, norm_type=cv2.NORM_MINMAX, dtype=cv2.CV_8U)
    assert cv2.imwrite(str(file), cv2.applyColorMap(grid, cv2.COLORMAP_JET))  # of RGB, as if BGR
    return io.imread(file)


@pytest.mark.parametrize("cells", [3, 12, 32])
def test_the_studys_picture_is_that_of_the_scripts(cells, tmp_path):
    random = np.random.default_rng(cells)
    photograph = random.integers(0, 256, (1, 40, 48, 3), dtype=np.uint8)
    heatmap = cv2.resize(random.random((cells, cells)), (48, 40))
    heatmap = (heatmap - heatmap.min()) / (heatmap.max() - heatmap.min())
    expected = as_the_scripts_draw(heatmap, photograph[0], tmp_path / "heatmap.png")
    np.testing.assert_array_equal(study_overlay(heatmap[None], photograph)[0], expected)


def test_the_photograph_must_fit_the_map():
    with pytest.raises(InputError, match=r"expected images of shape \(1, 8, 8, 3\), one under"):
        study_overlay(np.zeros((1, 8, 8)), np.zeros((1, 8, 9, 3), np.uint8))
    with pytest.raises(InputError, match=r"expected images of shape \(1, 8, 8, 3\), one under"):
        overlay(np.zeros((1, 8, 8)), np.zeros((1, 8, 9, 3), np.uint8))


@pytest.mark.parametrize("as_float", [False, True])
def test_an_overlay_is_a_grey_photograph_that_gives_way_to_colour(as_float):
    photograph = np.random.default_rng(0).integers(0, 256, (1, 4, 5, 3), dtype=np.uint8)
    grey = cv2.cvtColor(photograph[0], cv2.COLOR_RGB2GRAY).astype(float)
    maps = np.random.default_rng(1).random((1, 4, 5))
    maps[0, 0, :2] = 0.0, 1.0
    images = photograph / 255.0 if as_float else photograph
    found = overlay(maps, images)[0]
    levels = np.rint(maps[0] * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.75 * maps[0][..., None]
    expected = (1 - share) * grey[..., None] + share * colours
    np.testing.assert_allclose(found, expected, atol=0.51)
    assert found[0, 0].tolist() == [grey[0, 0]] * 3


def test_overlays_grow_lighter_with_the_map():
    maps = np.linspace(0, 1, 64).reshape(1, 8, 8)
    drawn = overlay(maps, np.zeros((1, 8, 8, 3), np.uint8))[0]
    lightness = cv2.cvtColor(drawn, cv2.COLOR_RGB2LAB)[..., 0].ravel().astype(int)
    assert (np.diff(lightness) >= 0).all()
    assert lightness[-1] > 180


def test_half_precision_loses_no_level():
    halves = np.arange(0, 0x3C01, dtype=np.uint16).view(np.float16)  # all from 0 to 1
    maps = halves[: len(halves) // 8 * 8].reshape(1, 8, -1)
    wide = maps.astype(np.float32)
    photograph = np.random.default_rng(0).integers(0, 256, (*maps.shape, 3), dtype=np.uint8)
    np.testing.assert_array_equal(colorize(maps), colorize(wide))
    np.testing.assert_array_equal(overlay(maps, photograph), overlay(wide, photograph))
    np.testing.assert_array_equal(study_overlay(maps, photograph), study_overlay(wide, photograph))


def test_what_is_outside_by_rounding_gets_the_colour_of_the_border():
    hair = np.nextafter(np.float32(1), np.float32(2))
    photograph = np.full((1, 4, 4, 3), hair, np.float32)
    maps = np.full((1, 4, 4), hair, np.float32)
    ones = np.ones((1, 4, 4))
    for draw in (overlay, study_overlay):
        np.testing.assert_array_equal(draw(maps, photograph), draw(ones, ones[..., None] + [0] * 3))
    np.testing.assert_array_equal(colorize(maps), colorize(ones))
