"""From a detector class of DeepfakeBench to why it fails: heat maps and neurons.

This class is as small as one can be, untrained, and the pictures are noise: put your own detector,
with its weights loaded, and crops in their place.
"""

import sys

import numpy as np

import deepfake_generalize as dg

try:
    import torch
except ImportError:
    print("skipped: this example needs PyTorch; pip install torch")
    sys.exit()


class TinyDetector(torch.nn.Module):
    """Takes a dictionary and gives one, as DeepfakeBench's detectors do."""

    def __init__(self):
        """Build backbone and head."""
        super().__init__()
        convolution = torch.nn.Conv2d(3, 16, 5, stride=2)
        pool = torch.nn.AdaptiveAvgPool2d(1)
        self.backbone = torch.nn.Sequential(convolution, torch.nn.ReLU(), pool, torch.nn.Flatten())
        self.head = torch.nn.Linear(16, 2)

    def forward(self, data_dict):
        """Give logits of two classes, P(fake), and features."""
        features = self.backbone(data_dict["image"])
        logits = self.head(features)
        return {"cls": logits, "prob": torch.softmax(logits, 1)[:, 1], "feat": features}


class Wrapped(torch.nn.Module):
    """Gives such a detector images as it was trained on, from -1 to 1, and returns its logits."""

    def __init__(self, detector):
        """Keep the detector."""
        super().__init__()
        self.detector = detector

    def forward(self, images):
        """Give the logits of images (N, 3, H, W) in [0, 1]."""
        return self.detector({"image": images * 2 - 1})["cls"]


torch.manual_seed(0)
detector = dg.models.as_detector(
    Wrapped(TinyDetector()), name="tiny", size=64, logits=True, column=1
)
faces = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
maps = dg.interpret.grad_cam(detector, faces, relu=False)  # at the last convolution
effects = dg.causal.average_causal_effect(
    detector, faces, outcome="score", site="detector.backbone"
)
print("maps:", maps.shape)
print("neurons that contribute most:", dg.causal.top_neurons(effects, 5))
