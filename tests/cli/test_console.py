"""What goes to which stream: JSON that any reader takes, and failures without the chatter."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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


GUARDED = """
import os, sys
from deepfake_generalize.cli.console import quiet_native_libraries
try:
    with quiet_native_libraries(enabled={enabled}):
        os.write(2, b"I0000 00:00:17.1 chatter\\n")
        os.write(2, b"F0000 00:00:17.1 a real failure\\n")
        print("progress", file=sys.stderr)
        {last}
except ValueError:
    pass
print("after", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("enabled", "last", "chatter"),
    [(True, "pass", False), (True, "raise ValueError", True), (False, "pass", True)],
)
def test_native_chatter_is_held_back_and_failures_are_not(
    enabled: bool, last: str, chatter: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GUARDED.format(enabled=enabled, last=last)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("chatter" in done.stderr) is chatter
    for line in ("a real failure", "progress", "after"):
        assert line in done.stderr
