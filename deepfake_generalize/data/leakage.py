"""What sets of crops share that should share nothing, and taking it out: clips, people, images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pandas as pd

from deepfake_generalize.data.leakage_sets import (
    IndexedSet,
    alike_clips,
    alike_rows,
    gather_sets,
    notes_on,
)
from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import check_choice

Pair: TypeAlias = tuple[str, str]
Designs: TypeAlias = Iterable[Pair] | Mapping[Pair, str | Iterable[str]]

_DESIGNS: tuple[str, ...] = ("identity", "video", "frame", "near_duplicate")
_SAME_PEOPLE = ("identity", "video", "near_duplicate")
_WORDS = {"video": "video", "identity": "person", "near_duplicate": "near-duplicate video"}


class LeakageFinding(NamedTuple):
    """One row of an audit; `audit_leakage` says what its fields hold."""

    kind: str
    set_a: str
    set_b: str | None
    what: str
    n: int
    by_design: bool
    note: str


class LeakageWarning(UserWarning):
    """Sets that should be independent share videos, people or pictures."""


def audit_leakage(
    sets: Mapping[str, pd.DataFrame | Splits] | Splits,
    *,
    near_duplicates: bool = True,
    shared_by_design: Designs = (),
    progress: Callable[[int, int], object] = lambda *_: None,
) -> pd.DataFrame:
    """Find what sets of crops share: videos, people, and pictures that are nearly the same.

    A video is known by its path and, in FF++, DFD, Celeb-DF and DFDC, by data set, method and name,
    so that two qualities of a clip are one video. People are the identities of the manifest within
    a data set: the original 004 and the fakes 004_982 and 982_004 share one.

    Args:
        sets: Name to crops, or to `Splits`, of which every part that is not empty is a set ("X
            train", "X val", "X test"); or `Splits` alone ("train", "val", "test"). Of the crop
            manifest's columns only `path` is needed.
        near_duplicates: Whether to read all images and compare them. Otherwise none is opened.
        shared_by_design: Pairs of names of sets that are meant to share people, and with them
            other frames of their videos and the likeness of these. A mapping of the pair to one or
            several of "identity", "video" (other frames of the same ones), "frame" (even the same
            frames) and "near_duplicate" says more exactly what is meant. The name of `Splits`
            stands for all their parts.
        progress: Called with (done, total), whose ratio is the part that is done.

    Returns:
        One row a finding, in the order of the sets, then of kind and name. Columns: `kind`
        ("video", "identity", "near_duplicate", or "unreadable" for images that could not be
        compared), `set_a`, `set_b` (NA for "unreadable"), `what` (the video, the person, or the two
        videos that look alike), `n` (images concerned in both sets), `by_design`, `note`.
        `.attrs["notes"]` holds sentences about what could not be looked for.

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
    """
    indexed = gather_sets(sets, images=near_duplicates, progress=progress)
    designs = _designs(shared_by_design, indexed)
    found = [finding for part in indexed for finding in _unreadable(part)]
    pairs = [*combinations(indexed, 2)]
    for number, (a, b) in enumerate(pairs):
        progress(len(pairs) + number, 2 * len(pairs))
        design = designs.get(frozenset((a.name, b.name)), frozenset())
        found += _shared_videos(a, b, design)
        both = sorted(a.by_person.keys() & b.by_person.keys())
        meant = "identity" in design
        found += [
            _shared("identity", a, b, who, (a.by_person[who], b.by_person[who]), meant)
            for who in both
        ]
        found += _shared_pictures(a, b, design)
    names = list(LeakageFinding._fields)
    types = dict.fromkeys(names, "string") | {"n": "int64", "by_design": "bool"}
    table = pd.DataFrame(found, columns=names).astype(types)
    table.attrs["notes"] = notes_on(indexed, images=near_duplicates)
    return table


def warn_of_leaks(findings: pd.DataFrame, *, stacklevel: int = 2) -> int:
    """Warn of what `audit_leakage` found and nobody meant, and return how many findings that is."""
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
            f"sets are not independent: {'; '.join(parts)}. Use data.balanced_splits or "
            "data.exclude, or say what is meant: shared_by_design (docs: explanations/leakage).",
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
    shared_by_design: Designs, indexed: Sequence[IndexedSet]
) -> dict[frozenset[str], frozenset[str]]:
    """Map each pair of names to the kinds of things that they share by design."""
    given: Iterable[tuple[Pair, str | Iterable[str]]] = (
        shared_by_design.items()
        if isinstance(shared_by_design, Mapping)
        else ((pair, _SAME_PEOPLE) for pair in shared_by_design)
    )
    designs: dict[frozenset[str], frozenset[str]] = {}
    for pair, meant in given:
        kinds = (meant,) if isinstance(meant, str) else tuple(meant)
        _check_design(pair, kinds, indexed)
        left, right = (
            [part.name for part in indexed if name in (part.name, part.parent)] for name in pair
        )
        for key in {frozenset((a, b)) for a in left for b in right if a != b}:
            designs[key] = designs.get(key, frozenset()) | frozenset(kinds)
    return designs


def _check_design(pair: object, kinds: Sequence[str], indexed: Sequence[IndexedSet]) -> None:
    if not (
        isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
    ):
        raise InputError(
            f"expected pairs of names of sets in shared_by_design, received {pair!r}.",
            hint='Write shared_by_design=[("F2F train", "FS-I")].',
        )
    names = [part.name for part in indexed] + [part.parent for part in indexed if part.parent]
    for name in pair:
        check_choice(
            "the sets of shared_by_design", name, dict.fromkeys(names), hint="Check the spelling."
        )
    for kind in kinds or ("",):
        hint = "Leave it out for people and what follows from them."
        check_choice(f"what {' and '.join(pair)} share by design", kind, _DESIGNS, hint=hint)


def _unreadable(part: IndexedSet) -> list[LeakageFinding]:
    failed = part.fingerprints.unreadable
    if not failed:
        return []
    first = min(failed, key=lambda row: part.paths[row])
    path, reason = part.paths[first], failed[first]
    return [LeakageFinding("unreadable", part.name, None, path, len(failed), False, reason)]


def _shared_videos(a: IndexedSet, b: IndexedSet, design: AbstractSet[str]) -> list[LeakageFinding]:
    """Return a finding for each clip that both sets have images of, and each crop of both."""
    found = []
    for clip in sorted(a.by_clip.keys() & b.by_clip.keys()):
        rows = a.by_clip[clip], b.by_clip[clip]
        same = len({a.frame_ids[row] for row in rows[0]} & {b.frame_ids[row] for row in rows[1]})
        meant = ("frame" if same else "video") in design
        found.append(_shared("video", a, b, clip, rows, meant, f"; {same} frames are the same"))
    clips = [dict(zip(part.paths, part.clips, strict=True)) for part in (a, b)]
    # One manifest may know the video of a crop and the other may not.
    found += [
        LeakageFinding("video", a.name, b.name, path, 2, "frame" in design, "the same file")
        for path in sorted(clips[0].keys() & clips[1].keys())
        if clips[0][path] != clips[1][path]
    ]
    return found


def _shared_pictures(
    a: IndexedSet, b: IndexedSet, design: AbstractSet[str]
) -> list[LeakageFinding]:
    """Return a finding for each two clips, one of either set, with nearly the same pictures."""
    found = []
    for rows, example in alike_clips(a, b):
        sides = [*zip((a, b), rows, strict=True)]
        clips = [sorted({part.clips[row] for row in own}) for part, own in sides]
        shown = [[set(part.people[row]) for row in own] for part, own in sides]
        what = f"{clips[0][0]} ~ {clips[1][0]}"
        note = f"; such as {example[0]} and {example[1]}"
        if max(map(len, clips)) == 1:
            same = bool(set[str]().union(*shown[0]) & set[str]().union(*shown[1]))
        else:
            same = bool(set.intersection(*shown[0], *shown[1]))
            what += " and others"
            note = f"; {len(clips[0])} videos of {a.name}, {len(clips[1])} of {b.name}" + note
        meant = "near_duplicate" in design and same
        found.append(_shared("near_duplicate", a, b, what, rows, meant, note))
    return sorted(found, key=lambda finding: finding.what)


def _shared(
    kind: str,
    a: IndexedSet,
    b: IndexedSet,
    what: str,
    rows: tuple[Sequence[int], Sequence[int]],
    by_design: bool,
    note: str = "",
) -> LeakageFinding:
    n_a, n_b = map(len, rows)
    counts = f"{n_a} images of {a.name}, {n_b} of {b.name}"
    return LeakageFinding(kind, a.name, b.name, what, n_a + n_b, by_design, counts + note)


Others: TypeAlias = pd.DataFrame | Splits

_By = Literal["identity", "video", "frame"]


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Two tables that together hold every crop exactly once: `dropped` has a column `reason`."""

    crops: pd.DataFrame
    dropped: pd.DataFrame

    def __repr__(self) -> str:
        """Say how many crops stay and why the others do not."""
        reasons = self.dropped["reason"].str.replace(r" \(.*", "", regex=True).value_counts()
        lines = [f"  {count} dropped: {reason}" for reason, count in reasons.sort_index().items()]
        return "\n".join(["Selection(", f"  crops: {len(self.crops)}", *lines, ")"])


def exclude(
    crops: pd.DataFrame, others: Others, *, by: _By, near_duplicates: bool = True
) -> Selection:
    """Drop the crops that show the same people, videos or frames as other crops.

    Args:
        crops: Rows of the crop manifest.
        others: Crops, or `Splits` (their three parts).
        by: What is not to be shared. `identity`: people, compared within a data set; crops in which
            nobody is named stay. `video`: videos under whatever name, compared as by
            `audit_leakage`. `frame`: only the very same frames, known by video and number, at any
            compression in the data sets that this library knows by name; where it has no number, by
            the path of the crop.
        near_duplicates: With by="video", whether to read all images and drop also the videos of
            which one image is nearly the same as one of the others.

    Raises:
        InputError: A table without paths, another `by`; others that name nobody, with
            by="identity"; an image that cannot be read, with by="video".

    Examples:
        >>> crops = pd.DataFrame(
        ...     {"path": ["/a.png", "/b.png"], "dataset": "FF++", "target_identity": ["004", "007"]}
        ... )
        >>> selection = exclude(crops, crops[:1], by="identity")
        >>> selection.crops["path"].tolist(), selection.dropped["reason"].tolist()
        (['/b.png'], ['shows FF++ 004'])
    """
    check_choice("by", by, get_args(_By))
    images = by == "video" and near_duplicates
    mine, theirs = _gather(crops, others, images=images, named=by == "identity")
    files = set(theirs.paths)
    if by == "identity":
        shown = [sorted(set(who) & theirs.by_person.keys()) for who in mine.people]
        return _select(crops, [f"shows {who[0]}" if who else "" for who in shown])
    if by == "frame":
        frames = set(zip(theirs.clips, theirs.frame_ids, strict=True))
        rows = zip(mine.paths, mine.clips, mine.frame_ids, strict=True)
        taken = [path in files or (clip, frame) in frames for path, clip, frame in rows]
        return _select(crops, ["the same frame" if same else "" for same in taken])
    alike = _alike(mine, theirs)
    reasons = []
    for path, clip in zip(mine.paths, mine.clips, strict=True):
        if clip in theirs.by_clip or path in files:
            reasons.append("the same video")
        else:
            reasons.append(f"looks like another video ({alike[clip]})" if clip in alike else "")
    return _select(crops, reasons)


def only_identities(crops: pd.DataFrame, of: Others) -> Selection:
    """Keep the crops in which every person is in other crops too.

    Args:
        crops: Rows of the crop manifest; people are compared as in `exclude`. Crops in which nobody
            is named are dropped.
        of: Crops, or `Splits` (their three parts).

    Raises:
        InputError: A table without paths, or others that name nobody.

    Examples:
        >>> crops = pd.DataFrame(
        ...     {"path": ["/a.png", "/b.png"], "dataset": "FF++", "target_identity": ["004", "007"]}
        ... )
        >>> only_identities(crops, crops[:1]).crops["path"].tolist()
        ['/a.png']
    """
    mine, theirs = _gather(crops, of, named=True)
    reasons = []
    for who in mine.people:
        strangers = sorted(set(who) - theirs.by_person.keys())
        reasons.append(f"shows {strangers[0]}" if strangers else "" if who else "names nobody")
    return _select(crops, reasons)


def _gather(
    crops: pd.DataFrame, others: Others, *, images: bool = False, named: bool
) -> tuple[IndexedSet, IndexedSet]:
    if isinstance(others, Splits):
        others = pd.concat([getattr(others, part) for part in SUBSETS], ignore_index=True)
    mine, theirs = gather_sets({"crops": crops, "others": others}, images=images)
    for table in (mine, theirs):
        if failed := table.fingerprints.unreadable:
            raise InputError(
                f"expected images that can be compared, {len(failed)} of {len(table.paths)} in "
                f"{table.name} cannot be read; the first: {failed[min(failed)]}",
                hint="Mend or remove them, or use near_duplicates=False.",
            )
    if named and not theirs.by_person:
        raise InputError(
            f"expected the people of at least one of {len(theirs.paths)} other crops to be known, "
            "none are.",
            hint="Fill the columns target_identity and source_identity.",
        )
    return mine, theirs


def _alike(mine: IndexedSet, theirs: IndexedSet) -> dict[str, str]:
    """Map each clip of `mine` that looks like one of `theirs` to the first such clip."""
    found: dict[str, str] = {}
    for rows, columns in alike_rows(mine, theirs):
        others = sorted({theirs.clips[column] for column in columns})
        for clip in {mine.clips[row] for row in rows}:
            other = next((name for name in others if name != clip), None)
            if other is not None:
                found[clip] = min(found.get(clip, other), other)
    return found


def _select(crops: pd.DataFrame, reasons: Sequence[str]) -> Selection:
    why = np.array(reasons, dtype=object)
    gone = why != ""
    dropped = crops[gone].reset_index(drop=True)
    dropped["reason"] = pd.Series(why[gone], dtype="string")
    return Selection(crops[~gone].reset_index(drop=True), dropped)
