"""Benchmark a detector that is not a network: noise statistics and logistic regression.

The detector learns on synthetic crops whose fakes were smoothed, and meets fakes with another
trace: a grid, as some generators leave behind. What it learned about smoothing says nothing about
the grid.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deepfake_generalize as dg


def make_crops(folder: Path, name: str, *, grid: bool, seed: int, n: int = 60) -> pd.DataFrame:
    """Write `n` noisy pictures, half of them forged, and return them as a table of crops."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        image = rng.normal(rng.uniform(90, 160), 20, (64, 64, 3))
        fake = number % 2
        if fake and grid:
            image[::8] += 12
        elif fake:
            image = cv2.GaussianBlur(image, (0, 0), 0.6)
        path = folder / f"{name}-{number}.png"
        cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8))
        rows.append({"path": str(path), "label": fake, "video": f"{name}-{number}"})
    return pd.DataFrame(rows)


def features(images: np.ndarray) -> np.ndarray:
    """Return the spread of the colours and of the differences between neighbours, (N, 3)."""
    grey = np.asarray(images, np.float64).mean(axis=-1)
    across, down = np.diff(grey, axis=2), np.diff(grey, axis=1)
    return np.stack([grey.std((1, 2)), across.std((1, 2)), down.std((1, 2))], axis=1)


with TemporaryDirectory() as name:
    folder = Path(name)
    train = make_crops(folder, "train", grid=False, seed=0, n=200)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(features(np.stack([dg.data.read_image(p) for p in train["path"]])), train["label"])

    detector = dg.models.as_detector(
        lambda images: model.predict_proba(features(images))[:, 1],
        name="noise statistics",
        size=64,
        returns="fake",
        scale="uint8",
    )
    result = dg.study.benchmark(
        detector,
        original=make_crops(folder, "smoothed", grid=False, seed=1),
        unseen={"GRID": make_crops(folder, "grid", grid=True, seed=2)},
        audit=False,  # noise has no people and no clips that could be shared
    )
print(result.table("markdown", intervals=True))
print(result.metrics[["set", "frame_accuracy", "frame_auc", "video_auc"]].to_string(index=False))
