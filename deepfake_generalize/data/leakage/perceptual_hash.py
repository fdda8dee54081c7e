"""The same picture again, under another name, size or compression: a perceptual hash and a check.

A picture is shrunk to 32 x 32 pixels. The signs of its 63 lowest cosine coefficients (of the grey
levels) about their median are its hash, as in pHash (Zauner, "Implementation and Benchmarking of
Perceptual Image Hash Functions", 2010, section 3.2.1). Pairs whose hashes differ in few bits are
then compared themselves: faces are cut alike, so their coarse shape alone proves nothing, and a
pair counts only if its details and its colours agree too.

Reproduction notes:
    The limits were set on 22 crops of six real clips, about 100 x 140 pixels, and on synthetic
    faces. JPEG at quality 20, half the size, another brightness, and a cut moved by 1 % of its
    width are recognised; a cut moved by 3 % is not. Crops of different real clips differed in 20
    bits or more and correlated by less than .68 (picture) and .47 (detail).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from deepfake_generalize.data.crops import read_image
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, FloatArray, IntArray, UInt8Array

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
