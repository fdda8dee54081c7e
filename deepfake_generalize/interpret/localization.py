"""How much of a heat map lies where the picture was manipulated."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.rendering import check_heatmaps
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import describe


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
