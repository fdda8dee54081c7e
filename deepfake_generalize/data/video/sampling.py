"""Which frames of a video to take, and reading them: exact, never silent about what is missing."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from deepfake_generalize.data.video import decoding
from deepfake_generalize.data.video.containers import main_stream, opened
from deepfake_generalize.data.video.decoding import Damage, Found, Stamp
from deepfake_generalize.errors import VideoError
from deepfake_generalize.types import UInt8Array

FrameStatus = Literal["ok", "corrupt", "missing"]


@dataclass(frozen=True)
class FrameBatch:
    """The frames asked for, in the order asked for."""

    indices: tuple[int, ...]
    """Presentation indices, from 0."""
    images: list[UInt8Array | None]
    """(H, W, 3) uint8 RGB, as players show it: upright, its pixels square; None wherever the status
    is not "ok"."""
    status: list[FrameStatus]
    """"corrupt" when a part of the picture is invented, or may be predicted from such a picture."""
    n_frames: int
    """Of the video."""
    note: str = ""
    """What went wrong, in one sentence; empty where nothing did."""


class VideoInfo(NamedTuple):
    """What a video file holds, by its packets and pictures and not by what its header claims."""

    path: Path
    n_frames: int
    """Frames that are shown, plus what a truncated file has lost."""
    note: str
    """What is wrong with the file, or was to be chosen in it; empty where nothing is."""
    stamps: list[Stamp]
    order: dict[int | None, int] | None
    """Presentation index by PTS, None where times are absent or repeated."""
    lost: int
    """Frames that a truncated file has lost."""
    damage: Damage
    """Of reading, not of decoding."""
    kind: dict[str, str | float | None]
    """What the file is like: container, codec, frames a second, and pixels of a frame as stored."""


def sample_indices(n_frames: int, k: int, within: str = "") -> list[int]:
    """Return the centres of `k` equal parts, ascending from 0; all frames of a shorter video.

    `within` are the frames there are to take from, such as "12-40;70-95" without 40 and 95.
    """
    spans = [(int(a), int(b)) for a, b in re.findall(r"(\d+)-(\d+)", within)] or [(0, n_frames)]
    inside = sorted({at for first, end in spans for at in range(first, min(end, n_frames))})
    taken = min(k, len(inside))
    return [inside[(2 * part + 1) * len(inside) // (2 * taken)] for part in range(taken)]


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read what a local video file holds, without decoding it where its packets tell.

    VideoError where there is no such file (status "missing"), it is not a file, unreadable or not a
    video in a known container ("error"), or is without any video frame ("no_frames").
    """
    damage = Damage()
    with opened(Path(path)) as stream:
        codec = stream.codec_context.name
        stamps = [Stamp.of(packet, codec) for packet in decoding.demuxed(stream, damage)]
        shown = sum(stamp.shown for stamp in stamps)
        if not shown:
            raise VideoError(
                f"expected {path} to hold video frames, found none in its {stream.name} stream.",
                hint="The file is cut off after its header; fetch it again.",
                status="no_frames",
            )
        # Only the MP4 family counts its frames in an index, which leaves out those that are hidden.
        is_counted = stream.container.format.name.startswith("mov") and stream.frames
        indexed = stream.index_entries if is_counted else ()
        lost = max(0, sum(not entry.is_discard for entry in indexed) - shown)
        note = main_stream(stream.container)[1]
        if lost:
            told = f"truncated: the file promises {shown + lost} frames and holds {shown}"
        elif damage.errors:
            first = damage.errors[0]
            told = f"damaged: {len(damage.errors)} stretches could not be read ({first})"
        else:
            told = ""
        believable = decoding.is_believable(stamps, stream)
        kind = {
            "container": stream.container.format.name,
            "codec": codec,
            "frames a second": float(stream.average_rate) if stream.average_rate else None,
            "frame pixels": stream.codec_context.width * stream.codec_context.height,
        }
    note = "; ".join(filter(None, (note, told)))
    order = decoding.presentation_order(stamps)
    video = VideoInfo(Path(path), shown + lost, note, stamps, order, lost, damage, kind)
    return video if believable else _counted(video, _decode_whole(video, ()))


def read_frames(path: str | os.PathLike[str], indices: Sequence[int]) -> FrameBatch:
    """Read frames by their presentation index, bit-identical to decoding the file from its start.

    Only what the wanted frames need is decoded. Where that leaves anything missing or damaged, the
    whole file is decoded instead. VideoError as `probe`; frames outside the video are "missing".
    """
    video = probe(path)
    inside = tuple(index for index in indices if 0 <= index < video.n_frames)
    return _batch(video, tuple(indices), _decode(video, inside))


def sample_frames(path: str | os.PathLike[str], k: int, within: str = "") -> FrameBatch:
    """Read the frames of `sample_indices`; VideoError as `probe`, and where none is `within`."""
    video = probe(path)
    asked = tuple(sample_indices(video.n_frames, k, within))
    found = _decode(video, asked)
    counts = found.is_whole and not found.damage.errors and not video.lost
    if counts and len(found.times) != video.n_frames:
        # A whole pass without damage is the truth, whatever the packets promised.
        video = _counted(video, found)
        asked = tuple(sample_indices(video.n_frames, k, within))
        found = _decode(video, asked)
    if not asked:
        raise VideoError(
            f"expected {path} to have frames among {within}, received {video.n_frames} frames.",
            hint="Its list says that it is fake in frames which it does not have.",
            status="no_frames",
        )
    return _batch(video, asked, found)


def _batch(video: VideoInfo, asked: tuple[int, ...], found: Found) -> FrameBatch:
    # The last picture that a truncated file holds is a piece of the first that it lost.
    cut = {video.order.get(video.stamps[-1].pts)} if video.lost and video.order else set()
    corrupt = found.corrupt - cut
    images = [found.images.get(index) for index in asked]
    status: list[FrameStatus] = [
        "ok" if image is not None else "corrupt" if index in corrupt else "missing"
        for index, image in zip(asked, images, strict=True)
    ]
    return FrameBatch(asked, images, status, video.n_frames, _note(video, found, status))


def _note(video: VideoInfo, found: Found, status: Sequence[FrameStatus]) -> str:
    errors = found.damage.errors
    told = ""
    if set(status) - {"ok"}:
        told = f"of {len(status)} frames asked for, {status.count('missing')} missing, "
        told += f"{status.count('corrupt')} corrupt"
    elif errors:
        told = "damaged beside the frames asked for"
    if video.lost or video.damage.errors:  # The note on the file tells of it.
        return video.note
    cause = f"the decoder said: {errors[0]}" if errors else ""
    return "; ".join(note for note in (video.note, told, cause) if note)


def _decode(video: VideoInfo, indices: tuple[int, ...]) -> Found:
    if video.order is not None and not video.lost and not video.damage.errors:
        with contextlib.suppress(*decoding.DECODING_ERRORS), opened(video.path) as stream:
            found = decoding.decode_planned(stream, video.stamps, video.order, indices)
            if found.complete(indices):
                return found
    return _decode_whole(video, indices)


def _decode_whole(video: VideoInfo, indices: tuple[int, ...], *, strict: bool = True) -> Found:
    with opened(video.path, strict=strict) as stream:
        found = decoding.decode_sequentially(stream, video.stamps, video.order, indices)
    # A decoder that objects to all of a stream objects to how it is coded, not to damage; unless
    # every picture stands alone.
    if found.times or not strict or all(stamp.keyframe for stamp in video.stamps):
        return found
    return _decode_whole(video, indices, strict=False)


def _counted(video: VideoInfo, found: Found) -> VideoInfo:
    """Number the frames as they came out of a pass over the whole file."""
    times = found.times
    by_packets = decoding.presentation_order(video.stamps)
    known = [time for time in times if time is not None]
    if found.damage.errors and by_packets is not None and known == sorted(set(known)):
        # What was lost to damage has its place among what came out.
        touched = decoding.damaged_packets(video.stamps, by_packets, found.damage)
        lost = {video.stamps[at].pts for at in touched} & by_packets.keys()
        times = [*sorted({*known, *(time for time in lost if time is not None)})]
    if not times:
        return video
    return video._replace(n_frames=len(times) + video.lost, order=decoding.index_of_times(times))
