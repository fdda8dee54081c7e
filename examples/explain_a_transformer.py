"""From a timm transformer to why it fails: maps, whether to trust them, and the neurons behind it.

The network is untrained and the pictures are noise, so nothing is learnt from it: put your own
model and crops in their place. A Hugging Face classifier differs in one line: forward returns
`self.network(pixel_values=...).logits`.
"""

import sys

import numpy as np

import deepfake_generalize as dg

try:
    import timm
    import torch
except (ImportError, RuntimeError) as error:  # timm raises the latter beside another torchvision.
    print(f"skipped: this example needs PyTorch and timm, pip install torch timm: {error}")
    sys.exit()


class Classifier(torch.nn.Module):
    """Normalizes images in [0, 1] as timm's networks were trained, and returns two logits."""

    def __init__(self):
        """Build the network."""
        super().__init__()
        self.network = timm.create_model("vit_tiny_patch16_224", num_classes=2, img_size=64)

    def forward(self, images):
        """Give the logits of images (N, 3, 64, 64)."""
        return self.network((images - 0.5) / 0.5)


torch.manual_seed(0)
detector = dg.models.as_detector(Classifier(), name="ViT", size=64, logits=True, column=1)
faces = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
maps = dg.interpret.hires_cam(detector, faces)  # (4, 64, 64), at the last block's tokens
curves = dg.interpret.deletion_insertion(detector, faces, maps)
likeness = dg.interpret.randomization_check(detector, faces, method=dg.interpret.hires_cam)
effects = dg.causal.average_causal_effect(
    detector, faces, outcome="score", site="network.head_drop"
)
print("areas of deletion:", curves.deletion_area.round(3))
print("likeness to maps of other weights:", likeness.round(2))
print("neurons that contribute most:", dg.causal.top_neurons(effects, 5))
