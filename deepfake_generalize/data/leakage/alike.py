"""Which clips of two sets look alike, told in as many words as there are clips, not pictures."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from deepfake_generalize.data.assignment import linked
from deepfake_generalize.data.leakage.indexed_set import IndexedSet
from deepfake_generalize.data.leakage.perceptual_hash import near_duplicates
from deepfake_generalize.types import IntArray

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
