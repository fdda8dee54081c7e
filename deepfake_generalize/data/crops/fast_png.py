"""Decoding PNG in less time than one library takes for it, where the file is of the usual kind.

Two thirds of the time of a PNG decoder go into zlib. Here ISA-L inflates the pixels, three times as
fast, and FFmpeg turns them back from differences; it gets them as a PNG that is not compressed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
from isal import isal_zlib

from deepfake_generalize.types import UInt8Array

_SIGNATURE, _HEADER = 8, 33
"""Where the signature and where the chunk with the header end."""
_FIRST_CHUNK = slice(8, 16), b"\0\0\0\rIHDR"
_KIND = slice(24, 29), b"\x08\x02\0\0\0"
"""Eight bits of RGB, and the only compression, filters and order of rows that are usual."""
_FILTERS = 5
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""How many values a pixel has, by the kind of colour."""
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""Where the passes of interlaced rows begin, and their steps (left, top, across, down)."""
# Of larger ones the copies would take more memory than the time is worth.
_MAX_PIXELS = 1 << 22
# FFmpeg does not look at checksums; those of the file itself are right.
_NO_CHECKSUM = b"\0\0\0\0"
# A class, which ISA-L's stub takes for an object of it.
_DAMAGED = cast("type[Exception]", isal_zlib.IsalError)


def decode_png(data: bytes, out: UInt8Array) -> bool:
    """Decode an 8-bit RGB PNG of known size, or return False where a stricter decoder must judge.

    `data` is a PNG file without transparency, whose chunks have the right checksums up to its end
    chunk; `out`, (H, W, 3) uint8 of the size in its header, is filled with RGB.
    """
    import av

    height, width, _ = out.shape
    usual = all(data[place] == value for place, value in (_FIRST_CHUNK, _KIND))
    if not usual or height * width > _MAX_PIXELS:
        return False
    # A chunk that is critical, by its capital letter, must be understood.
    chunks = list(_chunks(data))
    if any(kind[:1].isupper() and kind not in (b"PLTE", b"IDAT") for kind, _ in chunks):
        return False
    rows, is_whole = _inflated(chunks, height * (1 + 3 * width))
    if not is_whole or max(rows[:: 1 + 3 * width]) >= _FILTERS:
        return False
    stored = zlib.compress(rows, level=0)
    length = struct.pack(">I", len(stored))
    head, end = data[:_HEADER], (_NO_CHECKSUM, bytes(4), b"IEND", _NO_CHECKSUM)
    # One for each image: a decoder takes the last row of one for the row above the next.
    codec: Any = av.CodecContext.create("png", "r")
    codec.thread_count = 1
    try:
        (frame,) = codec.decode(av.Packet(b"".join((head, length, b"IDAT", stored, *end))))
    except av.FFmpegError:
        return False
    plane = frame.planes[0]
    pixels = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
    out[:] = pixels[:, : width * 3].reshape(height, width, 3)
    return True


def holds_all_rows(data: bytes, size: tuple[int, int]) -> bool:
    """Return whether a PNG's pixels are all there: Pillow leaves what is missing black."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if (height, width) != size:
        return False
    bits = depth * _CHANNELS.get(colour, 0)
    expected = 0
    for left, top, step_x, step_y in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-max(width - left, 0) // step_x), -(-max(height - top, 0) // step_y)
        expected += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return len(_inflated(_chunks(data), expected)[0]) >= expected


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of what is between the header and the end chunk."""
    position = _HEADER
    while position + 8 <= len(data) and data[position + 4 : position + 8] != b"IEND":
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _inflated(chunks: Iterable[tuple[bytes, bytes]], most: int) -> tuple[bytes, bool]:
    """Return so many bytes of a PNG's pixels, if there are, and whether there are just as many."""
    inflater = isal_zlib.decompressobj()
    stream = b"".join(content for kind, content in chunks if kind == b"IDAT")
    try:
        # One byte more than is wanted: a stream that holds too much is not inflated to its end.
        rows: bytes = inflater.decompress(stream, most + 1)
    except _DAMAGED:
        return b"", False
    return rows, inflater.eof and len(rows) == most
