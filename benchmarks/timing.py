"""Interleaved timing: both sides of a ratio are measured in turns, in one run, on one machine."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Ratio:
    """One row of the benchmark table.

    Attributes:
        job: What is done.
        against: What a user would do instead.
        ours_s: Median seconds of ours.
        theirs_s: Median seconds of theirs.
        ratio: Median over rounds of theirs / ours: how many times faster ours is.
        low: Smallest ratio of any round.
        high: Largest ratio of any round.
        target: The design's target for `ratio`, or None where there is none.
        note: What a reader must know, such as an extrapolation.
    """

    job: str
    against: str
    ours_s: float
    theirs_s: float
    ratio: float
    low: float
    high: float
    target: float | None
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.ratio >= self.target


def interleave(
    sides: Mapping[str, Callable[[], object]], *, rounds: int = 5
) -> dict[str, list[float]]:
    """Time every side once a round, in turns, and return the seconds of each round by side."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def compare(
    job: str,
    against: str,
    *,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int = 5,
    scale_theirs: float = 1.0,
    target: float | None = None,
    note: str = "",
) -> Ratio:
    """Measure both sides in turns and summarise them.

    `scale_theirs` extrapolates the other side where running all of it would take hours; the note
    must then say so.
    """
    seconds = interleave({"ours": ours, "theirs": theirs}, rounds=rounds)
    theirs_seconds = [value * scale_theirs for value in seconds["theirs"]]
    ratios = [b / a for a, b in zip(seconds["ours"], theirs_seconds, strict=True)]
    return Ratio(
        job=job,
        against=against,
        ours_s=statistics.median(seconds["ours"]),
        theirs_s=statistics.median(theirs_seconds),
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        target=target,
        note=note,
    )
