"""Follow faces through the sampled frames of a video, and say whose video it is.

Sampled frames lie about a second apart, so a person may have moved by more than a face width: what
overlaps is linked first, what merely came near second, and nobody who looks like somebody else.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from deepfake_generalize.data.faces.finder import LOW_SCORE, Box, Face
from deepfake_generalize.data.faces.geometry import centre

Seen: TypeAlias = tuple[int, Face]
"""A face, and the position of the sampled frame that shows it."""

_MIN_OVERLAP = 0.1
# Faces of two people in one frame overlap by less.
SAME_FACE = 0.3
# In face sides: how far a face may have moved between two sampled frames, how much grown.
_MAX_STEP = 2.0
MAX_GROWTH = 1.6
# How much more alike a rival has to be, to be believed against place and size.
_CLEARLY = 0.15
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
    """Return the faces of one frame without doubles: of two that overlap, the surer one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(iou(face.box, other.box) <= SAME_FACE for other in kept):
            kept.append(face)
    return kept


def link_tracks(
    frames: Sequence[Sequence[Face]],
    cuts: Collection[int] = frozenset(),
    alike: Callable[[Seen, Seen], float] = lambda *_: 1.0,
) -> list[Track]:
    """Link faces of successive frames into tracks.

    In each frame the pairs of a track's last face and a new face are taken in order of overlap
    times score, over the frames since the track was last seen, each at most once; then those whose
    centres lie within two face sides and whose size changed by less than 1.6. A pair is left out
    where `alike` is 0, or where either is clearly more alike to another. All begin anew at `cuts`.
    """
    tracks: list[dict[int, Face]] = []
    begin = 0
    for position, faces in enumerate(frames):
        if position in cuts:
            begin = len(tracks)
        free = list(range(begin, len(tracks)))
        left = list(range(len(faces)))
        for _, _, track, face in sorted(_links(tracks, free, faces, position, alike)):
            if track in free and face in left:
                tracks[track][position] = faces[face]
                free.remove(track)
                left.remove(face)
        tracks.extend({position: faces[face]} for face in left)
    return [Track(faces) for faces in tracks]


def join_tracks(
    tracks: Sequence[Track], alike: Callable[[Track, Track], float], least: float
) -> list[Track]:
    """Put together tracks that are alike by at least so much, never two seen in one frame."""
    people: list[Track] = []
    for track in sorted(tracks, key=lambda track: -track.weight):
        values = {
            at: alike(person, track)
            for at, person in enumerate(people)
            if not person.faces.keys() & track.faces.keys()
        }
        best = max(values, key=lambda at: values[at], default=None)
        if best is None or values[best] < least:
            people.append(track)
        else:
            people[best] = Track(dict(sorted({**people[best].faces, **track.faces}.items())))
    return people if len(people) == len(tracks) else join_tracks(people, alike, least)


def choose_subject(tracks: Sequence[Track]) -> Track | None:
    """Return the track with the largest sum of area times score; None without tracks."""

    def rank(track: Track) -> tuple[bool, float]:
        return any(face.score >= LOW_SCORE for face in track.faces.values()), track.weight

    return max(tracks, key=rank, default=None)


def expected_box(track: Track, position: int, cuts: Collection[int] = frozenset()) -> Box | None:
    """Return where a person's face should be in a frame, by the nearest frames of the same shot."""
    begin = max((cut for cut in cuts if cut <= position), default=0)
    end = min((cut for cut in cuts if cut > position), default=math.inf)
    here = [at for at in track.faces if begin <= at < end]
    before = max((at for at in here if at <= position), default=None)
    after = min((at for at in here if at >= position), default=None)
    if before is not None and after is not None:
        share = (position - before) / (after - before) if after > before else 0.0
        pairs = zip(track.faces[before].box, track.faces[after].box, strict=True)
        x0, y0, x1, y1 = ((1 - share) * a + share * b for a, b in pairs)
        return x0, y0, x1, y1
    nearest = after if before is None else before
    if nearest is None or abs(nearest - position) > _MAX_GAP:
        return None
    return track.faces[nearest].box


def _links(
    tracks: Sequence[Mapping[int, Face]],
    free: Sequence[int],
    faces: Sequence[Face],
    position: int,
    alike: Callable[[Seen, Seen], float],
) -> list[tuple[int, float, int, int]]:
    """Return kind (0 overlap, 1 distance), cost, track and face of each link that may be made."""
    links: list[tuple[int, float, int, int]] = []
    values: dict[tuple[int, int], float] = {}
    for track, face in itertools.product(free, range(len(faces))):
        last = max(tracks[track])
        old, new, gap = tracks[track][last], faces[face], position - last
        overlap, (small, large) = iou(old.box, new.box), sorted((old.side, new.side))
        found: list[tuple[int, float, int, int]] = []
        if overlap >= _MIN_OVERLAP:
            found.append((0, -overlap * new.score / gap, track, face))
        if large <= MAX_GROWTH * small:
            step = math.dist(centre(old.box), centre(new.box)) / large
            found += [(1, step * gap, track, face)] if step <= _MAX_STEP else []
        if found:
            links += found
            values[track, face] = alike((last, old), (position, new))

    def holds(track: int, face: int) -> bool:
        value = values[track, face]
        rivals = [other for pair, other in values.items() if pair[0] == track or pair[1] == face]
        return value > 0.0 and value >= max(rivals) - _CLEARLY

    return [link for link in links if holds(*link[2:])]
