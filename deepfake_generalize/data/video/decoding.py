"""What the packets of a video say, and the two ways to decode the frames of a plan.

A packet is not a picture: reference pictures are never shown, two fields make one picture, and some
containers have no times of display. Where that may be so, only decoding tells.

Nothing here seeks. Demuxing is cheap (milliseconds a file) and seeking is where containers differ,
so the packets of groups of pictures that nobody wants are read and simply not handed on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, Self, TypeAlias, cast

import av

from deepfake_generalize.data.video.containers import to_rgb
from deepfake_generalize.types import UInt8Array

Packet: TypeAlias = "av.Packet[av.VideoStream]"
Order: TypeAlias = Mapping[int | None, int]
"""Presentation index by PTS."""

# Of the first byte of a unit: shift, mask, and the types that start a sequence afresh: H.264's IDR
# and HEVC's random access pictures.
_CLEAN_UNITS = {"h264": (0, 0x1F, frozenset({5})), "hevc": (1, 0x3F, frozenset(range(16, 22)))}
# Codecs whose packets are pictures, or say themselves that they are none. Others are decoded to be
# counted: they leave out pictures that did not change, or are too rare to be known.
_ONE_PICTURE = frozenset(
    {"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "vp8", "vp9", "av1", "libdav1d"}
    | {"libaom-av1", "libvpx", "libvpx-vp9", "mjpeg", "png", "prores", "dnxhd", "ffv1", "rawvideo"}
)
# Of `field_order`: progressive, or not known. Else two fields make a picture, and in H.264 each
# may be a packet, so it has to be known there.
_ANY_FRAMES, _SURE_FRAMES = (0, 1), (1,)
# A damaged stretch may raise at every packet; beyond this many in a row the rest is given up.
_MAX_ERRORS_IN_A_ROW = 64


class Stamp(NamedTuple):
    """What planning needs to know of one packet."""

    pts: int | None
    """Presentation time in stream units, None where the container gives none."""
    keyframe: bool
    """Whether decoding can start at it exactly."""
    shown: bool
    """Whether a frame comes of it; edit lists hide some, others are for reference only."""
    size: int = 0
    """In bytes."""

    @classmethod
    def of(cls, packet: Packet, codec: str) -> Self:
        """Note what a packet says."""
        shown = not packet.is_discard and _is_shown(packet, codec)
        return cls(packet.pts, _starts_cleanly(packet, codec), shown, packet.size)


@dataclass
class Damage:
    """Where a pass over the file met what could not be read or decoded."""

    positions: set[int] = field(default_factory=set)
    """Of the packets at which something is lost, counted in the order of the file."""
    errors: list[str] = field(default_factory=list)
    """What was said, one text an error."""

    def add(self, position: int, error: object) -> None:
        """Note what could not be read or decoded at a packet."""
        self.positions.add(position)
        self.errors.append(str(error))


def demuxed(stream: av.VideoStream, damage: Damage) -> Iterator[Packet]:
    """Yield the packets with data in decoding order; `damage` receives what cannot be read."""
    container = cast("av.container.InputContainer", stream.container)
    in_a_row = position = 0
    while in_a_row < _MAX_ERRORS_IN_A_ROW:
        try:
            # A generator ends with its first exception; a new one goes on behind the damage.
            for packet in container.demux(stream):
                in_a_row = 0
                if packet.is_corrupt:
                    damage.add(position, "a part of a packet is lost")
                if packet.size:
                    yield packet
                    position += 1
        except (av.error.FFmpegError, OSError) as error:
            damage.add(position, error)
            in_a_row += 1
        else:
            return


def presentation_order(stamps: Sequence[Stamp]) -> dict[int | None, int] | None:
    """Return presentation index by PTS, or None where times are absent or repeated."""
    times = [stamp.pts for stamp in stamps if stamp.shown]
    known = sorted(pts for pts in times if pts is not None)
    return index_of_times(known) if len(known) == len(times) else None


def index_of_times(times: Sequence[int | None]) -> dict[int | None, int] | None:
    """Return the index of each time, or None where times are absent or repeated."""
    order = {pts: index for index, pts in enumerate(times)}
    return order if len(order) == len(times) and None not in order else None


def is_believable(stamps: Sequence[Stamp], stream: av.VideoStream) -> bool:
    """Whether the packets and their times tell which frames are shown, and in which order."""
    context = stream.codec_context
    frames = _SURE_FRAMES if context.name == "h264" else _ANY_FRAMES
    if context.name not in _ONE_PICTURE or context.field_order not in frames:
        return False
    known = [stamp.pts for stamp in stamps if stamp.shown and stamp.pts is not None]
    if len(set(known)) != sum(stamp.shown for stamp in stamps):
        return False
    # Stamps of decoding are passed for times by containers that have no others.
    if context.has_b_frames and known == sorted(known):
        return False
    # What is shown before the first clean start refers to what the file no longer holds.
    first = stamps[0].pts
    if not stamps[0].keyframe or first is None or min(known) < first:
        return False
    # A picture of MPEG-4 that repeats the one before is a packet of a few bytes, and gives nothing.
    blocks = context.width * context.height // 256
    return context.name != "mpeg4" or all(stamp.size * 8 > blocks for stamp in stamps)


def _starts_cleanly(packet: Packet, codec: str) -> bool:
    """Whether nothing before a keyframe is needed after it."""
    # Containers also call the first packet of a gradual intra refresh a keyframe, from which H.264
    # decoders show half-built pictures without a mark; only what the stream itself says counts.
    if not packet.is_keyframe or codec not in _CLEAN_UNITS:
        return packet.is_keyframe
    shift, mask, clean = _CLEAN_UNITS[codec]
    return any((first >> shift) & mask in clean for first in _unit_headers(bytes(packet)))


def _is_shown(packet: Packet, codec: str) -> bool:
    """What the header of a VP8 or VP9 frame says; other packets are taken to be shown."""
    if codec in ("vp8", "libvpx"):
        return bool(memoryview(packet)[0] & 0x10)
    if codec not in ("vp9", "libvpx-vp9"):
        return True
    data = memoryview(packet)
    first, last = data[0], data[-1]
    if last & 0xE0 == 0xC0:  # Several frames in one packet, of which the last is shown.
        return True
    # An older frame shown again, or this one; the highest profile has a bit more before them.
    shows = 0b101 if first & 0x30 == 0x30 else 0b1010
    return bool(first & shows)


def _unit_headers(data: bytes) -> list[int]:
    """Return the first byte of each unit, behind four-byte lengths or start codes."""
    headers, at = [], 0
    while at + 4 < len(data):
        headers.append(data[at + 4])
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    # A length of 256 to 511 looks like a start code.
    if at == len(data):
        return headers
    return [unit[0] for unit in data.split(b"\0\0\1")[1:] if unit]


# Decoders that honour skip_frame packet by packet. Others (dav1d) run ahead of what they are told.
_SKIPPING_CODECS = frozenset({"h264", "hevc", "mpeg4", "mpeg2video"})
DECODING_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError)
"""What PyAV raises on damaged packets and frames."""
_INVENTED = "the decoder had to invent a part of a picture"


@dataclass
class Found:
    """What a pass over the file brought."""

    images: dict[int, UInt8Array] = field(default_factory=dict)
    """By presentation index; undamaged ones only."""
    corrupt: set[int] = field(default_factory=set)
    """Wanted frames of which a part was invented, or on which damage before them may show."""
    times: list[int | None] = field(default_factory=list)
    """PTS of all frames that came out, in the order they are shown."""
    damage: Damage = field(default_factory=Damage)
    """What could not be read or decoded, of wanted frames or not."""
    is_whole: bool = False
    """Whether all of the file was decoded."""

    def complete(self, indices: Iterable[int]) -> bool:
        """Whether every wanted frame arrived, and nothing was damaged."""
        return not self.damage.errors and all(index in self.images for index in indices)


def decode_planned(
    stream: av.VideoStream, stamps: Sequence[Stamp], order: Order, indices: Iterable[int]
) -> Found:
    """Decode only what the wanted frames need; the caller checks that everything arrived."""
    wanted = set(indices)
    starts = first_packets(stamps, order)
    waiting = {
        stamp.pts: starts[position]
        for position, stamp in enumerate(stamps)
        if order.get(stamp.pts) in wanted
    }
    found = Found()
    context = stream.codec_context
    skips = context.name in _SKIPPING_CODECS
    jumped = False
    for position, packet in enumerate(chain(demuxed(stream, found.damage), [None])):
        if not waiting:
            return found
        if position < min(waiting.values()):
            jumped = True
            continue
        if jumped:
            context.flush_buffers()
            jumped = False
            found.times.clear()
        if skips and packet is not None:
            context.skip_frame = "DEFAULT" if order.get(packet.pts) in wanted else "NONREF"
        for frame in context.decode(packet):
            _collect(frame, order, waiting, found, position, stream)
    return found


def decode_sequentially(
    stream: av.VideoStream, stamps: Sequence[Stamp], order: Order | None, indices: Iterable[int]
) -> Found:
    """Decode every frame and keep the wanted ones, whatever is damaged around them.

    Frames are counted as they come out. Where something is damaged, or fewer come out than the
    order has, they are told by their times instead (if there are any), so that a lost frame does
    not shift all that follow; what lies between damage and the next clean start is corrupt.
    """
    wanted = set(indices)
    found = Found(is_whole=True)
    damage, times, images = found.damage, found.times, found.images
    positions = {} if order is None else {stamp.pts: at for at, stamp in enumerate(stamps)}
    arrivals = []
    for frame, now in _all_frames(stream, damage, len(stamps) - 1):
        at, index = len(times), None if order is None else order.get(frame.pts)
        times.append(frame.pts)
        arrivals.append((now, frame.key_frame))
        position = positions.get(frame.pts, now)
        if frame.is_corrupt:
            damage.add(position, _INVENTED)
        if at in wanted or index in wanted:
            try:
                images[at] = to_rgb(frame, stream.sample_aspect_ratio)
            except DECODING_ERRORS as error:
                damage.add(position, error)
    if not damage.errors and (order is None or len(order) == len(times)):
        return found
    if order is None:
        found.corrupt = wanted & _touched_in_turn(arrivals, damage)
    else:
        found.images = {
            order[times[at]]: image for at, image in images.items() if times[at] in order
        }
        touched = (order.get(stamps[at].pts) for at in damaged_packets(stamps, order, damage))
        found.corrupt = wanted.intersection(touched)
    for index in found.corrupt:
        found.images.pop(index, None)
    return found


def first_packets(stamps: Sequence[Stamp], order: Order) -> list[int]:
    """Return, for each packet, the last keyframe before it that is not shown after it."""
    times = sorted(time for time in order if time is not None)
    ascending = all(order[time] == index for index, time in enumerate(times))
    starts: list[int] = []
    # Of the keyframes that can still be needed: where they lie, and when they are shown, ascending.
    places: list[int] = []
    turns: list[int] = []
    for position, stamp in enumerate(stamps):
        turn = order.get(stamp.pts)
        if turn is None and stamp.pts is not None and ascending:
            turn = bisect_left(times, stamp.pts)  # Hidden: the turn of what is shown next.
        if stamp.keyframe and turn is not None:
            while turns and turns[-1] >= turn:
                turns.pop()
                places.pop()
            turns.append(turn)
            places.append(position)
        at = bisect_right(turns, turn) if turn is not None else len(turns)
        starts.append(places[at - 1] if at else 0)
    return starts


def damaged_packets(stamps: Sequence[Stamp], order: Order, damage: Damage) -> list[int]:
    """Return the positions of the packets from damage to the next clean start."""
    bad = sorted(damage.positions)
    touched = []
    for position, start in enumerate(first_packets(stamps, order)):
        before = bisect_right(bad, position)
        if before and bad[before - 1] >= start:
            touched.append(position)
    return touched


def _all_frames(
    stream: av.VideoStream, damage: Damage, last: int
) -> Iterator[tuple[av.VideoFrame, int]]:
    """Yield all frames, and the position of the packet on which they came out."""
    for count, packet in enumerate(chain(demuxed(stream, damage), [None])):
        position = min(count, last)
        try:
            frames = stream.codec_context.decode(packet)
        except DECODING_ERRORS as error:
            damage.add(position, error)
        else:
            yield from ((frame, position) for frame in frames)


def _collect(
    frame: av.VideoFrame,
    order: Order,
    waiting: dict[int | None, int],
    found: Found,
    position: int,
    stream: av.VideoStream,
) -> None:
    index = order.get(frame.pts)
    if index is None:
        return
    if found.times and index < order[found.times[-1]]:
        found.damage.add(position, "frames come out in another order than their times say")
    found.times.append(frame.pts)
    if frame.is_corrupt:
        found.damage.add(position, _INVENTED)
    if waiting.pop(frame.pts, None) is not None:
        found.images[index] = to_rgb(frame, stream.sample_aspect_ratio)


def _touched_in_turn(arrivals: Sequence[tuple[int, bool]], damage: Damage) -> set[int]:
    """Return which frames (each with its packet, and if it is key) lie between damage and key."""
    bad = sorted(damage.positions)
    found, n_before, touched = set(), 0, False
    for at, (now, is_key) in enumerate(arrivals):
        n_now = bisect_right(bad, now)
        touched = n_now > n_before or (touched and not is_key)
        n_before = n_now
        if touched:
            found.add(at)
    return found
