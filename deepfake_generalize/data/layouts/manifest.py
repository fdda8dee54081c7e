"""What every layout's reader returns: rows of the video manifest, and what could not be placed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pandas as pd

from deepfake_generalize.data.manifests import VIDEO_COLUMNS
from deepfake_generalize.errors import InputError

REAL = "real"


class LayoutWarning(UserWarning):
    """Some files under the root are missing, or could not be placed; the rest were read."""


class VideoRow(NamedTuple):
    """One video, as its place on disk and the files beside it describe it; None where unknown."""

    path: str
    dataset: str
    method: str | None
    label: int | None
    target_identity: str | None = None
    source_identity: str | None = None
    compression: str | None = None
    split: str | None = None
    extra: tuple[tuple[str, str], ...] = ()


class Problem(NamedTuple):
    """What the reader could not place, and why.

    `missing`: named by a list, not on disk; `unknown`: on disk, but nothing says what it is;
    `mismatch`: the folder and the list beside it contradict each other.
    """

    path: str
    status: Literal["missing", "unknown", "mismatch"]
    reason: str


@dataclass
class Reading:
    """What one reader found under a root; it grows while the reader walks."""

    recognised_by: str
    rows: list[VideoRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fake_within(fields: Mapping[Any, object]) -> str:
    """Return the frames that a fake is fake in, its `fake_frames`; empty where it is in all."""
    said = fields.get("fake_frames")
    return said if isinstance(said, str) and fields["label"] == 1 else ""


def to_frame(rows: Iterable[VideoRow]) -> pd.DataFrame:
    """Turn rows into the video manifest, sorted by path: all but the label pandas strings."""
    ordered = sorted(rows, key=lambda row: row.path)
    known = pd.DataFrame([row[:-1] for row in ordered], columns=list(VIDEO_COLUMNS), dtype=object)
    names = list(dict.fromkeys(name for row in ordered for name, _ in row.extra))
    values = [{name: value or None for name, value in row.extra} for row in ordered]
    frame = known.join(pd.DataFrame(values, columns=names, index=known.index, dtype=object))
    label = "Int64" if frame["label"].isna().any() else "int64"
    return frame.astype(dict.fromkeys(frame.columns, "string") | {"label": label})


def as_names(value: str | Sequence[str], *, choice: str) -> tuple[str, ...]:
    """Turn one name or a sequence of names into a tuple; anything else raises `InputError`."""
    names = (value,) if isinstance(value, str) else tuple(value)
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"expected {choice}= to be a name or a list of names, received {value!r}.",
            hint=f"Leave {choice}= out to keep everything.",
        )
    return names


def check_present(wanted: Iterable[str], present: Iterable[str], *, choice: str) -> None:
    """Raise `InputError` unless everything wanted is there; the message lists what is."""
    there = sorted(set(present))
    absent = sorted(set(wanted) - set(there))
    if absent:
        raise InputError(
            f"expected {choice}= to be among what the root holds ({', '.join(there) or 'nothing'}),"
            f" received {', '.join(absent)}.",
            hint="Check the spelling, or download what is not there.",
        )


def choose_methods(rows: Sequence[VideoRow], methods: str | Sequence[str] | None) -> list[VideoRow]:
    """Keep the fakes of some methods, and the originals of the data sets they belong to."""
    if methods is None:
        return list(rows)
    wanted = set(as_names(methods, choice="methods"))
    check_present(wanted, {row.method for row in rows if row.method} | {REAL}, choice="methods")
    datasets = {row.dataset for row in rows if row.method in wanted}
    return [
        row for row in rows if row.method in wanted or (not row.label and row.dataset in datasets)
    ]
