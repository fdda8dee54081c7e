"""Heat maps as colours: alone, or laid over the photograph as the study's scripts did."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, UInt8Array
from deepfake_generalize.validation import check_images, check_unit, describe, refuse_masked

PHOTOGRAPH_WEIGHT = 0.7
"""What tf-explain multiplies the photograph by before it adds the coloured map."""
_STRENGTH = 0.75
"""How much of the photograph the colour replaces where the map is 1."""


def check_heatmaps(heatmaps: object, *, name: str = "heatmaps") -> AnyArray:
    """Return maps that are (N, H, W) float in [0, 1], or refuse them; N may be 0."""
    if (
        not isinstance(heatmaps, np.ndarray)
        or heatmaps.ndim != 3
        or 0 in heatmaps.shape[1:]
        or not np.issubdtype(heatmaps.dtype, np.floating)
    ):
        raise InputError(
            f"expected {name} of shape (N, H, W) and dtype float, received {describe(heatmaps)}."
        )
    refuse_masked(name, heatmaps, hint="Fill what is masked: filled(0).")
    return check_unit(name, heatmaps, hint="Signed maps (relu=False) have no place; use relu=True.")


def colorize(heatmaps: AnyArray) -> UInt8Array:
    """Colour heat maps with JET: 0 is dark blue, 0.5 green, 1 dark red; nothing is renormalised.

    Args:
        heatmaps: (N, H, W) float in [0, 1].

    Returns:
        (N, H, W, 3) uint8 RGB.

    Raises:
        InputError: Another shape or dtype, NaN, or values outside [0, 1].

    Reproduction notes:
        OpenCV's JET, of which the study's heat maps are made. A value v becomes level
        round(255 v) of its 256 colours.

    Examples:
        >>> colorize(np.array([[[0.0, 0.5, 1.0]]]))[0, 0].tolist()
        [[0, 0, 128], [130, 255, 126], [128, 0, 0]]
    """
    return _colours(cv2.COLORMAP_JET)[_levels(check_heatmaps(heatmaps))]


def overlay(heatmaps: AnyArray, images: AnyArray) -> UInt8Array:
    """Lay heat maps over their photographs, for eyes.

    The photograph is grey, and shows the more of the colour (INFERNO, from violet through orange
    to yellow) the larger the map: nothing where it is 0.

    Args:
        heatmaps: (N, H, W) float in [0, 1].
        images: (N, H, W, 3) RGB, uint8 or float in [0, 1]: the photographs under the maps.

    Returns:
        (N, H, W, 3) uint8 RGB.

    Raises:
        InputError: Maps or images of another shape, dtype or range.

    Examples:
        >>> photograph = np.full((1, 8, 8, 3), 100, np.uint8)
        >>> overlay(np.zeros((1, 8, 8)), photograph)[0, 0, 0].tolist()
        [100, 100, 100]
    """
    heatmaps = check_heatmaps(heatmaps)
    images = _check_photographs(images, heatmaps)
    colours = _colours(cv2.COLORMAP_INFERNO)
    shown = np.empty((*heatmaps.shape, 3), np.uint8)
    for index, (heatmap, image) in enumerate(zip(heatmaps, images, strict=True)):
        photograph = image if image.dtype == np.uint8 else _levels(image)
        grey = cv2.cvtColor(np.ascontiguousarray(photograph), cv2.COLOR_RGB2GRAY)[..., None]
        colour = colours[_levels(heatmap)]
        share = _STRENGTH * _widened(heatmap)[..., None]
        shown[index] = np.rint((1.0 - share) * grey + share * colour).astype(np.uint8)
    return shown


def study_overlay(heatmaps: AnyArray, images: AnyArray) -> UInt8Array:
    """Draw heat maps as the study's scripts did: over the photograph, then coloured again.

    Each map is coloured (VIRIDIS), added to 70 % of the photograph, and the picture's grey values,
    stretched to 0 to 255, are coloured with JET. So pictures of unrelated maps over one photograph
    resemble each other. Maps are (N, H, W) float in [0, 1], the images as for `overlay`, the result
    (N, H, W, 3) uint8.

    Reproduction notes:
        What tf-explain 0.3 draws by default, then the scripts' own colouring, pixel for pixel:
        they hand tf-explain's RGB to OpenCV, which takes it for BGR, so its grey weighs red as blue
        and blue as red. tf-explain stretches every map to [0, 1] first; here they are taken as they
        are, so that a map that is zero everywhere does not become NaN.
    """
    heatmaps = check_heatmaps(heatmaps)
    images = _check_photographs(images, heatmaps)
    photographs = (
        images if images.dtype == np.uint8 else (_widened(images) * 255.0).astype(np.uint8)
    )
    levels = (_widened(heatmaps) * 255.0).astype(np.uint8)
    grey = np.empty(heatmaps.shape, np.uint8)
    for index, (level, photograph) in enumerate(zip(levels, photographs, strict=True)):
        coloured = cv2.applyColorMap(level, cv2.COLORMAP_VIRIDIS)
        blend = cv2.addWeighted(photograph[..., ::-1].copy(), PHOTOGRAPH_WEIGHT, coloured, 1.0, 0.0)
        stretched = cv2.normalize(blend, np.empty_like(blend), 0, 255, cv2.NORM_MINMAX)
        # The scripts' order of channels, the other way round than OpenCV's.
        grey[index] = cv2.cvtColor(stretched, cv2.COLOR_RGB2GRAY)
    return _colours(cv2.COLORMAP_JET)[grey]


def _check_photographs(images: AnyArray, heatmaps: AnyArray) -> AnyArray:
    images = check_images(images)
    if images.shape[:3] != heatmaps.shape:
        raise InputError(
            f"expected images of shape {(*heatmaps.shape, 3)}, one under each map, received "
            f"{describe(images)}."
        )
    return images


def _levels(values: AnyArray) -> UInt8Array:
    """Turn [0, 1] into the nearest of 256 levels."""
    return np.rint(_widened(values) * 255.0).astype(np.uint8)


def _widened(values: AnyArray) -> AnyArray:
    """Return float16 as float32: its steps near 255 are an eighth, so products miss levels."""
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _colours(colour_map: int) -> UInt8Array:
    """Return the (256, 3) uint8 RGB colours of one of OpenCV's maps."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], colour_map)
    return np.asarray(table[:, 0, ::-1])
