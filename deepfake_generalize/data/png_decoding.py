"""Decoding PNG by FFmpeg, in less time than OpenCV, where the file is of the usual kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from deepfake_generalize.types import UInt8Array

_COLOUR, _INTERLACED = 25, 28
"""Where the header's bytes for the kind of colour and for interlacing stand in a PNG."""


def decode_png(data: bytes, out: UInt8Array) -> bool:
    """Decode an 8-bit RGB PNG of known size; decline what only a stricter decoder can judge.

    Args:
        data: A whole PNG file, 8 bits a channel and without transparency, whose chunks have the
            right checksums.
        out: (H, W, 3) uint8 of the size in its header; filled with RGB.

    Returns:
        Whether that was done; if not, `out` holds anything.
    """
    import av

    if data[_COLOUR] != 2 or data[_INTERLACED] != 0:
        return False
    # One for each image: a decoder takes the last row of one for the row above the next.
    codec: Any = av.CodecContext.create("png", "r")
    codec.thread_count = 1
    try:
        frames = codec.decode(av.Packet(data))
    except av.FFmpegError:
        return False
    height, width, _ = out.shape
    if len(frames) != 1 or frames[0].format.name != "rgb24":
        return False
    plane = frames[0].planes[0]
    if (plane.width, plane.height) != (width, height):
        return False
    pixels = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
    out[:] = pixels[:, : width * 3].reshape(height, width, 3)
    # FFmpeg says nothing of a stream that ends early: the rows that are missing stay zero. Where
    # the last one is not zero it was decoded, and so were all above it.
    return bool(out[-1].any())
