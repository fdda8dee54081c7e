"""Give a detector that ran elsewhere a row of Table V, from nothing but its labels and scores.

The scores are random numbers here: fakes of the set it was trained on score high, unseen ones
hardly higher than the real ones. Read your own with `pandas.read_csv`.
"""

import numpy as np
import pandas as pd

import deepfake_generalize as dg

rng = np.random.default_rng(0)


def scores(fake_mean: float, n: int = 1000) -> pd.DataFrame:
    """Return `n` fake and `n` real images' scores, the fakes' around `fake_mean`."""
    label = np.repeat([1, 0], n)
    score = rng.normal(np.where(label == 1, fake_mean, 0.25), 0.15).clip(0, 1)
    return pd.DataFrame({"label": label, "score": score})


result = dg.study.benchmark(
    "random scores",
    original=scores(0.8),
    unseen={"FS": scores(0.35), "NT": scores(0.4), "DF": scores(0.45), "DFD": scores(0.3)},
)
print(result.table("markdown"))
print(result.ranked)
