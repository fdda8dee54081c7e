"""Follow faces through the sampled frames of a video, and say whose video it is.

Pure functions on boxes. Sampled frames lie about a second apart, so a person may have moved by more
than a face width: what overlaps is linked first, what merely came near second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepfake_generalize.data.faces.geometry import centre

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from deepfake_generalize.data.faces.finder import Box, Face

_MIN_OVERLAP = 0.1
# Faces of two people in one frame overlap by less.
SAME_FACE = 0.3
# In face sides: how far a face may have moved between two sampled frames, how much grown.
_MAX_STEP = 2.0
MAX_GROWTH = 1.6
# Sampled frames beyond a track's ends in which its face is still looked for.
_MAX_GAP = 2


@dataclass(frozen=True)
class Track:
    """One person's faces, by position in the list of sampled frames; absent where not seen."""

    faces: Mapping[int, Face]

    @property
    def weight(self) -> float:
        """The sum of area times score: large, clear, long-lasting faces weigh most."""
        return sum(face.area * face.score for face in self.faces.values())


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes (x0, y0, x1, y1), in [0, 1]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union


def distinct(faces: Sequence[Face]) -> list[Face]:
    """Return the faces of one frame without doubtful doubles: of two that overlap, the surer one.

    A face half hidden by another can give a second box between the two.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(iou(face.box, other.box) <= SAME_FACE for other in kept):
            kept.append(face)
    return kept


def link_tracks(
    frames: Sequence[Sequence[Face]], cuts: Collection[int] = frozenset()
) -> list[Track]:
    """Link faces of successive frames into tracks.

    In each frame the pairs of a track's last face and a new face are taken in order of overlap
    times score, over the frames since the track was last seen, each at most once; then those left
    over whose centres lie within two face sides and whose size changed by less than 1.6, nearest
    and latest first. A face that fits no track begins one.

    Args:
        frames: The faces of each sampled frame, in order of time; empty where none was found.
        cuts: Positions at which another shot begins; no track goes across.
    """
    tracks: list[dict[int, Face]] = []
    begin = 0
    for position, faces in enumerate(frames):
        if position in cuts:
            begin = len(tracks)
        free = list(range(begin, len(tracks)))
        left = list(range(len(faces)))
        for cost in (_by_overlap, _by_distance):
            for track, face in _pairs(tracks, free, faces, left, position, cost):
                tracks[track][position] = faces[face]
                free.remove(track)
                left.remove(face)
        tracks.extend({position: faces[face]} for face in left)
    return [Track(faces) for faces in tracks]


def choose_subject(tracks: Sequence[Track]) -> Track | None:
    """Return the track with the largest sum of area times score; None without tracks."""
    return max(tracks, key=lambda track: track.weight, default=None)


def expected_box(track: Track, position: int, cuts: Collection[int] = frozenset()) -> Box | None:
    """Return where a track's face should be in a frame.

    Where it was seen there; halfway, in proportion, between its neighbours in time; or, up to two
    frames before its first and after its last, where it was then.

    Returns None outside the track's shot (`cuts` are the positions at which another one begins)
    and time.
    """
    before = max((at for at in track.faces if at <= position), default=None)
    after = min((at for at in track.faces if at >= position), default=None)
    if before is not None and after is not None:
        share = (position - before) / (after - before) if after > before else 0.0
        pairs = zip(track.faces[before].box, track.faces[after].box, strict=True)
        x0, y0, x1, y1 = ((1 - share) * a + share * b for a, b in pairs)
        return x0, y0, x1, y1
    nearest = after if before is None else before
    if nearest is None or abs(nearest - position) > _MAX_GAP:
        return None
    low, high = sorted((nearest, position))
    return None if any(low < cut <= high for cut in cuts) else track.faces[nearest].box


def _pairs(
    tracks: Sequence[Mapping[int, Face]],
    free: Sequence[int],
    faces: Sequence[Face],
    left: Sequence[int],
    position: int,
    cost: Callable[[Face, Face, int], float | None],
) -> list[tuple[int, int]]:
    ranked = []
    for track in free:
        last = max(tracks[track])
        for face in left:
            value = cost(tracks[track][last], faces[face], position - last)
            if value is not None:
                ranked.append((value, track, face))
    taken: list[tuple[int, int]] = []
    for _, track, face in sorted(ranked):
        if all(track != other and face != another for other, another in taken):
            taken.append((track, face))
    return taken


def _by_overlap(old: Face, new: Face, gap: int) -> float | None:
    overlap = iou(old.box, new.box)
    return -overlap * new.score / gap if overlap >= _MIN_OVERLAP else None


def _by_distance(old: Face, new: Face, gap: int) -> float | None:
    small, large = sorted((old.side, new.side))
    if large > MAX_GROWTH * small:
        return None
    distance = math.dist(centre(old.box), centre(new.box)) / large
    return distance * gap if distance <= _MAX_STEP else None
