"""The two ways to decode the frames of a plan: what is needed only, or everything in order.

Nothing here seeks. Demuxing is cheap (milliseconds a file) and seeking is where containers differ,
so the packets of groups of pictures that nobody wants are read and simply not handed on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import av

from deepfake_generalize.data.video.orientation import to_rgb
from deepfake_generalize.data.video.packets import Damage, Stamp, demuxed
from deepfake_generalize.types import UInt8Array

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
    stream: av.VideoStream,
    stamps: Sequence[Stamp],
    order: Mapping[int | None, int],
    indices: Iterable[int],
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
    stream: av.VideoStream,
    stamps: Sequence[Stamp],
    order: Mapping[int | None, int] | None,
    indices: Iterable[int],
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


def first_packets(stamps: Sequence[Stamp], order: Mapping[int | None, int]) -> list[int]:
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


def damaged_packets(
    stamps: Sequence[Stamp], order: Mapping[int | None, int], damage: Damage
) -> list[int]:
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
    order: Mapping[int | None, int],
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
