"""What goes to stdout: JSON that any reader takes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from deepfake_generalize.cli import console


def test_plain_leaves_nothing_that_json_lacks() -> None:
    frame = pd.DataFrame({"frame": [1, 2], "score": [0.25, np.nan], "note": [pd.NA, "x"]})
    value = {"path": Path("a"), "frames": frame, "n": np.int64(3), "x": np.float32(np.inf)}
    document = json.loads(json.dumps(console.plain(value), allow_nan=False))
    assert document == {
        "path": "a",
        "frames": [
            {"frame": 1, "score": 0.25, "note": None},
            {"frame": 2, "score": None, "note": "x"},
        ],
        "n": 3,
        "x": None,
    }
