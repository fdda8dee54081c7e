"""Robustness over five types and five levels, against scoring the same pictures 26 times.

The detector is a MesoNet, the cheapest network of the five: with others, perturbing weighs less.
Theirs has the pictures in memory; ours reads, perturbs, scores and measures them, with intervals.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import Ratio, compare, line

if TYPE_CHECKING:
    from collections.abc import Iterator

N, SIDE, BATCH = 1000, 256, 64
TYPES = ("saturation", "contrast", "colour_noise", "blur", "pixelation")
TARGET = 1 / 1.5


def measure(*, quick: bool = False) -> Iterator[Ratio]:
    """Measure one run of each."""
    import cv2
    import numpy as np
    import pandas as pd

    from deepfake_generalize import study
    from deepfake_generalize.models import ARCHITECTURES, Detector

    count, rng = 32 if quick else N, np.random.default_rng(0)
    detector = Detector(ARCHITECTURES["mesonet"]())
    noise = rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    pictures = np.stack([cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in noise])
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number, picture in enumerate(pictures):
            path = str(Path(folder) / f"{number}.png")
            cv2.imwrite(path, picture)
            rows.append({"path": path, "label": number % 2, "video": f"{number // 20}"})
        crops = pd.DataFrame(rows)

        def theirs() -> None:
            for _ in range(1 + 5 * len(TYPES)):
                for start in range(0, count, BATCH):
                    detector.scores(pictures[start : start + BATCH])

        yield compare(
            f"robustness, {len(TYPES)} types and 5 levels, {count} crops at {SIDE}",
            "scoring them 26 times",
            ours=lambda: study.robustness(detector, crops, perturbations=TYPES),
            theirs=theirs,
            rounds=1,
            target=TARGET,
            note="MesoNet; ours from PNG files, with intervals",
        )


if __name__ == "__main__":
    for row in measure(quick="--quick" in sys.argv):
        print(line(row))
