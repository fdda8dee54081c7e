"""What sets of crops share that should share nothing: clips, people, pictures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from deepfake_generalize.data.leakage.findings import (
    DESIGNS,
    Finding,
    shared_people,
    shared_pictures,
    shared_videos,
    unreadable,
)
from deepfake_generalize.data.leakage.indexed_set import AuditedSet, gather_sets, notes_on
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deepfake_generalize.data.splits import Splits

    Pair: TypeAlias = tuple[str, str]
    Designs: TypeAlias = Iterable[Pair] | Mapping[Pair, str | Iterable[str]]

FINDING_COLUMNS: tuple[str, ...] = ("kind", "set_a", "set_b", "what", "n", "by_design", "note")

_SAME_PEOPLE = ("identity", "video", "near_duplicate")
_WORDS = {"video": "video", "identity": "person", "near_duplicate": "near-duplicate video"}


class LeakageWarning(UserWarning):
    """Sets that should be independent share videos, persons or pictures."""


def audit_leakage(
    sets: Mapping[str, pd.DataFrame | Splits] | Splits,
    *,
    near_duplicates: bool = True,
    shared_by_design: Designs = (),
) -> pd.DataFrame:
    """Find what sets of crops share: videos, persons, and pictures that are nearly the same.

    Every pair of sets is compared. A video is known by its path and, in FF++, DFD, Celeb-DF and
    DFDC, by data set, method and name, so that two qualities of a clip are one video; versions 1
    and 2 of Celeb-DF count as one data set. Persons are the identities of the manifest within a
    data set, over all methods: the original 004 and the fakes 004_982 and 982_004 share one.

    Args:
        sets: Name to crops, or to `Splits`, of which every part that is not empty is a set ("X
            train", "X val", "X test"); or `Splits` alone ("train", "val", "test"). Of the crop
            manifest's columns only `path` is needed: what the others do not tell is not found, and
            said in the notes.
        near_duplicates: Whether to read all images and compare them. Otherwise none is opened.
        shared_by_design: Pairs of names of sets that are meant to share persons, and with them
            other frames of their videos and the likeness of these. A mapping of the pair to one or
            several of "identity", "video" (other frames of the same ones), "frame" (even the same
            frames) and "near_duplicate" says more exactly what is meant. The name of `Splits`
            stands for all their parts.

    Returns:
        One row a finding, in the order of the sets, then of kind and name; the same for the same
        input. Columns: `kind` ("video", "identity", "near_duplicate", or "unreadable" for images
        that could not be compared), `set_a`, `set_b` (NA for "unreadable"), `what` (the video, the
        person, or the two videos that look alike), `n` (images concerned in both sets),
        `by_design`, `note`. `.attrs["notes"]` holds sentences about what could not be looked for.

    Raises:
        InputError: Not at least one set, a set without paths, or a design about unknown sets.

    Examples:
        >>> def crops(video, who):
        ...     row = {"path": f"/crops/{video}-0.png", "video": f"/v/{video}.mp4"}
        ...     return pd.DataFrame([row | {"dataset": "FF++", "target_identity": who}])
        >>> sets = {"F2F train": crops("004_982", "004"), "FS-I": crops("004_983", "004")}
        >>> audit_leakage(sets, near_duplicates=False)[["kind", "what", "by_design"]]
               kind      what  by_design
        0  identity  FF++ 004      False
        >>> design = [("F2F train", "FS-I")]
        >>> found = audit_leakage(sets, near_duplicates=False, shared_by_design=design)
        >>> found["by_design"].tolist()
        [True]
    """
    gathered = gather_sets(sets, images=near_duplicates)
    designs = _designs(shared_by_design, gathered)
    found = [finding for one in gathered for finding in unreadable(one)]
    for a, b in combinations(gathered, 2):
        design = designs.get(frozenset((a.name, b.name)), frozenset())
        found += shared_videos(a, b, design)
        found += shared_people(a, b, design)
        if near_duplicates:
            found += shared_pictures(a, b, design)
    return _table(found, notes_on(gathered, images=near_duplicates))


def warn_of_leaks(findings: pd.DataFrame, *, stacklevel: int = 2) -> int:
    """Warn of what an audit found and nobody meant; stay silent where there is nothing.

    Args:
        findings: What `audit_leakage` returned.
        stacklevel: As of `warnings.warn`; 2 is the caller.

    Returns:
        How many findings are not by design.

    Examples:
        >>> row = {"kind": "video", "set_a": "train", "set_b": "test", "what": "FF++ real 004"}
        >>> findings = pd.DataFrame([row | {"n": 9, "by_design": False, "note": ""}])
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     _ = warn_of_leaks(findings)
        >>> print(caught[0].message)
        sets are not independent: train and test share 1 video (such as FF++ real 004). Use
        data.balanced_splits, data.exclude_material or data.exclude_identities, or say what is
        meant with shared_by_design.
    """
    leaks = findings[~findings["by_design"].astype(bool)]
    unread = leaks[leaks["kind"] == "unreadable"]
    parts = [
        f"{a} and {b} share {len(rows)} {word if len(rows) == 1 else f'{word}s'} "
        f"(such as {rows['what'].iloc[0]})"
        for kind, word in _WORDS.items()
        for (a, b), rows in leaks[leaks["kind"] == kind].groupby(["set_a", "set_b"], sort=False)
    ]
    if parts:
        warnings.warn(
            f"sets are not independent: {'; '.join(parts)}. Use data.balanced_splits, "
            "data.exclude_material or data.exclude_identities, or say what is meant with "
            "shared_by_design.",
            LeakageWarning,
            stacklevel=stacklevel,
        )
    if len(unread):
        warnings.warn(
            f"{int(unread['n'].sum())} images of {', '.join(unread['set_a'])} could not be read "
            f"and were not compared ({unread['what'].iloc[0]}: {unread['note'].iloc[0]}).",
            LeakageWarning,
            stacklevel=stacklevel,
        )
    return len(leaks)


def _designs(
    shared_by_design: Designs, gathered: Sequence[AuditedSet]
) -> dict[frozenset[str], frozenset[str]]:
    if isinstance(shared_by_design, Mapping):
        given = [
            (pair, (k,) if isinstance(k, str) else tuple(k)) for pair, k in shared_by_design.items()
        ]
    else:
        given = [(pair, _SAME_PEOPLE) for pair in shared_by_design]
    designs: dict[frozenset[str], frozenset[str]] = {}
    for pair, kinds in given:
        _check_design(pair, kinds, gathered)
        a, b = ([one.name for one in gathered if name in (one.name, one.of)] for name in pair)
        for key in {frozenset((one, other)) for one in a for other in b if one != other}:
            designs[key] = designs.get(key, frozenset()) | frozenset(kinds)
    return designs


def _check_design(pair: object, kinds: Sequence[str], gathered: Sequence[AuditedSet]) -> None:
    if not (
        isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
    ):
        raise InputError(
            f"expected pairs of names of sets in shared_by_design, received {pair!r}.",
            hint='Write shared_by_design=[("F2F train", "FS-I")].',
        )
    names = [one.name for one in gathered]
    known = {*names, *(one.of for one in gathered)}
    absent = [name for name in pair if name not in known]
    if absent:
        raise InputError(
            f"expected the sets of shared_by_design to be among {', '.join(names)}, received "
            f"{absent[0]!r}.",
            hint="Check the spelling.",
        )
    wrong = sorted(set(kinds) - set(DESIGNS))
    if wrong or not kinds:
        raise InputError(
            f"expected what {' and '.join(pair)} share by design to be among {', '.join(DESIGNS)}, "
            f"received {', '.join(wrong) or 'nothing'}.",
            hint="Leave it out for persons and what follows from them.",
        )


def _table(found: Sequence[Finding], notes: Sequence[str]) -> pd.DataFrame:
    columns = {name: [getattr(one, name) for one in found] for name in FINDING_COLUMNS}
    table = pd.DataFrame(columns).astype(
        dict.fromkeys(FINDING_COLUMNS, "string") | {"n": "int64", "by_design": "bool"}
    )
    table.attrs["notes"] = list(notes)
    return table
