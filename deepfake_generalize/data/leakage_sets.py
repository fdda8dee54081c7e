"""Sets of crops that are compared: what is known of each crop, and which clips look alike.

The same picture again, under another name, size or compression, is known by a perceptual hash and a
check. A picture is shrunk to 32 x 32 pixels. The signs of its 63 lowest cosine coefficients (of the
grey levels) about their median are its hash, as in pHash (Zauner, "Implementation and Benchmarking
of Perceptual Image Hash Functions", 2010, section 3.2.1). Pairs whose hashes differ in few bits are
then compared themselves: faces are cut alike, so their coarse shape alone proves nothing, and a
pair counts only if its details and its colours agree too.

Reproduction notes:
    The limits were set on 22 crops of six real clips, about 100 x 140 pixels, and on synthetic
    faces. JPEG at quality 20, half the size, another brightness, and a cut moved by 1 % of its
    width are recognised; a cut moved by 3 % is not. Crops of different real clips differed in 20
    bits or more and correlated by less than .68 (picture) and .47 (detail).
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
import pandas as pd

from deepfake_generalize.data.assignment import linked
from deepfake_generalize.data.crops import read_image
from deepfake_generalize.data.manifests import (
    check_filled,
    clip_keys,
    people,
    require_columns,
    text_column,
)
from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, FloatArray, IntArray, UInt8Array
from deepfake_generalize.validation import check_mapping

SIDE = 32
BITS = 63
MAX_DISTANCE = 10
MIN_CORRELATION = 0.95
MIN_DETAIL_CORRELATION = 0.9
MAX_DIFFERENCE = 15.0
# Standard deviation in grey levels under which a picture has nothing to tell it by.
MIN_CONTRAST = 4.0

# Of red, green and blue, as ITU-R BT.601 has it.
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_LOW = 8
_BLOCK = 8
_ROWS_AT_ONCE = 1024
_PAIRS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What is kept of N pictures."""

    hashes: FloatArray
    """(N, 63) float32, -1 or 1; all 0 for pictures that cannot be compared."""
    thumbnails: UInt8Array
    """(N, 32, 32, 3) uint8, RGB."""
    flat: AnyArray
    """(N,) bool: too little contrast to be compared."""
    unreadable: dict[int, str]
    """Number of the picture to why it could not be read."""

    def take(self, rows: IntArray) -> Fingerprints:
        """Return those of some pictures, in the order of `rows`."""
        place = {int(row): new for new, row in enumerate(rows)}
        reasons = {place[old]: why for old, why in self.unreadable.items() if old in place}
        return Fingerprints(self.hashes[rows], self.thumbnails[rows], self.flat[rows], reasons)


def read_fingerprints(paths: Sequence[str], read: Callable[[int], object]) -> Fingerprints:
    """Read pictures on all cores, and tell how many were; what cannot be is listed, not raised."""
    taken = []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for fingerprint in pool.map(_read, paths):
            taken.append(fingerprint)
            read(len(taken))
    hashes = np.zeros((len(taken), BITS), np.float32)
    thumbnails = np.zeros((len(taken), SIDE, SIDE, 3), np.uint8)
    unreadable = {row: found for row, found in enumerate(taken) if isinstance(found, str)}
    for row, found in enumerate(taken):
        if not isinstance(found, str):
            hashes[row], thumbnails[row] = found
    flat = np.array([_grey(thumbnail).std() < MIN_CONTRAST for thumbnail in thumbnails], bool)
    flat[list(unreadable)] = False
    hashes[flat] = 0.0
    return Fingerprints(hashes, thumbnails, flat, unreadable)


def near_duplicates(
    a: Fingerprints, b: Fingerprints, skip_a: IntArray, skip_b: IntArray
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows of `a`, `b` that show the same picture, but for pairs of equal `skip` numbers."""
    # For entries of -1 and 1 the product is the number of equal bits less that of unequal ones.
    least = BITS - 2 * MAX_DISTANCE
    for start in range(0, len(a.hashes), _ROWS_AT_ONCE):
        products = a.hashes[start : start + _ROWS_AT_ONCE] @ b.hashes.T
        rows, columns = np.nonzero(products >= least)
        rows = rows + start
        apart = skip_a[rows] != skip_b[columns]
        rows, columns = rows[apart], columns[apart]
        for first in range(0, len(rows), _PAIRS_AT_ONCE):
            chunk = slice(first, first + _PAIRS_AT_ONCE)
            same = _same(a.thumbnails[rows[chunk]], b.thumbnails[columns[chunk]])
            if same.any():
                yield rows[chunk][same], columns[chunk][same]


def _read(path: str) -> tuple[FloatArray, UInt8Array] | str:
    """Return hash, (63,) float32 of -1 and 1, and thumbnail of a picture, or why there is none."""
    try:
        image = read_image(path)
    except InputError as error:
        return error.message
    thumbnail = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(_grey(thumbnail[np.newaxis].astype(np.float32))[0])[:_LOW, :_LOW].ravel()[1:]
    bits = np.where(low > np.median(low), 1.0, -1.0).astype(np.float32)
    return bits, cast("UInt8Array", thumbnail)


def _same(a: AnyArray, b: AnyArray) -> AnyArray:
    a, b = a.astype(np.float32), b.astype(np.float32)
    close: AnyArray = np.square(a - b).mean(axis=(1, 2, 3)) <= MAX_DIFFERENCE**2
    grey_a, grey_b = _grey(a), _grey(b)
    close[close] = _correlation(grey_a[close], grey_b[close]) >= MIN_CORRELATION
    detail = _correlation(_detail(grey_a[close]), _detail(grey_b[close]))
    close[close] = detail >= MIN_DETAIL_CORRELATION
    return close


def _grey(colours: AnyArray) -> FloatArray:
    return cast("FloatArray", colours.astype(np.float32) @ _GREY)


def _detail(pictures: FloatArray) -> FloatArray:
    """Take from each picture the means of its 8 x 8 blocks."""
    parts = SIDE // _BLOCK
    blocks = pictures.reshape(-1, parts, _BLOCK, parts, _BLOCK)
    detail = blocks - blocks.mean(axis=(2, 4), keepdims=True)
    return cast("FloatArray", detail.reshape(pictures.shape))


def _correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    a = a - a.mean(axis=(1, 2), keepdims=True)
    b = b - b.mean(axis=(1, 2), keepdims=True)
    product = np.einsum("nij,nij->n", a, b)
    norms = np.einsum("nij,nij->n", a, a) * np.einsum("nij,nij->n", b, b)
    # Without detail there is nothing that could disagree, and nothing that could agree.
    return cast("FloatArray", product / np.sqrt(np.maximum(norms, 1e-6)))


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


def gather_sets(
    sets: object, *, images: bool, progress: Callable[[int, int], object] = lambda *_: None
) -> list[IndexedSet]:
    """Look up what crops of `Splits`, or of a mapping of names to crops or splits, are.

    Reading the images is half of the `progress` of an audit.
    """
    named = _named(sets)
    place: dict[str, int] = {}
    for _, _, crops in named:
        for path in text_column(crops, "path"):
            place.setdefault(path, len(place))
    prints = read_fingerprints(
        list(place) if images else [], lambda read: progress(read, 2 * len(place))
    )
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
    hint = 'Pass {"train": crops, "test": other_crops}.'
    sets = check_mapping("sets", sets, of="names to crops or Splits", hint=hint)
    named: list[tuple[str, str, pd.DataFrame]] = []
    for name, crops in sets.items():
        if isinstance(crops, Splits):
            named += _parts(name, crops)
            continue
        require_columns(crops, ("path",), what=f"the set {name!r}")
        check_filled(crops, ("path",), what=f"the set {name!r}")
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
