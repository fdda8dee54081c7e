"""Set one neuron at a time, for all images at once: do(neuron = value)."""

from __future__ import annotations

import numpy as np

from deepfake_generalize.types import AnyArray, DoubleArray, Site

BLOCK = 2**20
"""Numbers (float32) that one step of the intervention holds at a time: 4 MB."""


def summed_scores(
    site: Site,
    activations: AnyArray,
    values: DoubleArray,
    weights: DoubleArray,
    *,
    block: int = BLOCK,
) -> DoubleArray:
    """Sum weighted scores over images, for every neuron set to each of its values.

    Setting neuron i moves the result of the first affine map by `(value - activation) * kernel[i]`,
    a rank-one update for all images together; only what follows is computed anew.

    `activations` are (N, neurons), `values` (neurons, steps), `weights` (N, sums): the factors of
    each image's score, one column a sum. Returns (neurons, steps, sums).
    """
    (neurons, width), steps = site.kernel.shape, values.shape[1]
    rows = max(1, min(len(activations), block // (steps * width)))
    group = max(1, block // (steps * width * rows))
    set_to = site.before(values.T.astype(np.float32)).T
    sums = np.zeros((*values.shape, weights.shape[1]))
    for start in range(0, len(activations), rows):
        part = np.asarray(activations[start : start + rows], np.float32)
        entering = np.asarray(site.before(part), np.float64)
        mixed = (entering @ site.kernel.astype(np.float64) + site.bias).astype(np.float32)
        factors = weights[start : start + rows]
        for first in range(0, neurons, group):
            some = slice(first, first + group)
            moved = (set_to[some, :, None] - entering.T[some, None, :]).astype(np.float32)
            sums[some] += site.sums(mixed, moved, site.kernel[some], factors)
    return sums
