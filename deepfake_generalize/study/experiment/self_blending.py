"""Training on self-blends as a kind of detector: it sees the source's reals and no fake."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake_generalize import augment, models

if TYPE_CHECKING:
    import pandas as pd


def train_self_blended(
    architecture: Any, train: pd.DataFrame, val: pd.DataFrame, *, seed: int, **options: Any
) -> models.Detector:
    """Train a network on pairs made of the reals of `train`, chosen on pairs of those of `val`.

    A pair stands for a real and a fake, so that it sees as many images as the original does of a
    balanced set. `options` are those of `models.train`; the record's `self_blends` is "SBI", or
    "self-blend" by 468 points.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = [
            augment.self_blend(rows[rows["label"] == 0], Path(folder, name), seed=seed)
            for name, rows in (("train", train), ("val", val))
        ]
        # A pair shares a batch, as the authors' do, where clips are told apart by identities.
        pairing = bool(made[0]["target_identity"].notna().all())
        detector = models.train(architecture, *made, seed=seed, pairing=pairing, **options)
    detector.training = (detector.training or {}) | {"self_blends": made[0]["method"].iloc[1]}
    return detector
