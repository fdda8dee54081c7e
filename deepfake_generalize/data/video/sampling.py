"""Which frames of a video to take, and reading them: exact, never silent about what is missing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from deepfake_generalize.data.video.containers import main_stream, opened
from deepfake_generalize.data.video.decoding import (
    DECODING_ERRORS,
    Found,
    damaged_packets,
    decode_planned,
    decode_sequentially,
)
from deepfake_generalize.data.video.packets import (
    Damage,
    Stamp,
    index_of_times,
    is_believable,
    packets,
    presentation_order,
)
from deepfake_generalize.errors import VideoError
from deepfake_generalize.types import UInt8Array

FrameStatus = Literal["ok", "corrupt", "missing"]


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds, by its packets and pictures and not by what its header claims."""

    path: Path
    n_frames: int
    """Frames that are shown, plus what a truncated file has lost."""
    width: int
    """In pixels as stored, before they are made square and turned; so is the height."""
    height: int
    format: str
    """Container, as FFmpeg names it; so are the codec and the pixel format."""
    codec: str
    pixel_format: str
    fps: float | None
    """Average frames a second, None where unknown."""
    note: str = ""
    """What is wrong with the file, or was to be chosen in it; empty where nothing is."""


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
    info: VideoInfo
    note: str = ""
    """What went wrong, in one sentence; empty where nothing did."""


class _Plan(NamedTuple):
    info: VideoInfo
    stamps: list[Stamp]
    order: dict[int | None, int] | None
    """Presentation index by PTS, None where times are absent or repeated."""
    lost: int
    """Frames that a truncated file has lost."""
    damage: Damage
    """Of reading, not of decoding."""


def sample_indices(n_frames: int, k: int) -> list[int]:
    """Return the centres of `k` equal parts, ascending from 0; all frames of a shorter video."""
    taken = min(k, n_frames)
    return [(2 * part + 1) * n_frames // (2 * taken) for part in range(taken)]


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read what a local video file holds, without decoding it where its packets tell.

    VideoError where there is no such file (status "missing"), it is not a file, unreadable or not a
    video in a known container ("error"), or is without any video frame ("no_frames").
    """
    return _plan(Path(path)).info


def read_frames(path: str | os.PathLike[str], indices: Sequence[int]) -> FrameBatch:
    """Read frames by their presentation index, bit-identical to decoding the file from its start.

    Only what the wanted frames need is decoded. Where that leaves anything missing or damaged, the
    whole file is decoded instead. VideoError as `probe`; frames outside the video are "missing".
    """
    plan = _plan(Path(path))
    inside = tuple(index for index in indices if 0 <= index < plan.info.n_frames)
    return _batch(plan, tuple(indices), _decode(plan, inside))


def sample_frames(path: str | os.PathLike[str], k: int) -> FrameBatch:
    """Read the frames at the centres of `k` equal parts of a video; all frames of a shorter one."""
    plan = _plan(Path(path))
    asked = tuple(sample_indices(plan.info.n_frames, k))
    found = _decode(plan, asked)
    counts = found.is_whole and not found.damage.errors and not plan.lost
    if counts and len(found.times) != plan.info.n_frames:
        # A whole pass without damage is the truth, whatever the packets promised.
        plan = _counted(plan, found)
        asked = tuple(sample_indices(plan.info.n_frames, k))
        found = _decode(plan, asked)
    return _batch(plan, asked, found)


def _batch(plan: _Plan, asked: tuple[int, ...], found: Found) -> FrameBatch:
    # The last picture that a truncated file holds is a piece of the first that it lost.
    cut = {plan.order.get(plan.stamps[-1].pts)} if plan.lost and plan.order else set()
    corrupt = found.corrupt - cut
    images = [found.images.get(index) for index in asked]
    status: list[FrameStatus] = [
        "ok" if image is not None else "corrupt" if index in corrupt else "missing"
        for index, image in zip(asked, images, strict=True)
    ]
    return FrameBatch(asked, images, status, plan.info, _note(plan, found, status))


def _note(plan: _Plan, found: Found, status: Sequence[FrameStatus]) -> str:
    errors = found.damage.errors
    told = ""
    if set(status) - {"ok"}:
        told = f"of {len(status)} frames asked for, {status.count('missing')} missing, "
        told += f"{status.count('corrupt')} corrupt"
    elif errors:
        told = "damaged beside the frames asked for"
    if plan.lost or plan.damage.errors:  # The note on the file tells of it.
        return plan.info.note
    cause = f"the decoder said: {errors[0]}" if errors else ""
    return "; ".join(note for note in (plan.info.note, told, cause) if note)


def _decode(plan: _Plan, indices: tuple[int, ...]) -> Found:
    if plan.order is not None and not plan.lost and not plan.damage.errors:
        with contextlib.suppress(*DECODING_ERRORS), opened(plan.info.path) as stream:
            found = decode_planned(stream, plan.stamps, plan.order, indices)
            if found.complete(indices):
                return found
    return _decode_whole(plan, indices)


def _decode_whole(plan: _Plan, indices: tuple[int, ...], *, strict: bool = True) -> Found:
    with opened(plan.info.path, strict=strict) as stream:
        found = decode_sequentially(stream, plan.stamps, plan.order, indices)
    # A decoder that objects to all of a stream objects to how it is coded, not to damage; unless
    # every picture stands alone.
    if found.times or not strict or all(stamp.keyframe for stamp in plan.stamps):
        return found
    return _decode_whole(plan, indices, strict=False)


def _counted(plan: _Plan, found: Found) -> _Plan:
    """Number the frames as they came out of a pass over the whole file."""
    times = found.times
    by_packets = presentation_order(plan.stamps)
    known = [time for time in times if time is not None]
    if found.damage.errors and by_packets is not None and known == sorted(set(known)):
        # What was lost to damage has its place among what came out.
        touched = damaged_packets(plan.stamps, by_packets, found.damage)
        lost = {plan.stamps[at].pts for at in touched} & by_packets.keys()
        times = [*sorted({*known, *(time for time in lost if time is not None)})]
    if not times:
        return plan
    info = replace(plan.info, n_frames=len(times) + plan.lost)
    return plan._replace(info=info, order=index_of_times(times))


def _plan(path: Path) -> _Plan:
    damage = Damage()
    with opened(path) as stream:
        codec, kind = stream.codec_context.name, stream.container.format.name
        stamps = [Stamp.of(packet, codec) for packet in packets(stream, damage)]
        shown = sum(stamp.shown for stamp in stamps)
        if not shown:
            raise VideoError(
                f"expected {path} to hold video frames, found none in its {stream.name} stream.",
                hint="The file is cut off after its header; fetch it again.",
                status="no_frames",
            )
        # Only the MP4 family counts its frames in an index, which leaves out those that are hidden.
        indexed = stream.index_entries if kind.startswith("mov") and stream.frames else ()
        lost = max(0, sum(not entry.is_discard for entry in indexed) - shown)
        notes = [main_stream(stream.container)[1]]
        if lost:
            notes.append(f"truncated: the file promises {shown + lost} frames and holds {shown}")
        elif damage.errors:
            first = damage.errors[0]
            notes.append(f"damaged: {len(damage.errors)} stretches could not be read ({first})")
        rate = stream.average_rate
        info = VideoInfo(
            path=path,
            n_frames=shown + lost,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            format=kind,
            codec=codec,
            pixel_format=stream.codec_context.pix_fmt or "",
            fps=float(rate) if rate else None,
            note="; ".join(note for note in notes if note),
        )
        believable = is_believable(stamps, stream)
    plan = _Plan(info, stamps, presentation_order(stamps), lost, damage)
    return plan if believable else _counted(plan, _decode_whole(plan, ()))
