"""What sets of a study share on purpose: for the audit of leaks, its record and the report."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.study.protocol.facts import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KINDS = {"identity": "People", "video": "Videos", "near_duplicate": "Lookalike pairs"}
"""Kind of a finding of the audit to the column that counts it."""
_COLUMNS = ("Set", "Shares with", *_KINDS.values(), "Because")

_CLIPS = ("identity", "video", "near_duplicate")
_FRAMES = ("identity", "video", "frame", "near_duplicate")


@dataclass(frozen=True)
class _Design:
    """Pairs of parts that share, for one reason, what the audit would call leaks."""

    pairs: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...]
    reason: str


_DESIGNS = (
    _Design(
        (("F2F train", "FS-I test"), ("F2F train", "NT-I test")),
        _CLIPS,
        "Table VII asks whether known people make it easier",
    ),
    _Design(
        (("FS train", "NT train"), ("FS val", "NT val")),
        _CLIPS,
        "the few-shot images: the same people under two methods",
    ),
    _Design(
        (
            ("FS-I test", "NT-I test"),
            ("FS test", "NT test"),
            ("FS test", "DF test"),
            ("NT test", "DF test"),
        ),
        _FRAMES,
        "the same people under several methods, so that only the method differs",
    ),
    _Design(
        tuple((f"CELEB {part}", "CELEB-M test") for part in SUBSETS),
        ("identity",),
        "Table VI asks about the method: other clips, of the same people",
    ),
)
_BY_PAIR = {pair: design for design in _DESIGNS for pair in design.pairs}


def shared_by_design(
    sets: Mapping[str, object],
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Say which of the study's sets are meant to share people, for `audit_leakage`.

    Args:
        sets: What `study_sets` returned, or its parts under names such as "F2F train".

    Returns:
        Pairs of parts to what they share by design.

    Examples:
        >>> shared_by_design({"F2F train": None, "FS-I test": None})
        {('F2F train', 'FS-I test'): ('identity', 'video', 'near_duplicate')}
    """
    there: set[str] = set()
    for name, crops in sets.items():
        if isinstance(crops, Splits):
            there |= {f"{name} {part}" for part in SUBSETS if len(getattr(crops, part))}
        else:
            there.add(name)
    return {pair: design.kinds for pair, design in _BY_PAIR.items() if there.issuperset(pair)}


def shared_by_benchmark(
    original: str, unseen: Sequence[str], specialized: Sequence[str], *, training: str
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Say what the sets of any benchmark, by their names, may share: the rule of the paper's own.

    Unseen and specialized sets may share everything among themselves. A set that the original set's
    method made (CELEB-M) may share people with it and with the training data; other specialized
    sets, which Table VII is about, people and clips with the training data.
    """
    same_method = {
        name
        for source in SOURCES.values()
        if source.shares == "method"
        for name in source.specialized
    }
    designs: dict[tuple[str, str], tuple[str, ...]] = {}
    designs |= dict.fromkeys(itertools.combinations([*unseen, *specialized], 2), _FRAMES)
    for name in specialized:
        designs[training, name] = _CLIPS
        if name in same_method:
            designs[original, name] = designs[training, name] = ("identity",)
    return designs


def count_shared(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """Count for each pair of sets the people, videos and lookalikes that they share by design.

    Takes what `data.audit_leakage` returned. One mapping a pair, in its order: set_a, set_b, and
    the count of each kind.
    """
    meant = findings[findings["by_design"].astype(bool)]
    return [
        {
            "set_a": str(a),
            "set_b": str(b),
            **{kind: int((rows["kind"] == kind).sum()) for kind in _KINDS},
        }
        for (a, b), rows in meant.groupby(["set_a", "set_b"], sort=False)
    ]


def shared_table(shared: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return what `count_shared` counted as a table, with the reason for each pair."""
    rows = [
        (
            pair["set_a"],
            pair["set_b"],
            *(pair[kind] for kind in _KINDS),
            _BY_PAIR[pair["set_a"], pair["set_b"]].reason,
        )
        for pair in shared
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))
