"""Benchmark a network of clips: it is given eight frames of one video at once, in order.

The network is untrained and the pictures are noise, so its accuracy is chance: put your own network
and folders of crops (`data.extract_faces`) in their place.
"""

import importlib.util
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd

import deepfake_generalize as dg

if importlib.util.find_spec("torch") is None:
    print("skipped: this example needs PyTorch; pip install torch")
    sys.exit()

import torch


class Clips(torch.nn.Module):
    """Takes (N, 8, 3, 32, 32) in [0, 1], frames before channels, and gives a logit a clip."""

    def __init__(self):
        """Build the network."""
        super().__init__()
        self.features = torch.nn.Conv3d(3, 4, 3, stride=2)
        self.head = torch.nn.Linear(4, 1)

    def forward(self, clips):
        """Convolve over time and place: Conv3d takes channels first."""
        return self.head(self.features(clips.transpose(1, 2)).relu().mean((2, 3, 4)))


torch.manual_seed(0)
detector = dg.models.as_detector(Clips(), name="my clips", size=32, frames=8, logits=True)

rng, sets = np.random.default_rng(0), {}
with TemporaryDirectory() as folder:
    for name in ("home", "away"):
        rows = []
        for video, frame in np.ndindex(20, 10):  # Ten frames a video: eight of them are taken.
            path = Path(folder, f"{name}-{video}-{frame}.png")
            cv2.imwrite(str(path), rng.integers(0, 256, (32, 32, 3), np.uint8))
            rows.append((str(path), video % 2, f"{name}/{video}", frame))
        sets[name] = pd.DataFrame(rows, columns=["path", "label", "video", "frame"])
    short = sets["away"].query("video != 'away/0' or frame < 5")  # Five frames are no clip.
    result = dg.study.benchmark(
        detector, original=sets["home"], unseen={"AWAY": short}, audit=False
    )
print(result.table("markdown"))
print(result.coverage["AWAY"], result.scores["AWAY"]["reason"].iloc[0])
