"""Which clips of two sets look alike, told in as many words as there are clips, not pictures."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from deepfake_generalize.data.leakage.indexed_set import IndexedSet
from deepfake_generalize.data.leakage.perceptual_hash import near_duplicates
from deepfake_generalize.types import IntArray

_MOST_PAIRS_A_CLIP = 10


class Alike(NamedTuple):
    """Two clips, or two groups of clips, one in either set, that show nearly the same pictures.

    Attributes:
        rows: Those of the first set and those of the second.
        clips: The clips of either, sorted.
        example: The paths of two such pictures.
    """

    rows: tuple[list[int], list[int]]
    clips: tuple[list[str], list[str]]
    example: tuple[str, str]


def alike_rows(a: IndexedSet, b: IndexedSet) -> Iterator[tuple[list[int], list[int]]]:
    """Yield rows of `a` with equal pictures, and rows of `b` with equal pictures that look so.

    Pictures of one clip are not looked for in the same clip of the other set, unless they are in
    other clips too.
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
    """Return each two clips that look alike, or one entry for a group in which too many do.

    So there are at most ten times as many as clips, whatever is in them.
    """
    found = list(alike_rows(a, b))
    entries = []
    for pictures in _linked(a, b, found):
        pairs = _pairs(a, b, [found[number] for number in pictures])
        if pairs is None:
            rows = tuple(
                sorted({row for number in pictures for row in found[number][side]})
                for side in (0, 1)
            )
            entries.append(_entry(a, b, (rows[0], rows[1])))
        else:
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


def _linked(
    a: IndexedSet, b: IndexedSet, found: Sequence[tuple[list[int], list[int]]]
) -> list[list[int]]:
    """Gather the entries of `found` that clips link, directly or by way of others."""
    from scipy.sparse import coo_array, csgraph

    ends: list[tuple[int, int]] = []
    nodes: dict[tuple[int, int], int] = {}
    for number, sides in enumerate(found):
        for side, (part, rows) in enumerate(zip((a, b), sides, strict=True)):
            for clip in {int(part.clip_codes[row]) for row in rows}:
                node = nodes.setdefault((side, clip), len(found) + len(nodes))
                ends.append((number, node))
    count = len(found) + len(nodes)
    pairs = tuple(np.array(ends, np.int64).reshape(-1, 2).T)
    graph = coo_array((np.ones(len(ends), np.int8), pairs), shape=(count, count))
    _, components = csgraph.connected_components(graph, directed=False)
    gathered: dict[int, list[int]] = defaultdict(list)
    for number in range(len(found)):
        gathered[int(components[number])].append(number)
    return list(gathered.values())


def _pairs(
    a: IndexedSet, b: IndexedSet, found: Sequence[tuple[list[int], list[int]]]
) -> list[Alike] | None:
    """Return an entry for each two clips, None where there are too many of them."""
    sides = [_by_clip(a, [rows for rows, _ in found]), _by_clip(b, [rows for _, rows in found])]
    most = _MOST_PAIRS_A_CLIP * sum(len({c for own in side for c in own}) for side in sides)
    pairs: dict[tuple[int, int], tuple[set[int], set[int], list[tuple[str, str]]]] = {}
    for left, right in zip(*sides, strict=True):
        if len(left) * len(right) > 2 * most:
            return None
        for key in ((i, j) for i in left for j in right if i != j):
            rows_a, rows_b, examples = pairs.setdefault(key, (set(), set(), []))
            rows_a.update(left[key[0]])
            rows_b.update(right[key[1]])
            paths = [a.paths[row] for row in left[key[0]]], [b.paths[row] for row in right[key[1]]]
            examples.append((min(paths[0]), min(paths[1])))
        if len(pairs) > most:
            return None
    return [
        _entry(a, b, (sorted(rows_a), sorted(rows_b)), min(examples))
        for rows_a, rows_b, examples in pairs.values()
    ]


def _by_clip(part: IndexedSet, groups: Sequence[list[int]]) -> list[dict[int, list[int]]]:
    gathered = []
    for rows in groups:
        own: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            own[int(part.clip_codes[row])].append(row)
        gathered.append(dict(own))
    return gathered


def _entry(
    a: IndexedSet,
    b: IndexedSet,
    rows: tuple[list[int], list[int]],
    example: tuple[str, str] | None = None,
) -> Alike:
    clips = sorted({a.clips[row] for row in rows[0]}), sorted({b.clips[row] for row in rows[1]})
    paths = min(a.paths[row] for row in rows[0]), min(b.paths[row] for row in rows[1])
    return Alike(rows, clips, example or paths)
