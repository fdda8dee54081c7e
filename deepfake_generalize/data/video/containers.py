"""Video files opened, and their frames as players show them: square pixels, the right way up.

Local files in known containers only; others are refused in words.
"""

from __future__ import annotations

import math
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.buffer import Buffer
from av.stream import Disposition

from deepfake_generalize.errors import VideoError
from deepfake_generalize.types import UInt8Array
from deepfake_generalize.validation import MAX_PIXELS

MAX_SIDE = 32_766
"""Of a frame, in pixels: the native code behind the face finder ends the process beyond it."""
MAX_ASPECT = 4
"""A pixel that is said to be wider than this, or narrower than one by it, is not believed."""


def is_too_large(width: int, height: int) -> bool:
    """Whether a frame has more pixels, or a longer side, than is worked on."""
    return width * height > MAX_PIXELS or max(width, height) > MAX_SIDE


def shown_width(width: int, aspect: Fraction | None) -> int:
    """Return the width of a frame whose pixels are `aspect` times as wide as high, if credible."""
    if aspect is None or not 1 <= MAX_ASPECT * aspect <= MAX_ASPECT**2:
        return width
    return max(1, round(width * aspect))


def to_rgb(frame: av.VideoFrame, aspect: Fraction | None = None) -> UInt8Array:
    """Return the frame as it is shown, contiguous RGB (H, W, 3); ValueError if it is too large."""
    width = shown_width(frame.width, aspect)
    if is_too_large(width, frame.height):
        raise ValueError(f"a frame of {width} x {frame.height} pixels is too large")
    data = cast("Buffer | None", frame.side_data.get("DISPLAYMATRIX"))
    content = b"" if data is None else bytes(data)
    if width != frame.width:
        frame = frame.reformat(width=width, format="rgb24", interpolation="BICUBIC")
    image: UInt8Array = frame.to_ndarray(format="rgb24").view(np.uint8)
    if len(content) == 36:
        image = turned(image, struct.unpack("=9i", content))
    return np.ascontiguousarray(image)


def turned(image: UInt8Array, matrix: tuple[int, ...]) -> UInt8Array:
    """Turn an image (H, W, 3) by a display matrix of nine numbers: quarter turns and mirrors."""
    a, b, _, c, d = matrix[:5]
    if not math.hypot(a, c) or not math.hypot(b, d):
        return image
    angle = round(math.degrees(math.atan2(b / math.hypot(b, d), a / math.hypot(a, c)))) % 360
    if angle == 90:
        return image.swapaxes(0, 1) if c > 0 else np.rot90(image, -1)
    if angle == 180:
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    if angle == 270:
        return np.rot90(image, -1)[::-1] if c < 0 else np.rot90(image)
    return image[::-1] if angle == 0 and d < 0 else image


_EXPECTED = "expected a video in an MP4/MOV, Matroska/WebM, AVI, MPEG, FLV, ASF, Ogg or IVF file"
_OPEN_OPTIONS = {
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,ivf",
    "protocol_whitelist": "file",
}
# Decoders that mark the pictures of which they invented a part, and go on. All others invent in
# silence, so they are asked to object; to what they object, these would, too, and to oddities.
_MARKING_CODECS = frozenset(
    {"h264", "mpeg4", "mpeg1video", "mpeg2video", "h263", "flv", "msmpeg4", "msmpeg4v2", "wmv1"}
)
_DETECTION = "crccheck+explode"
_SIGNATURES = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to"),
    (b"ffconcat", "a list of other files (ffconcat)"),
    (b"#EXTM3U", "a playlist (M3U)"),
)


@contextmanager
def opened(path: Path, *, strict: bool = True) -> Iterator[av.VideoStream]:
    """Open a local video file, and yield its main stream; `strict` decoders object to damage."""
    _check_file(path)
    try:
        # The prefix keeps a colon in a name from being read as a protocol. Titles and the like are
        # not used, so it does not matter how they are encoded.
        container = av.open(f"file:{path}", options=_OPEN_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(
            f"{_EXPECTED}, received {path}: {_describe_content(path)} ({error}).",
            hint="Check that the download is whole and that the file is a video.",
        ) from error
    with container:
        stream = _video_of(container, path)
        context = stream.codec_context
        # Its frames may still be larger than its header says.
        context.options = {"max_pixels": str(MAX_PIXELS)}
        if strict and context.name not in _MARKING_CODECS:
            context.options |= {"err_detect": _DETECTION}
        # One thread: the extraction job runs a process a core, and frame threads would make
        # skip_frame apply to the wrong packet.
        stream.thread_type = "NONE"
        context.thread_count = 1
        yield stream


def main_stream(container: av.container.Container) -> tuple[av.VideoStream | None, str]:
    """Return the video stream that a player shows (or None), and words where there was a choice."""
    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    videos = [video for video in container.streams.video if not video.disposition & cover]
    if not videos:
        return None, ""
    best = max(videos, key=_prominence)
    if len(videos) == 1:
        return best, ""
    context = best.codec_context
    size = f"{context.width} x {context.height}" if context else "unknown size"
    by = "the default" if best.disposition & Disposition.default else "the largest"
    place = videos.index(best) + 1
    return best, f"{len(videos)} video streams: number {place} is read, {by} ({size})"


def _prominence(stream: av.VideoStream) -> tuple[bool, bool, int]:
    context: av.VideoCodecContext | None = stream.codec_context
    if context is None:
        return False, False, 0
    return True, bool(stream.disposition & Disposition.default), context.width * context.height


def _video_of(container: av.container.Container, path: Path) -> av.VideoStream:
    """Return the main video stream, if it can be decoded."""
    stream, _ = main_stream(container)
    if stream is None:
        kinds = ", ".join(sorted({other.type for other in container.streams})) or "nothing"
        raise VideoError(
            f"expected {path} to hold a video stream, found {kinds}.",
            hint="Leave audio files out, or fetch the video again.",
            status="no_frames",
        )
    context = stream.codec_context
    if context is None:
        raise VideoError(
            f"expected {path} to hold video in a codec that FFmpeg decodes, found an unknown one.",
            hint="Convert the video, or fetch it again: its header may be damaged.",
        )
    width = shown_width(context.width, stream.sample_aspect_ratio)
    if is_too_large(width, context.height) or is_too_large(context.width, context.height):
        raise VideoError(
            f"expected frames of at most {MAX_PIXELS // 1_000_000} megapixels, and {MAX_SIDE:,} "
            f"pixels a side, {path} declares {context.width} x {context.height}, shown "
            f"{width} wide.",
            hint="Shrink the video first.",
        )
    return stream


def _check_file(path: Path) -> None:
    try:
        entry = path.stat()
    except (OSError, ValueError) as error:
        is_gone = isinstance(error, (FileNotFoundError, NotADirectoryError))
        reason = f"{str(path)!r} cannot be reached: {error}"
        raise VideoError(
            f"{_EXPECTED}, but {f'there is no file {path}' if is_gone else reason}.",
            hint="Check the path; a link may point nowhere.",
            status="missing" if is_gone else "error",
        ) from error
    if stat.S_ISDIR(entry.st_mode):
        kind = "a directory"
    elif not stat.S_ISREG(entry.st_mode):
        kind = "not a regular file"
    elif entry.st_size:
        return
    else:
        kind = "empty (0 bytes)"
    raise VideoError(f"{_EXPECTED}, but {path} is {kind}.", hint="Pass the video file itself.")


def _describe_content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        return f"it cannot be read, {error.strerror or error}"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return f"it is {kind}"
    if re.search(rb"<html|^\s*<!doctype html", head, re.IGNORECASE):
        return "it is an HTML page"
    if b"ftyp" in head[:12]:
        return "it begins like an MP4 file but its index (moov) is missing or damaged"
    return "it is text" if head.isascii() else "its content is of no known kind"
