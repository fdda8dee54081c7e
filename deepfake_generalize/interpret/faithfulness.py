"""Is a map to be trusted? What the verdict does without what it shows; where the forgery lies."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.maps import grad_cam
from deepfake_generalize.interpret.rendering import check_heatmaps
from deepfake_generalize.interpret.similarity import congenetic_similarity
from deepfake_generalize.models.training import own_random_numbers
from deepfake_generalize.types import AnyArray, DoubleArray, Explainable, FloatArray, Images, Scorer
from deepfake_generalize.validation import check_choice, check_images, check_whole, describe

_BLUR = 0.1
"""Deviation of the Gaussian that the unseen is blurred by, as a share of the longer side."""


@dataclass(frozen=True)
class Curves:
    """P(target) of images in which ever more pixels are taken out, or put in, the first ones first.

    Attributes:
        fractions: (steps + 1,) float64 from 0 to 1, the share of the pixels taken out or put in.
        deletion: (N, steps + 1) float64, from the whole image to the reference.
        insertion: (N, steps + 1) float64, from the reference to the whole image.
    """

    fractions: DoubleArray
    deletion: DoubleArray
    insertion: DoubleArray

    @property
    def deletion_area(self) -> DoubleArray:
        """(N,) in [0, 1], the area under each curve: low where the map shows what is needed."""
        return _area(self.deletion, self.fractions)

    @property
    def insertion_area(self) -> DoubleArray:
        """(N,) in [0, 1], the area under each curve: high where the map shows what suffices."""
        return _area(self.insertion, self.fractions)


def deletion_insertion(
    detector: Scorer,
    images: AnyArray,
    heatmaps: AnyArray,
    *,
    target: Literal["fake", "real"] = "fake",
    steps: int = 16,
    reference: Literal["blur", "mean"] = "blur",
) -> Curves:
    """Take out, and put in, the pixels of each image in the order of its heat map.

    Alone the areas also depend on the detector and on the image: compare them with those of maps
    that know nothing. Source: Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of
    Black-box Models", section 4.3.

    Args:
        detector: Anything with `scores`.
        images: (N, H, W, 3) RGB, uint8 in 0 to 255 or float in [0, 1].
        heatmaps: (N, H, W) float in [0, 1], as `grad_cam` gives; of equal pixels the first counts
            first.
        target: Whose probability is followed: P(fake), or 1 minus it.
        steps: Into how many parts of about equal size the pixels are divided, at least 1.
        reference: What is there without a pixel: the image blurred by a Gaussian, or its mean
            colour.

    Raises:
        InputError: Images or maps of another kind, or not one map of its size for each image.

    Reproduction notes:
        The source takes pixels out to black and puts them into a blurred image; black patches are
        pictures of another kind for a detector of forgeries, so both begin or end at one reference.

    Examples:
        >>> from deepfake_generalize.models import as_detector
        >>> red = as_detector(lambda x: x[..., 0].mean((1, 2)), name="red", size=2)
        >>> image, heatmap = np.zeros((1, 2, 2, 3)), np.eye(2, dtype=np.float32)[None]
        >>> image[0, 0, 0] = image[0, 1, 1] = 1
        >>> deletion_insertion(red, image, heatmap, steps=2, reference="mean").insertion.tolist()
        [[0.5, 0.75, 0.5]]
    """
    images = check_images(images)
    heatmaps = check_heatmaps(heatmaps)
    if heatmaps.shape != images.shape[:3]:
        expected = f"expected a heat map (H, W) for each image, {images.shape[:3]}"
        raise InputError(f"{expected}, received {heatmaps.shape}.")
    check_choice("target", target, ("fake", "real"))
    check_choice("reference", reference, ("blur", "mean"))
    steps = check_whole("steps", steps, least=1)
    pixels = heatmaps[0].size if len(heatmaps) else 1
    counts = np.rint(np.linspace(0, pixels, steps + 1)).astype(int)
    curves = np.zeros((2, len(images), steps + 1))
    for number, (image, heatmap) in enumerate(zip(images, heatmaps, strict=True)):
        order = np.argsort(-heatmap.ravel(), kind="stable")
        places = np.empty(pixels, int)
        places[order] = np.arange(pixels)
        first = (places < counts[:, None]).reshape(-1, *heatmap.shape, 1)
        other = _reference(image, reference)
        for curve, (within, around) in zip(curves, ((other, image), (image, other)), strict=True):
            curve[number] = detector.scores(np.where(first, within, around))
    if target == "real":
        curves = 1 - curves
    return Curves(counts / pixels, *curves)


def _area(curves: DoubleArray, fractions: DoubleArray) -> DoubleArray:
    areas: DoubleArray = (curves[:, 1:] + curves[:, :-1]) @ np.diff(fractions) / 2
    return areas


def _reference(image: AnyArray, kind: str) -> AnyArray:
    found: AnyArray
    if kind == "mean":
        mean = image.mean((0, 1), keepdims=True, dtype=np.float64)
        found = np.broadcast_to(mean, image.shape)
    else:
        width = _BLUR * max(image.shape[:2])
        found = cv2.GaussianBlur(image.astype(np.float32), (0, 0), width)
    return (np.rint(found) if image.dtype == np.uint8 else found).astype(image.dtype)


def randomization_check(
    detector: Explainable,
    images: Images,
    *,
    method: Callable[..., FloatArray] = grad_cam,
    measure: Literal["ssim", "rank_correlation", "top_overlap"] = "rank_correlation",
    seed: int = 0,
) -> DoubleArray:
    """Compare the maps of a detector with those of its network with weights drawn anew.

    Maps that stay alike show the image or the architecture, not what was learnt. Source: Adebayo
    et al., "Sanity Checks for Saliency Maps", section 3 (all weights at once).

    Args:
        detector: As in `grad_cam`.
        images: As in `grad_cam`.
        method: From a detector and images to maps (N, H, W) in [0, 1].
        measure: How maps are compared, as in `congenetic_similarity`.
        seed: Of the new weights.

    Returns:
        (N,) float64, the likeness of each image's two maps; near 0 as it should be, 1 if equal;
        NaN where the measure has none, as with empty maps.

    Raises:
        InputError: As in `grad_cam`, or a network that cannot be copied.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> images = np.random.default_rng(0).random((2, 32, 32, 3))
        >>> randomization_check(Detector(mesonet((32, 32, 3))), images).shape
        (2,)
    """
    check_whole("seed", seed, least=0)
    own = method(detector, images)
    with own_random_numbers(seed):
        other = detector.redrawn(seed)
    likeness = congenetic_similarity([own, method(other, images)], measure=measure)
    return np.asarray(likeness, np.float64)


def localization(heatmaps: AnyArray, masks: AnyArray) -> pd.DataFrame:
    """Measure how much of each heat map lies in the manipulated region.

    Sources: Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural
    Networks", section 4.3 (`mass`); Zhang et al., "Top-down Neural Attention by Excitation
    Backprop", section 4.1 (`hit`, the pointing game).

    Args:
        heatmaps: (N, H, W) float in [0, 1], as `grad_cam` gives.
        masks: (N, H, W) bool, True where the picture was manipulated; or uint8, of 0 and 255. Of
            videos of FaceForensics++ and DFD whose mask videos are there: `data.crop_video`'s.

    Returns:
        A row an image. `mass`: the share of the map's sum that lies in the region, 0 to 1;
        `region`: the region's share of the picture, which is what `mass` of a map that knows
        nothing is; `ratio`: mass over region; `hit`: 1 where the map is largest in the region, 0
        where it is not, a share where several places are. NaN where map or mask are empty.

    Raises:
        InputError: Maps of another shape, dtype or range, or masks that do not fit them.

    Examples:
        >>> localization(np.array([[[0.0, 0.2], [0.2, 0.6]]]), np.array([[[0, 1], [0, 1]]]) > 0)
           mass  region  ratio  hit
        0   0.8     0.5    1.6  1.0
    """
    maps, given = check_heatmaps(heatmaps), np.asarray(masks)
    of_levels = given.dtype == np.uint8 and bool(np.isin(given, (0, 255)).all())
    if given.shape != maps.shape or not (given.dtype == bool or of_levels):
        raise InputError(
            f"expected masks of shape {maps.shape}, bool or uint8 of 0 and 255, received "
            f"{describe(masks)}.",
            hint="Frames of a compressed mask video take every value: pass frames >= 64.",
        )
    values, inside, over = maps.astype(np.float64), given > 0, (1, 2)
    total, region = values.sum(axis=over), inside.mean(axis=over)
    empty = (total == 0) | (region == 0)
    if empty.any():
        of_each = f"{(total == 0).sum()} maps and {(region == 0).sum()} masks are empty."
        message = f"{empty.sum()} of {len(maps)} rows are NaN: {of_each}"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    largest = values == values.max(axis=over, keepdims=True)
    mass = (values * inside).sum(axis=over) / np.where(empty, np.nan, total)
    hit = (largest & inside).sum(axis=over) / np.where(empty, np.nan, largest.sum(axis=over))
    region = np.where(empty, np.nan, region)
    return pd.DataFrame({"mass": mass, "region": region, "ratio": mass / region, "hit": hit})
