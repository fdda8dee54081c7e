"""Find the subject of a video in its sampled frames: first pass, tracks, second look."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from deepfake_generalize.data.faces.finder import LOW_SCORE, Face
from deepfake_generalize.data.faces.geometry import centre
from deepfake_generalize.data.faces.manipulation_masks import MIN_OVERLAP, bounds, overlap
from deepfake_generalize.data.faces.tracking import (
    MAX_GROWTH,
    SAME_FACE,
    Track,
    choose_subject,
    distinct,
    expected_box,
    iou,
    link_tracks,
)
from deepfake_generalize.data.video import find_cuts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from deepfake_generalize.data.faces.finder import Box, FaceFinder
    from deepfake_generalize.types import UInt8Array

# In sides of the expected box: what is looked at again, how far off a face may be found.
_REGION = 4.0
_MAX_OFFSET = 1.0

BoolArray: TypeAlias = npt.NDArray[np.bool_]
_Marked: TypeAlias = tuple[BoolArray, int, int]
"""A changed area, and the height and width of its frame."""


@dataclass(frozen=True)
class Subject:
    """The subject's face in each sampled frame, None where it was not seen."""

    faces: tuple[Face | None, ...]
    second_look: tuple[bool, ...]
    """Whether it took one more look to find it, or to find it better."""
    counts: tuple[int, ...]
    """How many faces each frame shows."""
    by_mask: bool = False
    """Whether a mask said whose face it is, and not the size of the faces."""


def find_subject(
    images: Sequence[UInt8Array | None],
    finder: FaceFinder,
    areas: Sequence[BoolArray | None] | None = None,
) -> Subject:
    """Find the faces in sampled frames and follow the one that matters.

    Faces are linked within a shot; the track with the largest sum of area times score is the
    subject. Where masks say which part of a frame was changed, the subject is the face that
    overlaps it, however small, and nobody where none does; in frames without a mask it is the
    track that overlaps the masks most.

    Where the subject was missed, or found with a score under 0.7, the finder looks again at the
    region around the place where the face should be, four face sides wide, in which small and dark
    faces show better; the better of the two is kept.

    Args:
        images: The frames in order, (H, W, 3) uint8 RGB, None where one could not be read.
        finder: What finds faces.
        areas: (h, w) bool by frame, True where the frame was changed; None where unknown.
    """
    found = [[] if image is None else distinct(finder.find(image)) for image in images]
    cuts = find_cuts(images)
    tracks = link_tracks(found, cuts)
    marked = {
        at: (area, image.shape[0], image.shape[1])
        for at, (area, image) in enumerate(zip(areas or (), images, strict=False))
        if area is not None and image is not None
    }
    track = _marked_track(tracks, marked) if marked else choose_subject(tracks) or Track({})
    faces: list[Face | None] = []
    second_look = []
    for at, image in enumerate(images):
        first = track.faces.get(at)
        better = None
        if image is not None and (first is None or first.score < LOW_SCORE):
            box = bounds(*marked[at]) if at in marked else expected_box(track, at, cuts)
            others = [face.box for face in found[at] if face is not first]
            better = None if box is None else _look_again(image, finder, box, others)
        if better is not None and at in marked and not _is_marked(better, marked[at]):
            better = None
        use = better is not None and (first is None or better.score > first.score)
        faces.append(better if use else first)
        second_look.append(use)
    counts = tuple(
        len(seen) + (face is not None and at not in track.faces)
        for at, (seen, face) in enumerate(zip(found, faces, strict=True))
    )
    return Subject(tuple(faces), tuple(second_look), counts, bool(marked))


def _marked_track(tracks: Sequence[Track], marked: Mapping[int, _Marked]) -> Track:
    """Put together the faces that overlap the masks, and where there is no mask, who they are."""

    def total(track: Track) -> float:
        return sum(overlap(track.faces[at].box, *marked[at]) for at in track.faces if at in marked)

    best = max(tracks, key=total, default=Track({}))
    known = total(best) > 0.0
    faces = {at: face for at, face in best.faces.items() if known and at not in marked}
    for at in marked:
        here = [track.faces[at] for track in tracks if at in track.faces]
        seen = [face for face in here if _is_marked(face, marked[at])]
        if seen:
            faces[at] = max(seen, key=lambda face: overlap(face.box, *marked[at]))
    return Track(faces)


def _is_marked(face: Face, marked: _Marked) -> bool:
    return overlap(face.box, *marked) >= MIN_OVERLAP


def _look_again(
    image: UInt8Array, finder: FaceFinder, box: Box, others: Collection[Box]
) -> Face | None:
    side = max(box[2] - box[0], box[3] - box[1])
    x, y = centre(box)
    half = _REGION * side / 2
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    region = image[top : max(int(y + half), 0), left : max(int(x + half), 0)]
    if region.size == 0:
        return None
    seen = [_moved(face, left, top) for face in finder.find(np.ascontiguousarray(region))]

    def offset(face: Face) -> float:
        return math.dist(centre(face.box), (x, y)) / side

    near = [
        face
        for face in seen
        if offset(face) <= _MAX_OFFSET
        and max(face.side, side) <= MAX_GROWTH * min(face.side, side)
        and all(iou(face.box, other) < SAME_FACE for other in others)
    ]
    return min(near, key=offset, default=None)


def _moved(face: Face, left: int, top: int) -> Face:
    x0, y0, x1, y1 = face.box
    eyes = face.eyes
    if eyes is not None:
        (rx, ry), (lx, ly) = eyes
        eyes = ((rx + left, ry + top), (lx + left, ly + top))
    return replace(face, box=(x0 + left, y0 + top, x1 + left, y1 + top), eyes=eyes)
