"""The clips of `benchmarks.wild`: people of the test data, pasted where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from deepfake_generalize.data import FaceFinder

    Box: TypeAlias = tuple[float, float, float, float]
    Image: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
    Place: TypeAlias = tuple[str, float, float, float]

FRAMES = 10
_WIDTH, _HEIGHT = 1280, 720


@dataclass(frozen=True)
class Sprite:
    """A person in pictures, one after the other in time, with the box of the face in each."""

    images: tuple[Image, ...]
    boxes: tuple[Box, ...]

    def at(self, number: int) -> tuple[Image, Box]:
        """Return the picture of a frame, from the first again after the last."""
        return self.images[number % len(self.images)], self.boxes[number % len(self.images)]


@dataclass
class Clip:
    """Frames, and where whose face is in each; `subjects` are those who may be the subject."""

    kind: str
    name: str
    subjects: tuple[str, ...]
    frames: list[Image] = field(default_factory=list)
    faces: list[dict[str, Box]] = field(default_factory=list)


def write_clip(clip: Clip, path: Path) -> Path:
    """Encode a clip as people's are: H.264, with a loss."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "20"})
        stream.height, stream.width = clip.frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def make_clips(data: Path, finder: FaceFinder) -> Iterator[Clip]:
    """Make eight clips of each of the six kinds, one at a time."""
    people = _people(data, finder)
    for make in (_walks, _pans, _couples, _cuts, _windows, _close_ups):
        yield from make(people)


def _people(data: Path, finder: FaceFinder) -> dict[str, Sprite]:
    """Cut the people out of photographs and clips: head and shoulders, and what is behind them."""
    from deepfake_generalize.data.video import sample_frames

    def photo(name: str) -> Image:
        return np.ascontiguousarray(cv2.imread(str(data / "photos" / name))[..., ::-1])

    def faces_of(image: Image) -> list[Box]:
        return sorted(face.box for face in finder.find(image) if face.score > 0.7)

    people = {}
    for name in ("obama", "biden"):
        image = photo(f"{name}.jpg")
        people[name] = _cut_out([image], [faces_of(image)[0]])
    image = photo("two_people.jpg")
    people["left"], people["right"] = (_cut_out([image], [box]) for box in faces_of(image))
    image = photo("multiface.jpg")
    for number, box in enumerate(faces_of(image)):
        people[f"friend-{number}"] = _cut_out([image], [box], around=(0.75, 0.75, 0.9))
    for name in ("dfdc_train_part_0/abqwwspghj", "samples/lynaeydofd_real"):
        batch = sample_frames(data / "dfdc" / f"{name}.mp4", FRAMES)
        images = [image for image in batch.images if image is not None]
        people[name.rpartition("/")[2][:4]] = _cut_out(
            images, [faces_of(image)[0] for image in images]
        )
    return people


def _cut_out(
    images: Sequence[Image],
    boxes: Sequence[Box],
    around: tuple[float, float, float] = (1.2, 0.8, 1.7),
) -> Sprite:
    """Cut `around` (to the sides, above, below) face sides, the face 100 pixels wide."""
    beside, above, below = around
    parts, places = [], []
    first = boxes[0]
    side = max(first[2] - first[0], first[3] - first[1])
    x, y = (first[0] + first[2]) / 2, (first[1] + first[3]) / 2
    for image, box in zip(images, boxes, strict=True):
        left, top = max(int(x - (0.5 + beside) * side), 0), max(int(y - (0.5 + above) * side), 0)
        right, bottom = int(x + (0.5 + beside) * side), int(y + (0.5 + below) * side)
        part, scale = image[top:bottom, left:right], 100.0 / side
        parts.append(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        x0, x1 = ((value - left) * scale for value in (box[0], box[2]))
        y0, y1 = ((value - top) * scale for value in (box[1], box[3]))
        places.append((x0, y0, x1, y1))
    return Sprite(tuple(parts), tuple(places))


def _scene(seed: int, width: int = _WIDTH, height: int = _HEIGHT) -> Image:
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.integers(20, 235, 2))
    noise = rng.integers(low, max(high, low + 30), (9, 16, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def _add(clip: Clip, people: dict[str, Sprite], background: Image, places: Sequence[Place]) -> None:
    """Add a frame: the people with their faces' middles at x and y, their faces `side` wide."""
    frame, faces = background.copy(), {}
    height, width = frame.shape[:2]
    for who, x, y, side in places:
        image, box = people[who].at(len(clip.frames))
        scale = side / 100.0
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        x0, y0, x1, y1 = (value * scale for value in box)
        left, top = round(x - (x0 + x1) / 2), round(y - (y0 + y1) / 2)
        rows = slice(max(top, 0), min(top + image.shape[0], height))
        columns = slice(max(left, 0), min(left + image.shape[1], width))
        if rows.start < rows.stop and columns.start < columns.stop:
            frame[rows, columns] = image[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
        if 0 <= x < width and 0 <= y < height:
            faces[who] = (x0 + left, y0 + top, x1 + left, y1 + top)
    clip.frames.append(frame)
    clip.faces.append(faces)


def _film(
    people: dict[str, Sprite],
    kind: str,
    name: str,
    subjects: tuple[str, ...],
    shot: Callable[[int], tuple[Image, Sequence[Place]]],
) -> Clip:
    clip = Clip(kind, name, subjects)
    for at in range(FRAMES):
        _add(clip, people, *shot(at))
    return clip


def _bounce(at: int, step: float, low: float, high: float) -> float:
    way = (at * step) % (2 * (high - low))
    return low + min(way, 2 * (high - low) - way)


def _walks(people: dict[str, Sprite]) -> Iterator[Clip]:
    """Somebody walks past a camera that stands still, at several speeds and sizes."""
    for number, (who, side, step) in enumerate(
        [
            ("obama", 80, 170),
            ("biden", 80, 250),
            ("left", 70, 320),
            ("right", 100, 450),
            ("abqw", 90, 210),
            ("lyna", 110, 260),
            ("friend-1", 80, 340),
            ("friend-2", 120, 300),
        ]
    ):
        yield _film(
            people,
            "walk",
            f"{who}-{step}",
            (who,),
            lambda at, who=who, side=side, step=step, seed=number: (
                _scene(seed),
                [(who, _bounce(at, step, 160, 1120), 330 + 20 * (at % 3), side + 4 * at)],
            ),
        )


def _pans(people: dict[str, Sprite]) -> Iterator[Clip]:
    """The camera pans over a wide scene, and zooms."""
    for number, (who, step, zoom) in enumerate(
        [
            ("obama", 90, 1.0),
            ("biden", 160, 1.0),
            ("left", 230, 1.0),
            ("right", 300, 1.05),
            ("abqw", 120, 1.08),
            ("lyna", 260, 1.0),
            ("friend-2", 200, 1.05),
            ("friend-3", 320, 1.0),
        ]
    ):
        wide = _scene(20 + number, 3 * _WIDTH, _HEIGHT)

        def shot(
            at: int, who: str = who, step: int = step, zoom: float = zoom, wide: Image = wide
        ) -> tuple[Image, list[Place]]:
            left = round(_bounce(at, step, 900, 1750))
            return wide[:, left : left + _WIDTH], [(who, 1970 - left, 320, 80 * zoom**at)]

        yield _film(people, "pan", f"{who}-{step}", (who,), shot)


def _couples(people: dict[str, Sprite]) -> Iterator[Clip]:
    """Two people in one picture: beside each other, passing, the second coming and going."""
    pairs = [
        ("obama", "biden"),
        ("left", "right"),
        ("abqw", "lyna"),
        ("friend-2", "friend-0"),
        ("biden", "left"),
        ("lyna", "obama"),
        ("right", "friend-1"),
        ("abqw", "friend-3"),
    ]
    for number, (one, two) in enumerate(pairs):

        def shot(
            at: int, one: str = one, two: str = two, number: int = number
        ) -> tuple[Image, list[Place]]:
            if number % 4 == 0:  # Beside each other, the second as a smaller one.
                places = [(one, 380.0, 330.0, 110.0), (two, 860 + 10 * at, 330, 80)]
            elif number % 4 == 1:  # They pass each other.
                places = [(two, 1050 - 90 * at, 300, 75), (one, 200 + 95 * at, 340, 115)]
                if abs(places[0][1] - places[1][1]) < 300:
                    places = places[1:]  # Who is behind is hidden.
            elif number % 4 == 2:  # The second comes and goes, alone in some frames.
                places = [(one, 400.0, 330.0, 110.0)] if at % 5 != 3 else []
                places += [(two, 900.0, 330.0, 90.0)] if at % 2 else []
            else:  # Both walk, the second behind the first.
                x = _bounce(at, 200, 430, 1050)
                places = [(two, x - 300, 300, 70), (one, x, 340, 120)]
            return _scene(40 + number), places

        yield _film(people, "two", f"{one}-{two}", (one,), shot)


def _cuts(people: dict[str, Sprite]) -> Iterator[Clip]:
    """Cuts: near and far, dialogues, and scenes without anybody."""
    pairs = [
        ("obama", "biden"),
        ("abqw", "lyna"),
        ("right", "friend-1"),
        ("lyna", "biden"),
        ("left", "abqw"),
        ("biden", "friend-2"),
        ("friend-3", "obama"),
        ("friend-0", "lyna"),
    ]
    turns = ["AABBAABBAA", "ABABABABAA", "AAAaaaAAAa", "AaA-AaA-aA"]
    for number, (one, two) in enumerate(pairs):

        def shot(
            at: int, one: str = one, two: str = two, number: int = number
        ) -> tuple[Image, list[Place]]:
            turn = turns[number % 4][at]
            seed = 60 + 4 * number + "ABa-".index(turn)
            places: dict[str, list[Place]] = {
                "A": [(one, 600.0, 330.0, 130.0)],
                "B": [(two, 700.0, 330.0, 120.0)],
                "a": [(one, 300.0, 350.0, 80.0)],
                "-": [],
            }
            return _scene(seed), places[turn]

        subjects = (one, two) if number % 4 < 2 else (one,)
        yield _film(people, "cut", f"{one}-{turns[number % 4]}", subjects, shot)


def _windows(people: dict[str, Sprite]) -> Iterator[Clip]:
    """A frame that stays, with a window in which people take turns, or that moves about."""
    pairs = [
        ("obama", "biden"),
        ("abqw", "lyna"),
        ("left", "right"),
        ("lyna", "obama"),
        ("biden", "abqw"),
        ("friend-2", "left"),
        ("right", "lyna"),
        ("obama", "friend-1"),
    ]
    for number, (one, two) in enumerate(pairs):

        def shot(
            at: int, one: str = one, two: str = two, number: int = number
        ) -> tuple[Image, list[Place]]:
            frame = _scene(100 + number)
            x, y = (300, 160) if number % 2 == 0 else (200 + 450 * (at // 3 % 2), 120)
            who = two if number < 6 and "AABBAABBAA"[at] == "B" else one
            frame[y : y + 360, x : x + 480] = _scene(140 + 2 * number + (who == two), 480, 360)
            return frame, [(who, x + 240, y + 160, 100)]

        subjects = (one, two) if number < 6 else (one,)
        yield _film(people, "window", f"{one}-{two}", subjects, shot)


def _close_ups(people: dict[str, Sprite]) -> Iterator[Clip]:
    """Clips that are cut to the face already, so many faces wide."""
    for who, sides in [
        ("obama", 1.3),
        ("biden", 1.15),
        ("abqw", 1.3),
        ("lyna", 1.15),
        ("abqw", 1.0),
        ("lyna", 1.0),
        ("left", 1.3),
        ("right", 1.15),
    ]:

        def shot(at: int, who: str = who, sides: float = sides) -> tuple[Image, list[Place]]:
            wander = 224 * 0.02 * (at % 3 - 1)
            return np.zeros((224, 224, 3), np.uint8), [(who, 112 + wander, 112, 224 / sides)]

        yield _film(people, "close-up", f"{who}-{sides}", (who,), shot)
