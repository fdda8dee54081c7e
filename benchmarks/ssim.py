"""SSIM of three coloured heat maps, all three pairs, against scikit-image; colouring left out."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np

from benchmarks.timing import Ratio, compare, line


def measure(*, quick: bool = False) -> list[Ratio]:
    """Time 256x256 pictures of smooth random maps on both sides, the same images on each."""
    from skimage.metrics import structural_similarity

    from deepfake_generalize.interpret import colorize
    from deepfake_generalize.interpret.similarity import mean_ssim_over_pairs

    count = 8 if quick else 32
    cells = np.random.default_rng(0).random((3, count, 14, 14))
    drawn = [
        colorize(np.stack([cv2.resize(each, (256, 256)) for each in detector]).clip(0, 1))
        for detector in cells
    ]

    def theirs() -> None:
        for a, b in combinations(drawn, 2):
            for x, y in zip(a, b, strict=True):
                structural_similarity(x, y, channel_axis=-1)

    return [
        compare(
            f"SSIM of three coloured 256x256 maps, {count} images",
            "scikit-image, pair by pair",
            ours=lambda: mean_ssim_over_pairs(drawn),
            theirs=theirs,
            rounds=3 if quick else 7,
            target=6.0,
            note="colouring left out on both sides",
        )
    ]


if __name__ == "__main__":
    for row in measure():
        print(line(row))
