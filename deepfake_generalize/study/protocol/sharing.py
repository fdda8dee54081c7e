"""What sets of a study share on purpose: for the audit of leaks, its record and the report."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.study.protocol.value import PAPER, Protocol

_KINDS = {"identity": "People", "video": "Videos", "near_duplicate": "Lookalike pairs"}
"""Kind of a finding of the audit to the column that counts it."""

_CLIPS = ("identity", "video", "near_duplicate")
_FRAMES = ("identity", "video", "frame", "near_duplicate")


# Pairs of parts that share, for one reason, what the audit would call leaks.
_DESIGNS = (
    (
        "Table VII asks whether known people make it easier",
        _CLIPS,
        (("F2F train", "FS-I test"), ("F2F train", "NT-I test")),
    ),
    (
        "the few-shot images: the same people under two methods",
        _CLIPS,
        (("FS train", "NT train"), ("FS val", "NT val")),
    ),
    (
        "the same people under several methods, so that only the method differs",
        _FRAMES,
        (
            ("FS-I test", "NT-I test"),
            *itertools.combinations(("FS test", "NT test", "DF test"), 2),
        ),
    ),
    (
        "Table VI asks about the method: other clips, of the same people",
        ("identity",),
        tuple((f"CELEB {part}", "CELEB-M test") for part in SUBSETS),
    ),
)
_REASON = {pair: reason for reason, _, pairs in _DESIGNS for pair in pairs}
_ANY = "the protocol says so: sets of one part, or a test of people who are trained on"


def shared_by_design(
    sets: Mapping[str, object], protocol: Protocol = PAPER
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Say which of a study's sets are meant to share people, for `audit_leakage`.

    Args:
        sets: What `study_sets` returned, or its parts under names such as "F2F train".
        protocol: Whose sets they are. But for the paper's splits, sets of one part may share
            all, and those specialized in the source's people also people and clips with training.

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
    if protocol.splits == "paper":
        designs = {pair: kinds for _, kinds, pairs in _DESIGNS for pair in pairs}
    else:
        known = {f"{name} test" for name in protocol.sharing("people")}
        designs = {}
        for pair in itertools.combinations(sorted(there), 2):
            first, second = (name.rpartition(" ")[2] for name in pair)
            if first == second:
                designs[pair] = _FRAMES
            elif known.intersection(pair) and "train" in (first, second):
                designs[pair] = _CLIPS
    return {pair: kinds for pair, kinds in designs.items() if there.issuperset(pair)}


def shared_by_benchmark(
    original: str, unseen: Sequence[str], specialized: Sequence[str], *, training: str
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Say what the sets of any benchmark, by their names, may share: the rule of the paper's own.

    Unseen and specialized sets may share everything among themselves. A set that the original set's
    method made (CELEB-M) may share people with it and with the training data; other specialized
    sets, which Table VII is about, people and clips with the training data.
    """
    same_method = PAPER.sharing("method")
    pairs = itertools.combinations([*unseen, *specialized], 2)
    designs: dict[tuple[str, str], tuple[str, ...]] = dict.fromkeys(pairs, _FRAMES)
    for name in specialized:
        designs[training, name] = _CLIPS
        if name in same_method:
            designs[original, name] = designs[training, name] = ("identity",)
    return designs


def count_shared(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """Count what each pair of sets in `audit_leakage`'s findings shares by design, by kind."""
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
    fields = ("set_a", "set_b", *_KINDS)
    rows = [
        [*(pair[field] for field in fields), _REASON.get((pair["set_a"], pair["set_b"]), _ANY)]
        for pair in shared
    ]
    return pd.DataFrame(rows, columns=["Set", "Shares with", *_KINDS.values(), "Because"])
