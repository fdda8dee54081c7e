"""Which clips of two sets look alike, told in as many words as there are clips, not pictures."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from deepfake_generalize.data.leakage.indexed_set import IndexedSet
from deepfake_generalize.data.leakage.perceptual_hash import near_duplicates
from deepfake_generalize.data.splits import linked
from deepfake_generalize.types import IntArray

_MOST_PAIRS_A_CLIP = 10


class Alike(NamedTuple):
    """Two clips, or two groups of clips, one in either set, that show nearly the same pictures."""

    rows: tuple[list[int], list[int]]
    clips: tuple[list[str], list[str]]
    """Of either set, sorted."""
    example: tuple[str, str]
    """The paths of two such pictures."""


def alike_rows(a: IndexedSet, b: IndexedSet) -> Iterator[tuple[list[int], list[int]]]:
    """Yield rows of `a` with equal pictures, and rows of `b` with equal pictures that look so.

    Pictures of one clip only are not looked for in the same clip of the other set.
    """
    if a.fingerprints is None or b.fingerprints is None:
        return
    left, right = _equal(a), _equal(b)
    if not left or not right:
        return
    prints_a = a.fingerprints.take(np.array([rows[0] for rows in left], np.int64))
    prints_b = b.fingerprints.take(np.array([rows[0] for rows in right], np.int64))
    skip_a, skip_b = _codes(a, left, -1), _codes(b, right, -1 - len(left))
    for rows, columns in near_duplicates(prints_a, prints_b, skip_a, skip_b):
        yield from ((left[row], right[column]) for row, column in zip(rows, columns, strict=True))


def alike_clips(a: IndexedSet, b: IndexedSet) -> list[Alike]:
    """Return each two clips that look alike, or one entry for a group in which too many do."""
    entries = []
    for pictures in _groups(a, b, list(alike_rows(a, b))):
        pairs = _pairs(a, b, pictures)
        if pairs is None:
            left, right = (sorted(set().union(*side)) for side in zip(*pictures, strict=True))
            pairs = [_entry(a, b, (left, right))]
        entries += pairs
    return entries


def _equal(part: IndexedSet) -> list[list[int]]:
    """Group the rows whose prints are equal to the bit; those that cannot be compared are left."""
    prints = part.fingerprints
    groups: dict[bytes, list[int]] = defaultdict(list)
    if prints is not None:
        for row in np.flatnonzero(prints.hashes.any(axis=1)):
            content = prints.hashes[row].tobytes() + prints.thumbnails[row].tobytes()
            groups[hashlib.blake2b(content, digest_size=16).digest()].append(int(row))
    return list(groups.values())


def _codes(part: IndexedSet, groups: Sequence[list[int]], start: int) -> IntArray:
    """Return the clip of each group as its number; one of its own where it is in several."""
    clips = [{int(part.clip_codes[row]) for row in rows} for rows in groups]
    numbers = [own.pop() if len(own) == 1 else start - n for n, own in enumerate(clips)]
    return np.array(numbers, np.int64)


def _groups(
    a: IndexedSet, b: IndexedSet, found: Sequence[tuple[list[int], list[int]]]
) -> list[list[tuple[list[int], list[int]]]]:
    """Gather the entries of `found` that clips link, directly or by way of others."""
    ends = [
        [
            *((0, int(a.clip_codes[row])) for row in rows),
            *((1, int(b.clip_codes[row])) for row in own),
        ]
        for rows, own in found
    ]
    first = linked(ends)
    gathered = defaultdict(list)
    for entry, clips in zip(found, ends, strict=True):
        gathered[first[clips[0]]].append(entry)
    return list(gathered.values())


def _pairs(
    a: IndexedSet, b: IndexedSet, found: Sequence[tuple[list[int], list[int]]]
) -> list[Alike] | None:
    """Return an entry for each two clips, None where there are more than ten times as many."""
    by_clip = [(_by_clip(a, rows), _by_clip(b, own)) for rows, own in found]
    n_clips = sum(len(set[int]().union(*side)) for side in zip(*by_clip, strict=True))
    most = _MOST_PAIRS_A_CLIP * n_clips
    pairs: dict[tuple[int, int], tuple[set[int], set[int], list[tuple[str, str]]]] = {}
    for left, right in by_clip:
        if len(left) * len(right) > 2 * most:
            return None
        for i, j in ((i, j) for i in left for j in right if i != j):
            rows_a, rows_b, examples = pairs.setdefault((i, j), (set(), set(), []))
            rows_a.update(left[i])
            rows_b.update(right[j])
            paths = [a.paths[row] for row in left[i]], [b.paths[row] for row in right[j]]
            examples.append((min(paths[0]), min(paths[1])))
        if len(pairs) > most:
            return None
    return [
        _entry(a, b, (sorted(rows_a), sorted(rows_b)), min(examples))
        for rows_a, rows_b, examples in pairs.values()
    ]


def _by_clip(part: IndexedSet, rows: Sequence[int]) -> dict[int, list[int]]:
    own: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        own[int(part.clip_codes[row])].append(row)
    return own


def _entry(
    a: IndexedSet,
    b: IndexedSet,
    rows: tuple[list[int], list[int]],
    example: tuple[str, str] | None = None,
) -> Alike:
    clips = sorted({a.clips[row] for row in rows[0]}), sorted({b.clips[row] for row in rows[1]})
    paths = min(a.paths[row] for row in rows[0]), min(b.paths[row] for row in rows[1])
    return Alike(rows, clips, example or paths)
