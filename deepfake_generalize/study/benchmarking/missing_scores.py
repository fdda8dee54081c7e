"""What counts for images and videos that have no score, and how a result says so."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from deepfake_generalize.study.benchmarking.inputs import ScoredSet
from deepfake_generalize.study.scores import unit_of

Policy = Literal["exclude", "as-real", "as-fake", "as-chance"]

COVERAGE_WANTED = 0.99
"""Below this share of scored images, numbers of two detectors compare badly."""

_FILLED = {"as-real": 0.0, "as-fake": 1.0, "as-chance": 0.5}
_SAID = {
    "exclude": "left out",
    "as-real": "counted as called real",
    "as-fake": "counted as called fake",
    "as-chance": "counted as half right",
}
_FAILURES_NAMED = 3


def counted(frame: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return the rows that count, each with a score and whether a coin decides it (`tie`).

    "exclude" leaves out the rows without a score; "as-real" gives them the score 0, "as-fake" 1,
    "as-chance" one half, which in an accuracy counts half right whatever the threshold.
    """
    scored = frame["status"] == "ok"
    if policy == "exclude":
        return frame[scored].assign(tie=False)
    filled = frame["score"].where(scored, _FILLED[policy])
    return frame.assign(score=filled, tie=~scored & (policy == "as-chance"))


def coverage_notes(scored: ScoredSet, policy: Policy) -> list[str]:
    """Say how many images of a set have no score, what counts for them, and why for the first."""
    failed = scored.frame[scored.frame["status"] != "ok"]
    if failed.empty:
        return []
    of = "video" if unit_of(failed) == "video" and "video" in failed else "path"
    named = [
        f"{'row ' + str(index) if pd.isna(row[of]) else row[of]}: {row['status']}"
        + (f" ({row['reason']})" if row["reason"] else "")
        for index, row in failed.head(_FAILURES_NAMED).iterrows()
    ]
    more = len(failed) - len(named)
    named += [f"and {more} more, in scores[{scored.name!r}]"] if more else []
    what = f"{len(failed)} of {len(scored.frame)} {unit_of(scored.frame)}s have no score"
    done = f"are {_SAID[policy]} (policy {policy!r})"
    return [f"{scored.name}: {what} and {done}: {'; '.join(named)}"]
