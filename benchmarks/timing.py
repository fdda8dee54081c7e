"""Interleaved timing: both sides of a ratio are measured in turns, in one run, on one machine."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


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
        limit: What ours should approach, where that was measured; else empty.
        limit_s: Median seconds of `limit`.
        why_missed: What keeps ours from the target, where that is known; told when it is missed.
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
    limit: str = ""
    limit_s: float | None = None
    why_missed: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.ratio >= self.target

    def explained(self, why_missed: str) -> Ratio:
        """Return the same row with what keeps it from its target."""
        return replace(self, why_missed=why_missed)


@dataclass(frozen=True)
class Skipped:
    """A row that cannot be measured here.

    Attributes:
        job: What would be done.
        against: What it would be compared with.
        reason: What is missing.
    """

    job: str
    against: str
    reason: str


Row: TypeAlias = Ratio | Skipped


def line(row: Row) -> str:
    """Return a row as one line of text."""
    if isinstance(row, Skipped):
        return f"{row.job}, against {row.against}: skipped, {row.reason}"
    return (
        f"{row.job}, against {row.against}: {row.ratio:,.2f}x ({row.low:,.2f} to {row.high:,.2f}); "
        f"{row.ours_s:.3f} s against {row.theirs_s:.3f} s"
    )


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
    limit: tuple[str, Callable[[], object]] | None = None,
) -> Ratio:
    """Measure both sides, and the limit if one is given, in turns and summarise them.

    `scale_theirs` extrapolates the other side where running all of it would take hours; the note
    must then say so.
    """
    sides = {"ours": ours, "theirs": theirs} | ({"limit": limit[1]} if limit else {})
    seconds = interleave(sides, rounds=rounds)
    theirs_s = [value * scale_theirs for value in seconds["theirs"]]
    return summarise(
        job,
        against,
        seconds["ours"],
        theirs_s,
        target=target,
        note=note,
        limit=limit[0] if limit else "",
        limit_s=statistics.median(seconds["limit"]) if limit else None,
    )


def summarise(
    job: str,
    against: str,
    ours_s: Sequence[float],
    theirs_s: Sequence[float],
    *,
    target: float | None = None,
    note: str = "",
    limit: str = "",
    limit_s: float | None = None,
) -> Ratio:
    """Make a row of the seconds of both sides in each round."""
    ratios = [b / a for a, b in zip(ours_s, theirs_s, strict=True)]
    return Ratio(
        job=job,
        against=against,
        ours_s=statistics.median(ours_s),
        theirs_s=statistics.median(theirs_s),
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        target=target,
        note=note,
        limit=limit,
        limit_s=limit_s,
    )
