"""From a Hugging Face image classifier to why it fails: maps, and whether they are to be trusted.

The network is untrained and the pictures are noise, so nothing is learnt from it: load yours with
`ViTForImageClassification.from_pretrained(...)`, and put crops in the pictures' place.
"""

import sys

import numpy as np

import deepfake_generalize as dg

try:
    import torch
    from transformers import ViTConfig, ViTForImageClassification
except (ImportError, RuntimeError) as error:
    print(f"skipped: this example needs PyTorch and transformers: {error}")
    sys.exit()


class Classifier(torch.nn.Module):
    """Takes images in [0, 1] and returns the logits that the network keeps in its output."""

    def __init__(self, network):
        """Keep the network."""
        super().__init__()
        self.network = network

    def forward(self, images):
        """Give the logits of images (N, 3, 64, 64)."""
        return self.network(pixel_values=(images - 0.5) / 0.5).logits


torch.manual_seed(0)
sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3}
network = ViTForImageClassification(ViTConfig(**sizes, image_size=64, num_labels=2))
detector = dg.models.as_detector(Classifier(network), name="mine", size=64, logits=True, column=1)
faces = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
maps = dg.interpret.grad_cam(detector, faces, relu=False)  # at the last block's tokens
likeness = dg.interpret.randomization_check(detector, faces, method=dg.interpret.hires_cam)
print("maps:", maps.shape)
print("likeness to maps of other weights:", likeness.round(2))
