"""Benchmark a PyTorch model: say which class is fake and what it takes, nothing else.

The network is untrained and the pictures are noise, so its accuracy is chance: put your own model
and folders of crops in their place.
"""

import importlib.util
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

import deepfake_generalize as dg

if importlib.util.find_spec("torch") is None:
    print("skipped: this example needs PyTorch; pip install torch")
    sys.exit()

import torch

torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3, stride=2),
    torch.nn.ReLU(),
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(4, 2),
)

# It gets (N, 3, 64, 64) in [0, 1], in eval mode and without gradients, and gives logits of two
# classes, of which 1 is fake here.
detector = dg.models.as_detector(
    network, name="my torch model", size=64, returns="fake", logits=True, column=1
)

rng = np.random.default_rng(0)
with TemporaryDirectory() as name:
    for place in ("home/real", "home/fake", "away/real", "away/fake"):
        (Path(name) / place).mkdir(parents=True)
        for number in range(10):
            noise = rng.integers(0, 256, (64, 64, 3), np.uint8)
            cv2.imwrite(f"{name}/{place}/{number}.png", noise)
    result = dg.study.benchmark(
        detector, original=Path(name) / "home", unseen={"AWAY": Path(name) / "away"}, audit=False
    )
print(result.table("markdown"))
print(f"P(fake) of the first: {result.scores['AWAY']['score'].iloc[0]:.3f}")
