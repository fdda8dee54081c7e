"""The two ways to decode the frames of a plan: what is needed only, or everything in order.

Nothing here seeks. Demuxing is cheap (milliseconds a file) and seeking is where containers differ,
so the packets of groups of pictures that nobody wants are read and simply not handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from deepfake_generalize.types import UInt8Array

# Decoders that honour skip_frame packet by packet. Others (dav1d) run ahead of what they are told.
_SKIPPING_CODECS = frozenset({"h264", "hevc", "mpeg4", "mpeg2video"})
# Of the first byte of a unit: shift, mask, and the types that start a sequence afresh: H.264's IDR
# and HEVC's random access pictures.
_CLEAN_UNITS = {"h264": (0, 0x1F, frozenset({5})), "hevc": (1, 0x3F, frozenset(range(16, 22)))}
# A damaged stretch may raise at every packet; beyond this many in a row the rest is given up.
_MAX_ERRORS_IN_A_ROW = 64


class Stamp(NamedTuple):
    """What planning needs to know of one packet."""

    pts: int | None
    """Presentation time in stream units, None where the container gives none."""
    keyframe: bool
    """Whether decoding can start at it exactly."""
    shown: bool
    """Whether a frame comes of it; edit lists hide some."""

    @classmethod
    def of(cls, packet: Packet[VideoStream], codec: str) -> Self:
        """Note what a packet says."""
        return cls(packet.pts, _starts_cleanly(packet, codec), not packet.is_discard)


@dataclass
class Found:
    """What a pass over the file brought."""

    by_index: dict[int, tuple[UInt8Array, bool]] = field(default_factory=dict)
    """Image and whether it is corrupt, by presentation index."""
    decoded: int = 0
    """How many frames came out in all."""
    errors: list[str] = field(default_factory=list)
    """What could not be read or decoded, one text a packet."""

    def complete(self, indices: Iterable[int]) -> bool:
        """Whether every wanted frame arrived, and undamaged."""
        return not self.errors and all(
            index in self.by_index and not self.by_index[index][1] for index in indices
        )


def _starts_cleanly(packet: Packet[VideoStream], codec: str) -> bool:
    """Whether nothing before a keyframe is needed after it.

    Containers also call the first packet of a gradual intra refresh a keyframe, from which H.264
    decoders show half-built pictures without a mark; only what the stream itself says counts.
    """
    if not packet.is_keyframe or codec not in _CLEAN_UNITS:
        return packet.is_keyframe
    shift, mask, clean = _CLEAN_UNITS[codec]
    return any((first >> shift) & mask in clean for first in _unit_headers(bytes(packet)))


def _unit_headers(data: bytes) -> list[int]:
    """Return the first byte of each unit, behind four-byte lengths or start codes.

    A length of 256 to 511 looks like a start code, so lengths are believed where they tile the
    packet exactly.
    """
    headers, at = [], 0
    while at + 4 < len(data):
        headers.append(data[at + 4])
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    if at == len(data):
        return headers
    return [unit[0] for unit in data.split(b"\0\0\1")[1:] if unit]


def presentation_order(stamps: Sequence[Stamp]) -> dict[int, int] | None:
    """Return presentation index by PTS, or None where times are absent or repeated."""
    shown = [stamp.pts for stamp in stamps if stamp.shown]
    times = [pts for pts in shown if pts is not None]
    if len(times) != len(shown) or len(set(times)) != len(times):
        return None
    return {pts: index for index, pts in enumerate(sorted(times))}


def packets(
    container: InputContainer, stream: VideoStream, errors: list[str]
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets that carry data in decoding order, going on behind unreadable ones.

    `errors` receives one text for each place that could not be read.
    """
    in_a_row = 0
    while in_a_row < _MAX_ERRORS_IN_A_ROW:
        try:
            # A generator ends with its first exception; a new one goes on behind the damage.
            for packet in container.demux(stream):
                in_a_row = 0
                if packet.size:
                    yield packet
        except (av.error.FFmpegError, OSError) as error:
            errors.append(str(error))
            in_a_row += 1
        else:
            return


def to_rgb(frame: VideoFrame) -> UInt8Array:
    """Return the frame upright as contiguous RGB, shape (H, W, 3)."""
    image = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, frame.rotation // 90))


def decode_planned(
    container: InputContainer,
    stream: VideoStream,
    stamps: Sequence[Stamp],
    order: Mapping[int, int],
    indices: Iterable[int],
) -> Found:
    """Decode only what the wanted frames need; the caller checks that everything arrived.

    Groups of pictures without a wanted frame are not decoded, nor are non-reference frames that
    nobody wants. `stamps` are of the packets that `packets` yields, `order` is the presentation
    index by PTS. FFmpegError where a packet could not be decoded.
    """
    wanted = set(indices)
    waiting = _first_packets(stamps, order, wanted)
    found = Found()
    context = stream.codec_context
    skips = context.name in _SKIPPING_CODECS
    jumped = False
    for position, packet in enumerate(packets(container, stream, found.errors)):
        if not waiting:
            return found
        if position < min(waiting.values()):
            jumped = True
            continue
        if jumped:
            context.flush_buffers()
            jumped = False
        if skips:
            asked_for = packet.pts is not None and order.get(packet.pts) in wanted
            context.skip_frame = "DEFAULT" if asked_for else "NONREF"
        _collect(packet.decode(), order, waiting, found)
    if waiting:
        _collect(context.decode(None), order, waiting, found)
    return found


def decode_sequentially(
    container: InputContainer,
    stream: VideoStream,
    order: Mapping[int, int] | None,
    indices: Iterable[int],
) -> Found:
    """Decode every frame and keep the wanted ones, whatever is damaged around them.

    Frames are counted as they come out. Where fewer come out than the packets promise, they are
    told by their times instead, so that one lost frame does not shift all that follow.
    """
    wanted = set(indices)
    last = max(wanted, default=-1)
    by_position, by_time = Found(), Found()
    for frame in _all_frames(container, stream, by_position.errors):
        position = by_position.decoded
        index = None if order is None or frame.pts is None else order.get(frame.pts)
        if position in wanted or index in wanted:
            taken = (to_rgb(frame), frame.is_corrupt)
            if position in wanted:
                by_position.by_index[position] = taken
            if index is not None and index in wanted:
                by_time.by_index[index] = taken
        by_position.decoded += 1
        if order is None and position >= last:
            break
    if order is None or by_position.decoded == len(order):
        return by_position
    by_time.decoded, by_time.errors = by_position.decoded, by_position.errors
    return by_time


def _all_frames(
    container: InputContainer, stream: VideoStream, errors: list[str]
) -> Iterator[VideoFrame]:
    for packet in packets(container, stream, errors):
        try:
            yield from packet.decode()
        except av.error.FFmpegError as error:
            errors.append(str(error))
    try:
        yield from stream.codec_context.decode(None)
    except av.error.FFmpegError as error:
        errors.append(str(error))


def _first_packets(
    stamps: Sequence[Stamp], order: Mapping[int, int], wanted: Collection[int]
) -> dict[int, int]:
    """Return, by PTS of each wanted frame, the first packet that is needed to decode it."""
    first: dict[int, int] = {}
    keyframes: list[int] = []
    for position, stamp in enumerate(stamps):
        if stamp.keyframe:
            keyframes.append(position)
        if stamp.pts is not None and order.get(stamp.pts) in wanted:
            first[stamp.pts] = _start(stamps, keyframes, stamp.pts)
    return first


def _start(stamps: Sequence[Stamp], keyframes: Sequence[int], pts: int) -> int:
    """The last keyframe, in decoding order, that is not shown after `pts`.

    Frames that follow a keyframe in the file but are shown before it (an open group of pictures)
    need the group before as well.
    """
    for position in reversed(keyframes):
        time = stamps[position].pts
        if time is not None and time <= pts:
            return position
    return 0


def _collect(
    frames: Iterable[VideoFrame], order: Mapping[int, int], waiting: dict[int, int], found: Found
) -> None:
    for frame in frames:
        found.decoded += 1
        if frame.pts is not None and waiting.pop(frame.pts, None) is not None:
            found.by_index[order[frame.pts]] = (to_rgb(frame), frame.is_corrupt)
