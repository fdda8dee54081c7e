"""Seconds of `import deepfake_generalize` in a fresh process, against its budget."""

from __future__ import annotations

import functools
import statistics
import subprocess
import sys

from benchmarks.timing import Ratio, interleave, summarise

BUDGET_S = 0.2


def measure(*, quick: bool = False) -> list[Ratio]:
    """Time whole processes, Python's own start included."""
    sides = {
        "ours": functools.partial(_python, "import deepfake_generalize"),
        "bare": functools.partial(_python, "pass"),
    }
    for run in sides.values():
        run()
    seconds = interleave(sides, rounds=5 if quick else 21)
    return [
        summarise(
            "import deepfake_generalize, in a fresh process",
            f"its budget of {BUDGET_S} s",
            seconds["ours"],
            [BUDGET_S] * len(seconds["ours"]),
            target=1.0,
            note="Python's own start included",
            limit="a Python process that imports nothing",
            limit_s=statistics.median(seconds["bare"]),
        )
    ]


def _python(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)
