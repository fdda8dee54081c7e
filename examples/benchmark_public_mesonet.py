"""Benchmark the public MesoNet weights on synthetic pictures, fetched once and checked.

Without a network set $DEEPFAKE_GENERALIZE_MESONET_WEIGHTS to a folder with Meso4_DF.h5. The
pictures are noise with a smoothed centre: they show the call, and are no evidence about deepfakes.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

import deepfake_generalize as dg
from deepfake_generalize.errors import DeepfakeGeneralizeError

try:
    detector = dg.models.load_pretrained("mesonet-deepfakes")
except DeepfakeGeneralizeError as error:
    print(f"skipped: this example needs the public weights. {error}")
    sys.exit()

rng = np.random.default_rng(0)
with TemporaryDirectory() as name:
    for place in ("home/real", "home/fake", "away/real", "away/fake"):
        (Path(name) / place).mkdir(parents=True)
        for number in range(6):
            picture = cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), np.uint8), (0, 0), 3)
            if place.endswith("fake"):
                centre = picture[64:192, 64:192]
                centre[:] = cv2.GaussianBlur(centre, (0, 0), 4)
            cv2.imwrite(f"{name}/{place}/{number}.png", picture)
    result = dg.study.benchmark(
        detector, original=Path(name) / "home", unseen={"AWAY": Path(name) / "away"}, audit=False
    )
    files = result.save_scores(Path(name) / "scores")
    print(result)
    print("score files:", ", ".join(path.name for path in files))
