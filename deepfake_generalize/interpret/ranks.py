"""How alike heat maps are by the order of their values, which no colours and no window change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from deepfake_generalize.types import AnyArray, DoubleArray


def rank_correlation(maps: Sequence[AnyArray]) -> float:
    """Return Spearman's rank correlation of (H, W) maps of one image, the mean over their pairs.

    A map that is the same everywhere has no order: its pairs are left out; NaN where none is left.
    """
    from scipy.stats import rankdata

    ranks = rankdata([own.ravel() for own in maps], axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1)
    return _mean_over_pairs(ranks @ ranks.T, lengths, np.multiply)


def top_overlap(maps: Sequence[AnyArray]) -> float:
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
