"""Cut a face out of a frame: upright, centred, always the same size.

Scale and place come from the finder's box (the eye distance collapses in a profile), the roll
from the eyes. Finders place eyes roughly, so an aligner takes a second look at the face; which one
did is recorded with every crop.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

import numpy as np

from deepfake_generalize._system.closing import Closing
from deepfake_generalize.data import assets
from deepfake_generalize.data.faces.finder import Face, Point, check_frame
from deepfake_generalize.data.faces.geometry import crop_matrix, cut_out, roll_of, wrapped
from deepfake_generalize.data.faces.landmarks import NETWORK_SIDE, LandmarkNetwork
from deepfake_generalize.data.faces.mediapipe_finder import MediaPipeFinder
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    import os
    from types import TracebackType
    from typing import Self

    from deepfake_generalize.types import DoubleArray, UInt8Array

AlignerName: TypeAlias = Literal["landmarks", "short-range", "finder"]
"""Who says where the eyes are: the 468-point network, a second look by the short-range finder, or
the finder that found the face."""

# The landmark network was trained on crops of 1.5 face widths, turned upright.
_LANDMARK_MARGIN = 1.5
_SECOND_LOOK_MARGIN = 1.6
_SECOND_LOOK_SIDE = 256
# The network errs to one side on a turned head, less on an upright one: each look is the mean of
# the crop and its mirror image, and what it had to turn by more than this is looked at once more.
_UPRIGHT_ENOUGH = 3.0
_MAX_PASSES = 2
# A logit. Hands before a face bring it to -2, where the points still beat the finder's eyes.
_MIN_PRESENCE = -3.0
# Corners and middles of the lids, of the 468 points; means of four are steadier than any one.
_RIGHT_EYE = (33, 133, 159, 145)
_LEFT_EYE = (263, 362, 386, 374)
# Eyes closer together than this fraction of the face are a profile's, whose line says nothing.
_MIN_EYE_DISTANCE = 0.1


class Aligner(Protocol):
    """Anything that says how far a face in a frame is tilted; used inside `with`."""

    def roll(self, image: UInt8Array, face: Face) -> tuple[float, str]:
        """Return the roll in degrees and the name of what found it."""
        ...

    def __enter__(self) -> Self:
        """Return the aligner, ready."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free what it holds."""
        ...


class FinderAligner(Closing):
    """The finder's own eyes: costs nothing, the least exact.

    Examples:
        >>> with FinderAligner() as aligner:
        ...     aligner.roll(np.zeros((8, 8, 3), np.uint8), Face((0, 0, 8, 8), 0.9))
        (0.0, 'none')
    """

    def roll(self, image: UInt8Array, face: Face) -> tuple[float, str]:
        """Return the roll and "finder"; 0 and "none" without usable eyes (a profile, a cascade)."""
        del image
        return _own_roll(face)


class LandmarkAligner(Closing):
    """The 468-point face mesh, run by LiteRT on one thread.

    Args:
        model_path: `face_landmark.tflite`. None: see `data.assets.resolve`.

    Raises:
        MissingAssetError: No model file can be had.
        InputError: On opening, a file that is not this model.

    Reproduction notes:
        LiteRT is TensorFlow Lite's interpreter without TensorFlow, which would take seconds in
        every worker. The roll of a frame and of its mirror image differ from each other's negative
        by 0.4 degrees in the median on six real clips (short-range: 3.2, the finder's own eyes:
        4.4).
    """

    def __init__(self, model_path: str | os.PathLike[str] | None = None) -> None:
        """Resolve the model's file; nothing is loaded yet."""
        self._path = assets.resolve("face-landmarks", model_path)
        self._network: LandmarkNetwork | None = None

    def roll(self, image: UInt8Array, face: Face) -> tuple[float, str]:
        """Return the roll and "landmarks"; 0 and "none" where the network sees no face.

        Where it sees none, something hides the face and the finder's eyes are no better: on real
        frames they were up to 30 degrees off.
        """
        roll, named = _own_roll(face)
        for _ in range(_MAX_PASSES):
            rest, presence = self._rest(image, face, roll)
            if presence < _MIN_PRESENCE:
                return 0.0, "none"
            roll, named = wrapped(roll + rest), "landmarks"
            if abs(rest) < _UPRIGHT_ENOUGH:
                break
        return roll, named

    def _rest(self, image: UInt8Array, face: Face, roll: float) -> tuple[float, float]:
        matrix = crop_matrix(face.box, roll=roll, size=NETWORK_SIDE, margin=_LANDMARK_MARGIN)
        crop = cut_out(image, matrix, NETWORK_SIDE)
        points, presence = self._points(crop)
        mirrored, again = self._points(np.ascontiguousarray(crop[:, ::-1]))
        rest = (_eye_line(points) - _eye_line(mirrored)) / 2
        return rest, (presence + again) / 2

    def _points(self, crop: UInt8Array) -> tuple[DoubleArray, float]:
        if self._network is None:
            self._network = LandmarkNetwork(self._path)
        return self._network(crop)

    def open(self) -> None:
        """Load the network."""
        self._network = LandmarkNetwork(self._path)

    def close(self) -> None:
        """Free the network; it is read again when needed."""
        self._network = None


class ShortRangeAligner(Closing):
    """A second look by the short-range finder at the cut-out face.

    Args:
        model_path: The short-range model. None: see `data.assets.resolve`.

    Raises:
        MissingAssetError: No model file can be had.
    """

    def __init__(self, model_path: str | os.PathLike[str] | None = None) -> None:
        """Resolve the model's file; nothing is loaded yet."""
        self._finder = MediaPipeFinder(model_path, model="short-range")

    def roll(self, image: UInt8Array, face: Face) -> tuple[float, str]:
        """Return the roll and "short-range", or the finder's own where it sees no face."""
        first, named = _own_roll(face)
        side = _SECOND_LOOK_SIDE
        matrix = crop_matrix(face.box, roll=first, size=side, margin=_SECOND_LOOK_MARGIN)
        seen = [
            one
            for one in self._finder.find(cut_out(image, matrix, side))
            if one.eyes is not None and _near_middle(one, side)
        ]
        if not seen:
            return first, named
        rest, found = _own_roll(max(seen, key=lambda one: one.area * one.score))
        return (wrapped(first + rest), "short-range") if found == "finder" else (first, named)

    def open(self) -> None:
        """Load the network."""
        self._finder.open()

    def close(self) -> None:
        """Close the finder."""
        self._finder.close()


def make_aligner(name: str) -> Aligner:
    """Return the aligner of that name, not yet opened.

    Raises:
        InputError: An unknown name.
        MissingAssetError: Its model file cannot be had.

    Examples:
        >>> make_aligner("eyes")
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.InputError: expected aligner to be one of landmarks, ...
    """
    check_aligner(name)
    makers: dict[str, type[LandmarkAligner | ShortRangeAligner | FinderAligner]] = {
        "landmarks": LandmarkAligner,
        "short-range": ShortRangeAligner,
        "finder": FinderAligner,
    }
    return makers[name]()


def check_aligner(name: object) -> None:
    """Raise unless there is an aligner of that name; look for no file.

    Raises:
        InputError: An unknown name.
    """
    if name not in get_args(AlignerName):
        raise InputError(
            f"expected aligner to be one of {', '.join(get_args(AlignerName))}, received {name!r}.",
            hint="The default is landmarks.",
        )


def align_crop(
    image: UInt8Array, face: Face, aligner: Aligner, *, size: int = 256, margin: float = 1.3
) -> tuple[UInt8Array, str]:
    """Cut one face out of a frame, upright.

    Args:
        image: The frame, (H, W, 3) uint8 RGB.
        face: Where the face is.
        aligner: What says how far it is tilted.
        size: Side of the crop in pixels.
        margin: Side of the crop in sides of the face's box.

    Returns:
        The crop, (size, size, 3) uint8 RGB, black where it reaches beyond the frame; and the name
        of what found the eyes: the aligner's, "finder" or "none".

    Raises:
        InputError: `image` is not such a frame.

    Examples:
        >>> frame = np.full((40, 60, 3), 200, np.uint8)
        >>> crop, named = align_crop(frame, Face((20, 10, 40, 30), 0.9), FinderAligner(), size=16)
        >>> crop.shape, named
        ((16, 16, 3), 'none')
    """
    frame = check_frame(image)
    roll, named = aligner.roll(frame, face)
    matrix = crop_matrix(face.box, roll=roll, size=size, margin=margin)
    return cut_out(frame, matrix, size), named


def _own_roll(face: Face) -> tuple[float, str]:
    if face.eyes is None or math.dist(*face.eyes) < _MIN_EYE_DISTANCE * face.side:
        return 0.0, "none"
    return roll_of(face.eyes), "finder"


def _eye_line(points: DoubleArray) -> float:
    return roll_of((_mean(points, _RIGHT_EYE), _mean(points, _LEFT_EYE)))


def _mean(points: DoubleArray, which: tuple[int, ...]) -> Point:
    x, y = points[list(which), :2].mean(axis=0)
    return float(x), float(y)


def _near_middle(face: Face, side: int) -> bool:
    x0, y0, x1, y1 = face.box
    return math.dist(((x0 + x1) / 2, (y0 + y1) / 2), (side / 2, side / 2)) < side / 4
