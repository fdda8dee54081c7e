"""What every layout's reader returns: rows of the video manifest, and what could not be placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

VIDEO_COLUMNS: tuple[str, ...] = (
    "path",
    "dataset",
    "method",
    "label",
    "target_identity",
    "source_identity",
    "compression",
    "split",
)

Status = Literal["missing", "unknown", "mismatch"]


class LayoutWarning(UserWarning):
    """Some files under the root are missing, or could not be placed; the rest were read."""


@dataclass(frozen=True)
class VideoRow:
    """One video, as its place on disk and the files beside it describe it.

    Attributes:
        path: Absolute path of the video.
        dataset: FF++, DFD, Celeb-DF-v1, Celeb-DF-v2, DFDC, or the name of the user's folder.
        method: How the fake was made; `real` for an original.
        label: 1 = fake, 0 = real.
        target_identity: Who is filmed, as the file name has it; None where unknown.
        source_identity: Whose face was put in; None where unknown, and for every original.
        compression: `raw`, `c23` or `c40`; None where the data set has no such levels.
        split: The official split; None where there is none.
    """

    path: str
    dataset: str
    method: str
    label: int
    target_identity: str | None = None
    source_identity: str | None = None
    compression: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Problem:
    """What the reader could not place, and why.

    Attributes:
        path: Absolute path of the file.
        status: `missing`: named by a list, not on disk; `unknown`: on disk, but nothing says what
            it is; `mismatch`: the folder and the list beside it contradict each other.
        reason: One sentence.
    """

    path: str
    status: Status
    reason: str


@dataclass
class Reading:
    """What one reader found under a root; it grows while the reader walks.

    Attributes:
        recognised_by: A sentence: what under the root made this the layout.
        rows: The videos.
        problems: What could not be read as a video of this layout.
    """

    recognised_by: str
    rows: list[VideoRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def to_frame(rows: Iterable[VideoRow]) -> pd.DataFrame:
    """Turn rows into the video manifest, sorted by path.

    Args:
        rows: The videos, in any order.

    Returns:
        A DataFrame with the columns `VIDEO_COLUMNS`: `label` int64, the others pandas strings with
        NA where something is unknown, so that the identity "004" stays "004".

    Examples:
        >>> frame = to_frame([VideoRow("/v/004.mp4", "FF++", "real", 0, target_identity="004")])
        >>> frame["target_identity"].item(), frame["split"].isna().item()
        ('004', True)
    """
    ordered = sorted(rows, key=lambda row: row.path)
    columns = {
        name: pd.Series(
            [getattr(row, name) for row in ordered],
            dtype="int64" if name == "label" else "string",
        )
        for name in VIDEO_COLUMNS
    }
    return pd.DataFrame(columns)
