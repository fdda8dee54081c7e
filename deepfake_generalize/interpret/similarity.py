"""How alike the heat maps of congenetic detectors are: structural similarity, and by ranks.

Every map's window sums are taken once and shared by all pairs it is part of. Levels (uint8) are
summed and multiplied in integers, exactly; floats in double precision.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.rendering import check_heatmaps, colorize, study_overlay
from deepfake_generalize.types import AnyArray, DoubleArray
from deepfake_generalize.validation import (
    check_choice,
    check_images,
    check_unit,
    describe,
    refuse_masked,
)

MEASURES = ("ssim", "rank_correlation", "top_overlap")
"""What maps are compared by."""
WINDOW = 7
"""Side in pixels of the uniform window, scikit-image's default."""

_PIXELS = WINDOW * WINDOW
# Arrays of this size are reused by the allocator. Larger ones are mapped anew each time, and the
# page faults cost four times the arithmetic; in strips they stay in the cache as well.
_STRIP_BYTES = 100_000


@dataclass(frozen=True)
class _Moments:
    """One strip, its window sums, their squares, and the variances but for a factor."""

    picture: AnyArray
    sums: AnyArray
    squares: AnyArray
    spread: AnyArray


def ssim(a: AnyArray, b: AnyArray) -> DoubleArray:
    """Compare pictures pair by pair by structural similarity.

    Source: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", section III-B, with scikit-image's window.

    Args:
        a: (N, H, W) float in [0, 1] (data range 1), or (N, H, W, 3) uint8 (data range 255; the
            channels are averaged). H and W at least 7.
        b: The same shape and kind.

    Returns:
        (N,) float64 in [-1, 1]; 1 where the two are equal.

    Raises:
        InputError: Another shape, dtype or range, unequal shapes, or images under 7 pixels.

    Reproduction notes:
        `skimage.metrics.structural_similarity` with its defaults, as the study's scripts call it:
        a uniform 7x7 window, sample covariance, three pixels of border left out.

    Examples:
        >>> maps = np.random.default_rng(0).random((2, 16, 16))
        >>> ssim(maps, maps).tolist()
        [1.0, 1.0]
    """
    _check_pictures(a, name="a")
    _check_pictures(b, name="b")
    return mean_ssim_over_pairs([a, b])


def congenetic_similarity(
    heatmaps: Sequence[AnyArray],
    *,
    measure: Literal["ssim", "rank_correlation", "top_overlap"] = "ssim",
    render: Literal["jet", "raw", "study"] = "jet",
    images: AnyArray | None = None,
) -> DoubleArray:
    """Measure how alike the maps of congenetic detectors are, image by image.

    Congenetic detectors have one architecture and one source, and differ by their fine-tuning
    (none, transfer, merge). Source: the paper, RQ3 and Figure 3.

    Args:
        heatmaps: One entry a detector, at least two: (N, H, W) float in [0, 1], the maps of the
            same N images in the same order.
        measure: "ssim"; "rank_correlation", Spearman's, of all positions; or "top_overlap", how far
            the top tenths of the positions overlap (Dice, 0 to 1; about 0.1 for unrelated maps).
        render: What SSIM compares. "jet": the coloured maps, as the paper's text says; "raw": the
            maps' own values; "study": the scripts' pictures, 70 % photograph.
        images: (N, H, W, 3) RGB, uint8 or float in [0, 1]: the photographs. For "study" only.

    Returns:
        (N,) float64: the mean over all pairs of detectors. A map that is the same everywhere has no
        order: by the measures of ranks its pairs are left out, and NaN is where none is left.

    Raises:
        InputError: Fewer than two detectors, maps of unequal shapes or (SSIM) under 7 pixels, an
            unknown `measure` or `render`, "study" for another measure than SSIM, or images missing
            or unequal in size.

    Reproduction notes:
        In the scripts' pictures both maps of a pair lie over the same photograph, whose structure
        agrees with itself: random maps over one face rose from 0.10 ("jet") to 0.38 ("study").
        Compare "study" values with the paper's Figure 3, and draw conclusions from "jet" or "raw".

    Examples:
        >>> first = np.random.default_rng(0).random((1, 16, 16))
        >>> congenetic_similarity([first, first, first]).tolist()
        [1.0]
        >>> congenetic_similarity([first, first], measure="rank_correlation").round(6).tolist()
        [1.0]
    """
    alone = isinstance(heatmaps, str | Mapping) or not isinstance(heatmaps, Iterable)
    heatmaps = heatmaps if alone else list(heatmaps)
    if alone or len(heatmaps) < 2:
        received = describe(heatmaps) if alone else len(heatmaps)
        raise InputError(
            f"expected the maps of at least two detectors, received {received}.",
            hint="Pass a sequence with one (N, H, W) array a detector.",
        )
    check_choice("measure", measure, MEASURES)
    check_choice("render", render, ("jet", "raw", "study") if measure == "ssim" else ("jet", "raw"))
    if (images is None) == (render == "study"):
        raise InputError(
            f'expected images with render="study" and only there, received render="{render}" '
            f"and {'no images' if images is None else 'images'}."
        )
    maps = [check_heatmaps(own, name=f"heatmaps[{i}]") for i, own in enumerate(heatmaps)]
    if measure != "ssim":
        return over_images(_RANKED[measure], maps)
    if render == "raw":
        return mean_ssim_over_pairs(maps)
    if images is None:
        return mean_ssim_over_pairs([colorize(own) for own in maps])
    return mean_ssim_over_pairs([study_overlay(own, images) for own in maps])


def similarity_bins(values: npt.ArrayLike) -> dict[str, int]:
    """Count similarities in the bins of the paper's Figure 3.

    Args:
        values: (N,) similarities in [-1, 1].

    Returns:
        "dissimilar": how many are below 0.7; "low": from 0.7 to below 0.9; "high": 0.9 and above.

    Raises:
        InputError: NaN, values outside [-1, 1] by more than rounding, or not numbers (N,).

    Examples:
        >>> similarity_bins([0.5, 0.7, 0.899, 0.9, 1.0])
        {'dissimilar': 1, 'low': 2, 'high': 2}
    """
    refuse_masked("similarities", values)
    numbers = np.asarray(values)
    if numbers.ndim != 1 or not (
        np.issubdtype(numbers.dtype, np.integer) or np.issubdtype(numbers.dtype, np.floating)
    ):
        raise InputError(f"expected similarities of shape (N,), received {describe(numbers)}.")
    if np.isnan(numbers).any():
        raise InputError(
            f"expected similarities, received NaN in {int(np.isnan(numbers).sum())} of "
            f"{numbers.size}.",
            hint="Leave out what could not be measured, and say so.",
        )
    numbers = check_unit("similarities", numbers, least=-1.0, hint="Pass what ssim gives.")
    low, high = int((numbers < 0.7).sum()), int((numbers < 0.9).sum())
    return {"dissimilar": low, "low": high - low, "high": numbers.size - high}


def _check_pictures(pictures: AnyArray, *, name: str) -> None:
    """Refuse what is neither (N, H, W) float maps nor (N, H, W, 3) uint8 pictures."""
    if isinstance(pictures, np.ndarray) and pictures.ndim == 4:
        if check_images(pictures, name=name).dtype != np.uint8:
            raise InputError(
                f"expected coloured {name} of dtype uint8, received {describe(pictures)}."
            )
    else:
        check_heatmaps(pictures, name=name)


def mean_ssim_over_pairs(pictures: Sequence[AnyArray]) -> DoubleArray:
    """Return the mean SSIM over all pairs of at least two arrays, (N,) float64, on all cores."""
    height, width = pictures[0].shape[1:3]
    if min(height, width) < WINDOW:
        raise InputError(
            f"expected images of at least {WINDOW}x{WINDOW} pixels, received {height}x{width}: the "
            "window does not fit.",
            hint="Compare maps at the size of the images.",
        )
    return over_images(_mean_of_image, pictures)


def over_images(
    measure: Callable[[Sequence[AnyArray]], float], pictures: Sequence[AnyArray]
) -> DoubleArray:
    """Measure arrays of equal shapes, (N, ...), image by image, on all cores."""
    shape = pictures[0].shape
    for other in pictures[1:]:
        if other.shape != shape:
            raise InputError(f"expected maps of equal shapes, received {shape} and {other.shape}.")

    def at(index: int) -> float:
        return measure([images[index] for images in pictures])

    # NumPy and OpenCV let go of the interpreter while they compute, so threads share the images.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.fromiter(pool.map(at, range(shape[0])), np.float64, shape[0])


def _mean_of_image(pictures: Sequence[AnyArray]) -> float:
    """Return the mean SSIM over all pairs of one image's pictures, strip by strip."""
    first = pictures[0]
    height, width, *channels = first.shape
    values_a_row = width * math.prod(channels)
    item = 4 if first.dtype == np.uint8 else 8
    step = max(1, _STRIP_BYTES // (item * values_a_row) - (WINDOW - 1))
    windows = height - (WINDOW - 1)
    total = 0.0
    for start in range(0, windows, step):
        stop = min(start + step, windows) + WINDOW - 1
        moments = [_moments(picture[start:stop]) for picture in pictures]
        total += sum(_pair(x, y) for x, y in combinations(moments, 2))
    inner = windows * (width - (WINDOW - 1)) * math.prod(channels)
    return float(total / (inner * math.comb(len(pictures), 2)))


def _moments(picture: AnyArray) -> _Moments:
    values: AnyArray = picture.astype(np.uint16 if picture.dtype == np.uint8 else np.float64)
    sums = _window_sums(values)
    squares = sums * sums
    spread = _PIXELS * _window_sums(values * values) - squares
    return _Moments(values, sums, squares, spread)


def _window_sums(values: AnyArray) -> AnyArray:
    """Sum over the windows that fit, in int32 for levels and their products, else in float64."""
    depth = cv2.CV_32S if values.dtype == np.uint16 else cv2.CV_64F
    summed = cv2.boxFilter(values, depth, (WINDOW, WINDOW), normalize=False)
    border = WINDOW // 2
    inner: AnyArray = summed[border:-border, border:-border]
    return inner


def _pair(a: _Moments, b: _Moments) -> float:
    """Return the sum of SSIM over all windows of two strips, terms times the window's pixels."""
    exact = a.picture.dtype == np.uint16
    number: type[np.float32 | np.float64] = np.float32 if exact else np.float64
    data_range = 255.0 if exact else 1.0
    c1 = (0.01 * data_range) ** 2 * _PIXELS**2
    c2 = (0.03 * data_range) ** 2 * _PIXELS * (_PIXELS - 1)

    def real(values: AnyArray, constant: float) -> AnyArray:
        shifted: AnyArray = np.add(values.astype(number), number(constant))
        return shifted

    means = a.sums * b.sums
    covariance = _PIXELS * _window_sums(a.picture * b.picture) - means
    above = real(2 * means, c1) * real(2 * covariance, c2)
    below = real(a.squares + b.squares, c1) * real(a.spread + b.spread, c2)
    return float(np.divide(above, below).sum(dtype=np.float64))


def _rank_correlation(maps: Sequence[AnyArray]) -> float:
    """Return Spearman's rank correlation of (H, W) maps of one image, the mean over their pairs.

    A map that is the same everywhere has no order: its pairs are left out; NaN where none is left.
    """
    from scipy.stats import rankdata

    ranks = rankdata([own.ravel() for own in maps], axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1)
    return _mean_over_pairs(ranks @ ranks.T, lengths, np.multiply)


def _top_overlap(maps: Sequence[AnyArray]) -> float:
    """Return how far the top tenths of (H, W) maps of one image overlap, the mean over their pairs.

    Two tops, of values above the map's smallest, overlap by twice what they share over the sum of
    their sizes (Dice). Pairs with a map that is the same everywhere are left out.
    """
    values = np.array([own.ravel() for own in maps])
    place = values.shape[1] - max(1, round(values.shape[1] / 10))
    border = np.partition(values, place, axis=1)[:, place, np.newaxis]
    top = ((values >= border) & (values > values.min(axis=1, keepdims=True))).astype(np.float32)
    return _mean_over_pairs(top @ top.T, top.sum(axis=1), lambda a, b: (a + b) / 2)


def _mean_over_pairs(
    shared: AnyArray, sizes: AnyArray, scale: Callable[[AnyArray, AnyArray], AnyArray]
) -> float:
    """Return the mean of `shared` by the scale of both sizes, over pairs whose sizes are not 0."""
    first, second = np.triu_indices(len(sizes), 1)
    kept = (sizes[first] > 0) & (sizes[second] > 0)
    first, second = first[kept], second[kept]
    ratios: DoubleArray = shared[first, second] / scale(sizes[first], sizes[second])
    return float(ratios.mean()) if ratios.size else float("nan")


_RANKED = {"rank_correlation": _rank_correlation, "top_overlap": _top_overlap}
