"""Sets of crops that are compared: what is known of each crop, and which clips look alike."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize.data.assignment import linked
from deepfake_generalize.data.leakage.perceptual_hash import (
    Fingerprints,
    near_duplicates,
    read_fingerprints,
)
from deepfake_generalize.data.manifests import clip_keys, people, require_columns, text_column
from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import IntArray
from deepfake_generalize.validation import describe

_NUMBERED_CLIPS = "FF++ "


@dataclass(frozen=True, eq=False)
class IndexedSet:
    """A named set of N crops: of each its path, its clip and its people; and their rows."""

    name: str
    parent: str
    """The name of the splits it is a part of; else its own."""
    paths: list[str]
    frame_ids: list[str]
    """Frame numbers as texts; the path where there is none."""
    clips: list[str]
    people: list[tuple[str, ...]]
    by_clip: dict[str, list[int]]
    by_person: dict[str, list[int]]
    fingerprints: Fingerprints
    """None at all where pictures are not compared."""


def gather_sets(sets: object, *, images: bool) -> list[IndexedSet]:
    """Look up what crops of `Splits`, or of a mapping of names to crops or splits, are."""
    named = _named(sets)
    place: dict[str, int] = {}
    for _, _, crops in named:
        for path in text_column(crops, "path"):
            place.setdefault(path, len(place))
    prints = read_fingerprints(list(place) if images else [])
    indexed = []
    for name, parent, crops in named:
        clips, paths = clip_keys(crops).tolist(), text_column(crops, "path").tolist()
        frames, who = text_column(crops, "frame"), people(crops)
        rows = np.array([place[path] for path in paths], np.int64)
        indexed.append(
            IndexedSet(
                name=name,
                parent=parent,
                paths=paths,
                frame_ids=[frame or path for frame, path in zip(frames, paths, strict=True)],
                clips=clips,
                people=who,
                by_clip=_rows_of([(clip,) for clip in clips]),
                by_person=_rows_of(who),
                fingerprints=prints.take(rows) if images else prints,
            )
        )
    return indexed


def notes_on(indexed: Sequence[IndexedSet], *, images: bool) -> list[str]:
    """Say what an audit of these sets cannot find, a sentence a shortcoming."""
    notes = []
    for part in indexed:
        if unknown := sum(not who for who in part.people):
            notes.append(
                f"{part.name}: nobody is named in {unknown} of {len(part.people)} images; whom "
                "they share with other sets is not known."
            )
        if flat := int(part.fingerprints.flat.sum()):
            notes.append(
                f"{part.name}: {flat} of {len(part.paths)} images have too little contrast to be "
                "compared."
            )
    known = {who for part in indexed for own in part.people for who in own}
    if any(who.startswith(_NUMBERED_CLIPS) for who in known):
        notes.append(
            "FF++ numbers clips, not people: some source videos gave several clips (find_videos "
            "makes them one person where conversion_dict.json lies in the root), and some people "
            "are in several source videos, which is not known."
        )
    if not images:
        notes.append("No image was opened: near-duplicates were not looked for.")
    return notes


def _named(sets: object) -> list[tuple[str, str, pd.DataFrame]]:
    if isinstance(sets, Splits):
        return _parts("", sets)
    if not isinstance(sets, Mapping) or not sets:
        raise InputError(
            "expected a mapping of names to crops, or Splits, received "
            f"{'none at all' if isinstance(sets, Mapping) else describe(sets)}.",
            hint='Pass {"train": crops, "test": other_crops}.',
        )
    named: list[tuple[str, str, pd.DataFrame]] = []
    for name, crops in sets.items():
        if not isinstance(name, str) or not name:
            raise InputError(
                f"expected texts as names of sets, received {name!r}.", hint="Name every set."
            )
        if isinstance(crops, Splits):
            named += _parts(name, crops)
            continue
        require_columns(crops, ("path",), what=f"the set {name!r}")
        if crops["path"].isna().any():
            raise InputError(
                f"expected a path in every row of the set {name!r}, one is empty.",
                hint="Use data.read_crops(folder).",
            )
        named.append((name, name, crops))
    names = [name for name, _, _ in named]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"expected every set to have a name of its own, {twice[0]!r} comes twice.",
            hint="Rename one: the parts of splits are called 'NAME train' and so on.",
        )
    return named


def _parts(name: str, splits: Splits) -> list[tuple[str, str, pd.DataFrame]]:
    parts = [(f"{name} {part}".strip(), name, getattr(splits, part)) for part in SUBSETS]
    return [part for part in parts if len(part[2])]


def _rows_of(keys: Sequence[tuple[str, ...]]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, own in enumerate(keys):
        for key in own:
            rows[key].append(row)
    return dict(rows)


_MOST_PAIRS_A_CLIP = 10


Rows: TypeAlias = tuple[list[int], list[int]]
"""Of the first set and of the second."""
_ByClip: TypeAlias = dict[str, list[int]]


def alike_rows(a: IndexedSet, b: IndexedSet) -> Iterator[tuple[list[int], list[int]]]:
    """Yield rows of `a` with equal pictures, and rows of `b`, in another clip, that look so."""
    left, right = _equal(a), _equal(b)
    if not left or not right:
        return
    prints_a = a.fingerprints.take(np.array([rows[0] for rows in left], np.int64))
    prints_b = b.fingerprints.take(np.array([rows[0] for rows in right], np.int64))
    codes: dict[str, int] = {}
    skip_a, skip_b = _codes(a, left, codes), _codes(b, right, codes)
    for rows, columns in near_duplicates(prints_a, prints_b, skip_a, skip_b):
        yield from ((left[row], right[column]) for row, column in zip(rows, columns, strict=True))


def alike_clips(a: IndexedSet, b: IndexedSet) -> Iterator[tuple[Rows, tuple[str, str]]]:
    """Yield rows of two clips (of a group if too many) that look alike, and two such pictures."""
    found = [(_by_clip(a, rows), _by_clip(b, own)) for rows, own in alike_rows(a, b)]
    ends = [[*((0, c) for c in left), *((1, c) for c in right)] for left, right in found]
    first = linked(ends)
    groups = defaultdict(list)
    for pictures, clips in zip(found, ends, strict=True):
        groups[first[clips[0]]].append(pictures)
    for group in groups.values():
        pairs = _pairs(a, b, group)
        if pairs is None:
            left, right = (
                sorted({row for own in side for rows in own.values() for row in rows})
                for side in zip(*group, strict=True)
            )
            yield (left, right), _first_paths(a, b, left, right)
        else:
            yield from pairs


def _equal(part: IndexedSet) -> list[list[int]]:
    """Group the rows whose prints are equal to the bit; those that cannot be compared are left."""
    prints = part.fingerprints
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row in np.flatnonzero(prints.hashes.any(axis=1)):
        content = prints.hashes[row].tobytes() + prints.thumbnails[row].tobytes()
        groups[hashlib.blake2b(content, digest_size=16).digest()].append(int(row))
    return list(groups.values())


def _codes(part: IndexedSet, groups: Sequence[list[int]], codes: dict[str, int]) -> IntArray:
    """Return the clip of each group as its number; one of its own where it is in several."""
    clips = [{part.clips[row] for row in rows} for rows in groups]
    keys = (own.pop() if len(own) == 1 else f"\0{part.name}\0{n}" for n, own in enumerate(clips))
    return np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64)


def _pairs(
    a: IndexedSet, b: IndexedSet, group: Sequence[tuple[_ByClip, _ByClip]]
) -> list[tuple[Rows, tuple[str, str]]] | None:
    """Return the rows of each two clips, None where there are more than ten times as many."""
    n_clips = sum(len(set[str]().union(*side)) for side in zip(*group, strict=True))
    most = _MOST_PAIRS_A_CLIP * n_clips
    pairs: dict[tuple[str, str], tuple[set[int], set[int], list[tuple[str, str]]]] = {}
    for left, right in group:
        if len(left) * len(right) > 2 * most:
            return None
        for i, j in ((i, j) for i in left for j in right if i != j):
            rows_a, rows_b, examples = pairs.setdefault((i, j), (set(), set(), []))
            rows_a.update(left[i])
            rows_b.update(right[j])
            examples.append(_first_paths(a, b, left[i], right[j]))
        if len(pairs) > most:
            return None
    return [
        ((sorted(rows_a), sorted(rows_b)), min(examples))
        for rows_a, rows_b, examples in pairs.values()
    ]


def _by_clip(part: IndexedSet, rows: Sequence[int]) -> _ByClip:
    own: _ByClip = defaultdict(list)
    for row in rows:
        own[part.clips[row]].append(row)
    return own


def _first_paths(
    a: IndexedSet, b: IndexedSet, left: list[int], right: list[int]
) -> tuple[str, str]:
    return min(a.paths[row] for row in left), min(b.paths[row] for row in right)
