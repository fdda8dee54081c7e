"""Paired batches: every fake beside an image of the real clip that it was made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from deepfake_generalize.data.manifests import real_clips
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import IntArray


def pairs_of(crops: pd.DataFrame | None) -> IntArray:
    """Return pairs (P, 2) of a real row and a fake one of the same clip, each row in one at most.

    Within a clip the frames of all pairs together are as near as can be.
    """
    if crops is None:
        raise InputError(
            "expected crops to pair, received arrays or a dataset, which do not say from which "
            "clip a fake was made.",
            hint="Pass crops (data.read_crops), or leave pairing out.",
        )
    from scipy.optimize import linear_sum_assignment

    labels, clips = crops["label"].to_numpy(int), real_clips(crops).reset_index(drop=True)
    frame = crops.get("frame", pd.Series(0, crops.index))
    frames = pd.to_numeric(frame, errors="coerce").fillna(0).to_numpy(float)
    pairs = []
    for rows in clips[clips != ""].groupby(clips).groups.values():
        reals, fakes = (rows.to_numpy()[labels[rows] == label] for label in (0, 1))
        chosen = linear_sum_assignment(abs(frames[reals][:, np.newaxis] - frames[fakes]))
        pairs.append(np.column_stack([reals[chosen[0]], fakes[chosen[1]]]))
    if not sum(map(len, pairs)):
        raise InputError(
            f"expected fakes beside the real clips that they were made from, the {len(crops)} "
            "crops hold no such pair.",
            hint="Clips are known by target_identity and the video's name; put both classes in.",
        )
    return np.concatenate(pairs)


def paired_order(pairs: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Return `count` rows (count,) in random order, pairs side by side from an even place on.

    Rows that are in no pair come two at a time between the pairs, a last odd one at the end.
    """
    others = rng.permutation(np.setdiff1d(np.arange(count), pairs))
    even = len(others) // 2 * 2
    twos = np.concatenate([pairs, others[:even].reshape(-1, 2)])
    return np.concatenate([rng.permutation(twos).ravel(), others[even:]])
