"""What two audited sets share, finding by finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from deepfake_generalize.data.leakage.perceptual_hash import near_duplicates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from deepfake_generalize.data.leakage.indexed_set import AuditedSet

DESIGNS: tuple[str, ...] = ("identity", "video", "frame", "near_duplicate")


@dataclass(frozen=True)
class Finding:
    """One row of an audit; `audit_leakage` says what its fields hold."""

    kind: str
    set_a: str
    set_b: str | None
    what: str
    n: int
    by_design: bool
    note: str


def unreadable(one: AuditedSet) -> list[Finding]:
    """Return a finding if images of a set could not be read."""
    failed = one.fingerprints.unreadable if one.fingerprints else {}
    if not failed:
        return []
    first = min(failed, key=lambda row: one.paths[row])
    return [
        Finding("unreadable", one.name, None, one.paths[first], len(failed), False, failed[first])
    ]


def shared_videos(a: AuditedSet, b: AuditedSet, design: AbstractSet[str]) -> list[Finding]:
    """Return a finding for each clip that both sets have images of, and each crop of both."""
    found = []
    for clip in sorted(a.by_material.keys() & b.by_material.keys()):
        rows = a.by_material[clip], b.by_material[clip]
        same = len(_moments(a, rows[0]) & _moments(b, rows[1]))
        found.append(
            Finding(
                "video",
                a.name,
                b.name,
                clip,
                len(rows[0]) + len(rows[1]),
                ("frame" if same else "video") in design,
                f"{_counts(a, b, *rows)}; {same} frames are the same",
            )
        )
    clips = [dict(zip(one.paths, one.materials, strict=True)) for one in (a, b)]
    # One manifest may know the video of a crop and the other may not.
    found += [
        Finding("video", a.name, b.name, path, 2, "frame" in design, "the same file")
        for path in sorted(clips[0].keys() & clips[1].keys())
        if clips[0][path] != clips[1][path]
    ]
    return found


def shared_people(a: AuditedSet, b: AuditedSet, design: AbstractSet[str]) -> list[Finding]:
    """Return a finding for each person who is in both sets."""
    return [
        Finding(
            "identity",
            a.name,
            b.name,
            who,
            len(a.by_person[who]) + len(b.by_person[who]),
            "identity" in design,
            _counts(a, b, a.by_person[who], b.by_person[who]),
        )
        for who in sorted(a.by_person.keys() & b.by_person.keys())
    ]


def shared_pictures(a: AuditedSet, b: AuditedSet, design: AbstractSet[str]) -> list[Finding]:
    """Return a finding for each two clips, one of either set, with nearly the same pictures.

    Clips that are known to be the same are left to `shared_videos`.
    """
    if a.fingerprints is None or b.fingerprints is None:
        return []
    pairs = list(near_duplicates(a.fingerprints, b.fingerprints, a.codes, b.codes))
    if not pairs:
        return []
    rows_a, rows_b = (np.concatenate(rows) for rows in zip(*pairs, strict=True))
    table = pd.DataFrame(
        {"a": rows_a, "b": rows_b, "clip_a": a.codes[rows_a], "clip_b": b.codes[rows_b]}
    )
    found = []
    for _, pair in table.groupby(["clip_a", "clip_b"], sort=False):
        one, other = pair["a"].unique(), pair["b"].unique()
        example = min((a.paths[i], b.paths[j]) for i, j in zip(pair["a"], pair["b"], strict=True))
        found.append(
            Finding(
                "near_duplicate",
                a.name,
                b.name,
                f"{a.materials[one[0]]} ~ {b.materials[other[0]]}",
                len(one) + len(other),
                "near_duplicate" in design and bool(_known(a, one) & _known(b, other)),
                f"{_counts(a, b, list(one), list(other))}; such as {example[0]} and {example[1]}",
            )
        )
    return sorted(found, key=lambda finding: finding.what)


def _moments(one: AuditedSet, rows: Iterable[int]) -> set[str]:
    return {one.moments[row] for row in rows}


def _known(one: AuditedSet, rows: Iterable[int]) -> set[str]:
    return {who for row in rows for who in one.people[row]}


def _counts(a: AuditedSet, b: AuditedSet, rows_a: Sequence[int], rows_b: Sequence[int]) -> str:
    return f"{len(rows_a)} images of {a.name}, {len(rows_b)} of {b.name}"
