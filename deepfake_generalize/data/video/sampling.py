"""Which frames of a video to take, and reading them: exact, never silent about what is missing."""

from __future__ import annotations

import contextlib
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import av

from deepfake_generalize.data.video.containers import opened
from deepfake_generalize.data.video.decoding import (
    Found,
    Stamp,
    decode_planned,
    decode_sequentially,
    packets,
    presentation_order,
)
from deepfake_generalize.errors import InputError, VideoError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from deepfake_generalize.types import UInt8Array

FrameStatus = Literal["ok", "corrupt", "missing"]


@dataclass(frozen=True)
class VideoInfo:
    """What a video file holds, by its packets and not by what its header claims."""

    path: Path
    n_frames: int
    """Frames that are shown: packets counted, plus what a truncated file has lost."""
    width: int
    """In pixels as stored, before rotation; so is the height."""
    height: int
    format: str
    """Container, as FFmpeg names it; so are the codec and the pixel format."""
    codec: str
    pixel_format: str
    fps: float | None
    """Average frames a second, None where unknown."""
    note: str = ""
    """What is wrong with the file; empty where nothing is."""


@dataclass(frozen=True)
class FrameBatch:
    """The frames asked for, in the order asked for."""

    indices: tuple[int, ...]
    """Presentation indices, from 0."""
    images: list[UInt8Array | None]
    """(H, W, 3) uint8 RGB, upright; None wherever the status is not "ok"."""
    status: list[FrameStatus]
    """"corrupt" when the decoder had to invent part of the picture."""
    info: VideoInfo
    note: str = ""
    """What went wrong, in one sentence; empty where nothing did."""


class _Plan(NamedTuple):
    info: VideoInfo
    stamps: list[Stamp]
    order: dict[int, int] | None


def sample_indices(n_frames: int, k: int) -> list[int]:
    """Return the centres of `k` equal parts of a video: distinct indices, ascending, from 0.

    All of a shorter video. InputError for a negative count, or less than one frame asked for.
    """
    if n_frames < 0 or k < 1:
        raise InputError(
            f"expected n_frames >= 0 and k >= 1, received n_frames={n_frames} and k={k}.",
            hint="Ask for at least one frame.",
        )
    taken = min(k, n_frames)
    return [(2 * part + 1) * n_frames // (2 * taken) for part in range(taken)]


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read what a local video file holds without decoding it.

    VideoError where there is no such file (status "missing"), it is not a file, unreadable or not a
    video in a known container ("error"), or is without any video frame ("no_frames").
    """
    return _plan(Path(path)).info


def read_frames(path: str | os.PathLike[str], indices: Sequence[int]) -> FrameBatch:
    """Read frames by their presentation index, bit-identical to decoding the file from its start.

    Only what the wanted frames need is decoded. Where that leaves anything missing or damaged, the
    whole file is decoded instead. VideoError as `probe`; InputError where an index, in any order,
    is not an integer or lies outside the video.
    """
    source = Path(path)
    plan = _plan(source)
    return _read(source, plan, _check_indices(indices, plan.info))


def sample_frames(path: str | os.PathLike[str], k: int) -> FrameBatch:
    """Read the frames at the centres of `k` equal parts of a video; all frames of a shorter one.

    The same as `read_frames` at the indices of `sample_indices`, with one look at the file less.
    """
    source = Path(path)
    plan = _plan(source)
    return _read(source, plan, tuple(sample_indices(plan.info.n_frames, k)))


def _read(source: Path, plan: _Plan, asked: tuple[int, ...]) -> FrameBatch:
    found = _decode(source, plan, asked)
    images: list[UInt8Array | None] = []
    status: list[FrameStatus] = []
    for index in asked:
        image, corrupt = found.by_index.get(index, (None, False))
        images.append(None if corrupt else image)
        status.append("corrupt" if corrupt else "missing" if image is None else "ok")
    note = plan.info.note
    if not note and set(status) - {"ok"}:
        cause = f"; the decoder said: {found.errors[0]}" if found.errors else ""
        note = f"of {len(status)} frames asked for, {status.count('missing')} missing, "
        note += f"{status.count('corrupt')} corrupt{cause}"
    return FrameBatch(asked, images, status, plan.info, note)


def _decode(path: Path, plan: _Plan, indices: tuple[int, ...]) -> Found:
    if plan.order is not None and not plan.info.note:
        with contextlib.suppress(av.error.FFmpegError), opened(path) as (container, stream):
            found = decode_planned(container, stream, plan.stamps, plan.order, indices)
            if found.complete(indices):
                return found
    with opened(path) as (container, stream):
        return decode_sequentially(container, stream, plan.order, indices)


def _check_indices(indices: Sequence[int], info: VideoInfo) -> tuple[int, ...]:
    try:
        asked = tuple(operator.index(index) for index in indices)
    except TypeError:
        raise InputError(
            f"expected indices to be integers, received {indices!r}.",
            hint="Use sample_indices(n_frames, k).",
        ) from None
    outside = [index for index in asked if not 0 <= index < info.n_frames]
    if outside:
        raise InputError(
            f"expected frame indices from 0 to {info.n_frames - 1} for {info.path}, "
            f"received {outside[0]}.",
            hint="Use probe(path).n_frames.",
        )
    return asked


def _plan(path: Path) -> _Plan:
    errors: list[str] = []
    with opened(path) as (container, stream):
        codec = stream.codec_context.name
        stamps = [Stamp.of(packet, codec) for packet in packets(container, stream, errors)]
        shown = sum(stamp.shown for stamp in stamps)
        if not shown:
            raise VideoError(
                f"expected {path} to hold video frames, found none in its {stream.name} stream.",
                hint="The file is cut off after its header; fetch it again.",
                status="no_frames",
            )
        # Only the MP4 family counts its frames exactly; elsewhere the header is an estimate.
        claimed = stream.frames if container.format.name.startswith("mov") else 0
        lost = max(0, claimed - len(stamps))
        note = ""
        if lost:
            note = f"truncated: the file promises {claimed} frames and holds {len(stamps)}"
        elif errors:
            note = f"damaged: {len(errors)} stretches could not be read ({errors[0]})"
        rate = stream.average_rate
        info = VideoInfo(
            path=path,
            n_frames=shown + lost,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            format=container.format.name,
            codec=codec,
            pixel_format=stream.codec_context.pix_fmt or "",
            fps=float(rate) if rate else None,
            note=note,
        )
    return _Plan(info, stamps, presentation_order(stamps))
