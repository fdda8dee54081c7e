"""Find the subject of a video in its sampled frames: first pass, tracks, people, second look.

Where a fake was manipulated, the mask videos say that FaceForensics++ and DFD bring along.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_generalize.data.faces import tracking
from deepfake_generalize.data.faces.alignment import centre, cut_out
from deepfake_generalize.data.faces.finders import LOW_SCORE, Box, Face, FaceFinder
from deepfake_generalize.data.faces.tracking import Seen, Track, find_cuts, iou
from deepfake_generalize.data.video import read_frames
from deepfake_generalize.errors import VideoError
from deepfake_generalize.types import DoubleArray, UInt8Array

# The border around a frame, and the smallest face that it is to show, in the frame's shorter sides.
_BORDER = 0.25
_CLOSE_UP = 0.3
# In sides of a face's box: what around it is asked whether the scene is another.
_SURROUNDINGS = 2.0
# Of a frame's sides: the parts in which somebody is looked for. How much smaller than elsewhere.
_PART = 0.6
_MAX_SHRINKING = 3.0
# Of long tracks so many faces are compared, spread over time.
_TRACK_FACES = 4
_PERSON_FACES = 12
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

    Faces are linked within a shot where they look alike; tracks that are never seen together are
    one person's where they look alike. The person with the largest sum of area times score is the
    subject; where masks say which part of a frame was changed, the face that overlaps it, and
    elsewhere the person who overlaps them most. Where the subject was missed, or found with a score
    under 0.7, the finder looks again at the region where the face should be, four face sides wide;
    where nobody is there, at four large parts of the frame.

    `images` are (H, W, 3) uint8 RGB, `areas` (h, w) bool, True where the frame was changed; None
    where a frame could not be read, or where nothing says what was changed.
    """
    found, padded = _find_all(images, finder)
    cuts = find_cuts(images)
    looks = _Looks(images)
    people = looks.people(tracking.link_tracks(found, cuts, looks.alike))
    marked = {
        at: (area, image.shape[0], image.shape[1])
        for at, (area, image) in enumerate(zip(areas or (), images, strict=False))
        if area is not None and image is not None
    }
    track = _marked_track(people, marked) if marked else tracking.choose_subject(people)
    track = track or Track({})
    faces: list[Face | None] = []
    second_look = []
    for at, image in enumerate(images):
        first = track.faces.get(at)
        better = None
        if image is not None and (first is None or first.score < LOW_SCORE):
            others = [face.box for face in found[at] if face is not first]
            if at in marked:
                better = _look_again(image, finder, bounds(*marked[at]), others)
                better = better if better is not None and _is_marked(better, marked[at]) else None
            elif track.faces:
                box = tracking.expected_box(track, at, cuts)
                better = None if box is None else _look_again(image, finder, box, others)
                better = looks.checked(better, at, track)
                if better is None and first is None:
                    better = looks.search(at, track, finder, others)
        use = better is not None and (first is None or better.score > first.score)
        faces.append(better if use else first)
        second_look.append(use or (first is not None and at in padded))
    counts = tuple(
        len(seen) + (face is not None and at not in track.faces)
        for at, (seen, face) in enumerate(zip(found, faces, strict=True))
    )
    return Subject(tuple(faces), tuple(second_look), counts, bool(marked))


class _Looks:
    """What the faces of one video look like; each is measured once, when first asked for."""

    def __init__(self, images: Sequence[UInt8Array | None]) -> None:
        self._images = {at: image for at, image in enumerate(images) if image is not None}
        self._known: dict[Seen, tracking.Appearance] = {}

    def people(self, tracks: Sequence[Track]) -> list[Track]:
        """Put together the tracks that are one person's."""
        often = Counter(at for track in tracks for at in track.faces)
        alone = max(often.values(), default=0) <= 1
        return tracking.join_tracks(
            tracks, self._of_one, tracking.LIKE_ALONE if alone else tracking.LIKE
        )

    def alike(self, old: Seen, new: Seen) -> float:
        """Return how alike two faces near each other are, 0 where they are two people's."""
        # A window inside a frame may show somebody else: where the surroundings changed too, they
        # have to be more alike.
        value = self._likeness(old, new)
        if tracking.UNLIKE <= value < tracking.LIKE and iou(old[1].box, new[1].box) > 0.0:
            parts = [
                _around(self._images[at], old[1].box, _SURROUNDINGS)[0] for at in (old[0], new[0])
            ]
            return 0.0 if find_cuts([part if part.size else None for part in parts]) else value
        return value if value >= tracking.UNLIKE else 0.0

    def checked(self, face: Face | None, at: int, track: Track) -> Face | None:
        """Return a face unless it is another person's, by the frame nearest in time."""
        if face is None:
            return None
        nearest = min(track.faces, key=lambda other: abs(other - at))
        known = nearest, track.faces[nearest]
        return face if self._likeness(known, (at, face)) >= tracking.UNLIKE else None

    def search(
        self, at: int, track: Track, finder: FaceFinder, others: Collection[Box]
    ) -> Face | None:
        """Return who looks most like a person in four large parts of a frame; None if nobody."""
        image = self._images[at]
        height, width = (round(_PART * side) for side in image.shape[:2])
        seen = [
            face
            for top in (0, image.shape[0] - height)
            for left in (0, image.shape[1] - width)
            for face in _find(image[top : top + height, left : left + width], finder, left, top)
        ]
        person = track.faces.values()
        alike = {
            face: self._of_one(track, Track({at: face}))
            for face in seen
            if all(iou(face.box, other) < tracking.SAME_FACE for other in others)
            and max(face.side for face in person) >= face.side / tracking.MAX_GROWTH
            and min(face.side for face in person) <= face.side * _MAX_SHRINKING
        }
        best = max(alike, key=lambda face: alike[face], default=None)
        return best if best is not None and alike[best] >= tracking.LIKE else None

    def _of_one(self, person: Track, track: Track) -> float:
        theirs = _spread(person.faces, _PERSON_FACES)
        values = [
            max(self._likeness(known, face) for known in theirs)
            for face in _spread(track.faces, _TRACK_FACES)
        ]
        return sum(values) / len(values)

    def _likeness(self, a: Seen, b: Seen) -> float:
        return tracking.likeness(self._appearance(a), self._appearance(b))

    def _appearance(self, seen: Seen) -> tracking.Appearance:
        if seen not in self._known:
            at, face = seen
            self._known[seen] = tracking.appearance_of(self._images[at], face)
        return self._known[seen]


def _spread(faces: Mapping[int, Face], most: int) -> list[Seen]:
    items = sorted(faces.items())
    return items[:: math.ceil(len(items) / most)]


def _find_all(
    images: Sequence[UInt8Array | None], finder: FaceFinder
) -> tuple[list[list[Face]], frozenset[int]]:
    """Return the faces of each frame, and where it took a border to see any."""
    found: list[list[Face]] = []
    padded = set()
    for at, image in enumerate(images):
        faces = [] if image is None else tracking.distinct(finder.find(image))
        if image is not None and not faces:
            shorter = min(image.shape[:2])
            wide = math.ceil(_BORDER * shorter)
            bordered = cv2.copyMakeBorder(image, wide, wide, wide, wide, cv2.BORDER_CONSTANT)
            seen = _find(bordered, finder, -wide, -wide)
            faces = tracking.distinct([face for face in seen if face.side >= _CLOSE_UP * shorter])
            padded.update([at] if faces else [])
        found.append(faces)
    return found, frozenset(padded)


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
    region, left, top = _around(image, box, _REGION)

    def offset(face: Face) -> float:
        return math.dist(centre(face.box), centre(box)) / side

    near = [
        face
        for face in _find(region, finder, left, top)
        if offset(face) <= _MAX_OFFSET
        and max(face.side, side) <= tracking.MAX_GROWTH * min(face.side, side)
        and all(iou(face.box, other) < tracking.SAME_FACE for other in others)
    ]
    return min(near, key=offset, default=None)


def _around(image: UInt8Array, box: Box, sides: float) -> tuple[UInt8Array, int, int]:
    """Return the square part of a frame around a box, so many sides wide, and its left and top."""
    (x, y), half = centre(box), sides * max(box[2] - box[0], box[3] - box[1]) / 2
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    return image[top : max(int(y + half), 0), left : max(int(x + half), 0)], left, top


def _find(part: UInt8Array, finder: FaceFinder, left: int, top: int) -> list[Face]:
    """Find the faces of a part of a frame, placed in the frame."""
    placed = []
    for face in finder.find(np.ascontiguousarray(part)) if part.size else ():
        x0, y0, x1, y1 = face.box
        eyes = face.eyes
        if eyes is not None:
            (rx, ry), (lx, ly) = eyes
            eyes = ((rx + left, ry + top), (lx + left, ly + top))
        box = (x0 + left, y0 + top, x1 + left, y1 + top)
        placed.append(replace(face, box=box, eyes=eyes))
    return placed


# Masks are compressed videos, black but for the face in white or in colours.
_MARKED = 64
MIN_OVERLAP = 0.1
"""Of a face with its own mask: the box is about one and a half times the mask."""
# Specks of compression are far smaller.
_MIN_SHARE = 1e-4


@dataclass(frozen=True)
class Masks:
    """What a mask video shows of the sampled frames."""

    areas: tuple[BoolArray | None, ...]
    """(H, W) bool by frame, True where the picture was changed; None where none says that."""
    note: Literal["", "mask_unreadable", "mask_short", "mask_empty"] = ""
    """What is wrong with it: "mask_short" where it ends before a sampled frame."""


def mask_of(video: str | os.PathLike[str]) -> Path | None:
    """Return the mask video of a fake in a root of FaceForensics++ or DFD; None without one."""
    # It lies under the same name in `<method>/masks/videos/`, beside `<method>/<level>/videos/`.
    path = Path(video)
    if path.parent.name != "videos" or len(path.parts) < 4:
        return None
    mask = path.parents[2] / "masks" / "videos" / path.name
    try:
        return mask if mask != path and mask.is_file() else None
    except (OSError, ValueError):
        return None


def read_masks(path: Path, indices: Sequence[int]) -> Masks:
    """Read the frames of a mask video that belong to sampled frames of its video; raise nothing."""
    try:
        batch = read_frames(path, indices)
    except VideoError:
        return Masks((None,) * len(indices), "mask_unreadable")
    areas = tuple(_area(image) for image in batch.images)
    if any(index >= batch.n_frames for index in indices):
        return Masks(areas, "mask_short")
    if all(image is None for image in batch.images):
        return Masks(areas, "mask_unreadable")
    return Masks(areas, "" if any(area is not None for area in areas) else "mask_empty")


def _area(image: UInt8Array | None) -> BoolArray | None:
    if image is None:
        return None
    area: BoolArray = image.max(axis=2) >= _MARKED
    return area if area.mean() >= _MIN_SHARE else None


def overlap(box: Box, area: BoolArray, height: int, width: int) -> float:
    """Return the IoU of a face's box in a frame of that size and a changed area, of any size."""
    down, right = area.shape[0] / height, area.shape[1] / width
    x0, x1 = (round(min(max(x * right, 0), area.shape[1])) for x in (box[0], box[2]))
    y0, y1 = (round(min(max(y * down, 0), area.shape[0])) for y in (box[1], box[3]))
    both = int(area[y0:y1, x0:x1].sum())
    either = int(area.sum()) + (y1 - y0) * (x1 - x0) - both
    return both / either if either else 0.0


def bounds(area: BoolArray, height: int, width: int) -> Box:
    """Return the box around a changed area, in pixels of a frame of that size."""
    rows, columns = (np.flatnonzero(area.any(axis=axis)) for axis in (1, 0))
    down, right = height / area.shape[0], width / area.shape[1]
    x0, x1 = float(columns[0] * right), float((columns[-1] + 1) * right)
    return x0, float(rows[0] * down), x1, float((rows[-1] + 1) * down)


def cut_area(
    area: BoolArray | None, frame: UInt8Array, matrix: DoubleArray, size: int
) -> BoolArray:
    """Cut a changed area as the crop of its frame, (size, size) bool; all False for None."""
    if area is None:
        return np.zeros((size, size), bool)
    whole = cv2.resize(area.astype(np.uint8) * 255, frame.shape[1::-1])
    return np.asarray(cut_out(np.asarray(whole, np.uint8), matrix, size) >= 128)
