"""Focus as a kind of fine-tuning: on the neurons that contribute in every part of the mix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize import augment, causal
from deepfake_generalize.data import read_image
from deepfake_generalize.data.crops import resize

if TYPE_CHECKING:
    import pandas as pd

    from deepfake_generalize.models import Detector, Recipe

_PARTS = (1 / 4, 1 / 2, 1.0)
"""Of the layer that count as contributing: the smallest in which the sets share a neuron."""


def focus_where_shared(
    detector: Detector,
    train: pd.DataFrame,
    val: pd.DataFrame,
    *,
    recipe: Recipe,
    seed: int,
    name: str,
    progress: Any,
) -> Detector:
    """Train the neurons' weights alone that contribute on the source and every few-shot set.

    Source: "How Generalizable are Deepfake Detectors?", section V, which proposes it and does not
    try it; `augment.focus` with mode "freeze".
    """
    effects = {
        str(key): causal.average_causal_effect(
            detector,
            np.stack([resize(read_image(path), detector.size) for path in rows["path"]]),
            labels=rows["label"].to_numpy(),
        )
        for key, rows in train.groupby("set", sort=False)
    }
    shared = (causal.universal_neurons(effects, part) for part in _PARTS)
    neurons = next(each for each in shared if len(each))
    return augment.focus(
        detector, neurons, train, val, recipe=recipe, seed=seed, name=name, progress=progress
    )
