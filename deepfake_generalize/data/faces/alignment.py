"""Cut a face out of a frame: upright, centred, always the same size.

Scale and place come from the finder's box (the eye distance collapses in a profile), the roll from
the eyes, which finders place roughly: an aligner takes a second look at the face.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from deepfake_generalize._system.streams import quiet_native_logs
from deepfake_generalize.data import assets
from deepfake_generalize.data.faces.finders import (
    Box,
    Closing,
    Face,
    MediaPipeFinder,
    Point,
    check_frame,
)
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import DoubleArray, FloatArray, UInt8Array
from deepfake_generalize.validation import check_choice


def centre(box: Box) -> Point:
    """Return the middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def roll_of(eyes: tuple[Point, Point]) -> float:
    """Return the tilt of a head in degrees, above 0 where its second (left) eye is lower."""
    (x0, y0), (x1, y1) = eyes
    return math.degrees(math.atan2(y1 - y0, x1 - x0))


def wrapped(degrees: float) -> float:
    """Return the same angle in [-180, 180)."""
    return (degrees + 180.0) % 360.0 - 180.0


def crop_matrix(box: Box, *, roll: float, size: int, margin: float) -> DoubleArray:
    """Return the (2, 3) affine map from pixels of the frame to pixels of the crop.

    The crop is a square `margin` times the box's larger side, around its centre, in which a head
    tilted by `roll` degrees is upright. Pixel centres are whole numbers on both sides.
    """
    x0, y0, x1, y1 = box
    scale = size / (margin * max(x1 - x0, y1 - y0))
    cosine = scale * math.cos(math.radians(roll))
    sine = scale * math.sin(math.radians(roll))
    # A box's edges lie between pixels, half a pixel before the centre of the first one.
    x, y, middle = (x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5, (size - 1) / 2
    return np.array(
        [
            [cosine, sine, middle - cosine * x - sine * y],
            [-sine, cosine, middle + sine * x - cosine * y],
        ]
    )


def mapped(points: DoubleArray, matrix: DoubleArray) -> DoubleArray:
    """Return (K, 2) points where a (2, 3) affine map takes them."""
    moved: DoubleArray = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def cut_out(image: UInt8Array, matrix: DoubleArray, size: int) -> UInt8Array:
    """Apply `crop_matrix`'s map to an (H, W, 3) uint8 frame; return (size, size, 3) uint8.

    Bilinear; where the frame is shrunk by a factor f > 1, it is first smoothed by a Gaussian of
    standard deviation (f - 1) / 2 pixels, as by scikit-image's resize. Outside the frame is black.
    """
    factor = 1.0 / float(np.hypot(matrix[0, 0], matrix[0, 1]))
    sigma = max(0.0, (factor - 1.0) / 2.0)
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], float)
    reached = corners @ cv2.invertAffineTransform(matrix).T
    spare = math.ceil(4 * sigma) + 2
    left, top = np.maximum(np.floor(reached.min(axis=0)).astype(int) - spare, 0).tolist()
    right, bottom = (np.ceil(reached.max(axis=0)).astype(int) + spare + 1).tolist()
    part = image[top : max(bottom, top), left : max(right, left)]
    if part.size == 0:
        return np.zeros((size, size, 3), np.uint8)
    if sigma > 0.1:  # Below, the kernel is a single pixel at eight bits.
        part = cv2.GaussianBlur(part, (0, 0), sigma)
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([left, top], float)
    crop: UInt8Array = cv2.warpAffine(
        part, moved, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return crop


# The landmark network takes square crops of so many pixels, and was trained on 1.5 face widths,
# turned upright; it finds so many points.
_NETWORK_SIDE, _POINTS = 192, 468
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
_RIGHT_EYE = [33, 133, 159, 145]
_LEFT_EYE = [263, 362, 386, 374]
# Eyes closer together than this fraction of the face are a profile's, whose line says nothing.
_MIN_EYE_DISTANCE = 0.1


class Look(NamedTuple):
    """The roll in degrees, what found it (or "none"), and (468, 2) pixels of the frame."""

    roll: float
    named: str
    points: DoubleArray | None = None


class Cut(NamedTuple):
    """A crop, (size, size, 3) uint8 RGB, what found its eyes, its matrix, its (468, 2) points."""

    image: UInt8Array
    named: str
    matrix: DoubleArray
    points: FloatArray | None


class Aligner(Closing):
    """What says how far a face in a frame is tilted: here by the finder's own, least exact eyes."""

    def look(self, image: UInt8Array, face: Face) -> Look:
        """Return the roll by the finder's eyes."""
        del image
        if face.eyes is None or math.dist(*face.eyes) < _MIN_EYE_DISTANCE * face.side:
            return Look(0.0, "none")
        return Look(roll_of(face.eyes), "finder")


class LandmarkNetwork:
    """The network of `face_landmark.tflite`, opened once; InputError for any other file."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        from ai_edge_litert.interpreter import Interpreter

        # The bytes, not the path: native code cannot open every path that Python can.
        content = path.read_bytes()
        try:
            with quiet_native_logs():  # Opening says which of its own parts it uses.
                # One thread: videos are what runs in parallel.
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
            self._crop = _the_only(self._interpreter.get_input_details(), _NETWORK_SIDE**2 * 3)
            ends = self._interpreter.get_output_details()
            self._end = _the_only(ends, 3 * _POINTS)
            self._presence = _the_only(ends, 1)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"expected the 468-point face_landmark.tflite, received {path}: {error}.",
                hint="Point to that file, or choose another aligner.",
            ) from None

    def __call__(self, crop: UInt8Array) -> tuple[DoubleArray, float]:
        """Return (468, 3) points, x and y in pixels of a (192, 192, 3) crop, and a face's logit."""
        self._interpreter.set_tensor(self._crop, crop[np.newaxis] / np.float32(255.0))
        self._interpreter.invoke()
        points = self._interpreter.get_tensor(self._end).reshape(_POINTS, 3).astype(float)
        return points, float(self._interpreter.get_tensor(self._presence).item())


class LandmarkAligner(Aligner):
    """The 468-point face mesh, run by LiteRT on one thread."""

    def __init__(self, model_path: str | os.PathLike[str] | None = None) -> None:
        """Find the file."""
        self._path = assets.resolve("face-landmarks", model_path)
        self._network: Any = None

    def look(self, image: UInt8Array, face: Face) -> Look:
        """Return the roll and the points; 0 and "none" where the network sees no face."""
        seen = super().look(image, face)
        for _ in range(_MAX_PASSES):
            matrix = crop_matrix(
                face.box, roll=seen.roll, size=_NETWORK_SIDE, margin=_LANDMARK_MARGIN
            )
            crop = cut_out(image, matrix, _NETWORK_SIDE)
            points, presence = self._network(crop)
            mirrored, again = self._network(np.ascontiguousarray(crop[:, ::-1]))
            if (presence + again) / 2 < _MIN_PRESENCE:
                # The finder's eyes are no better then: on real frames up to 30 degrees off.
                return Look(0.0, "none")
            rest = (_eye_line(points) - _eye_line(mirrored)) / 2
            places = mapped(points[:, :2], cv2.invertAffineTransform(matrix))
            seen = Look(wrapped(seen.roll + rest), "landmarks", places)
            if abs(rest) < _UPRIGHT_ENOUGH:
                break
        return seen

    def open(self) -> None:
        """Load the network; InputError where the file is not this model."""
        self._network = LandmarkNetwork(self._path)

    def close(self) -> None:
        """Free the network; it is read again when needed."""
        self._network = None


class ShortRangeAligner(Aligner):
    """A second look by the short-range finder at the cut-out face."""

    def __init__(self) -> None:
        """Find the model's file."""
        self._finder = MediaPipeFinder(model="short-range")

    def look(self, image: UInt8Array, face: Face) -> Look:
        """Return the roll and "short-range", or the finder's own where it sees no face."""
        first = super().look(image, face)
        side = _SECOND_LOOK_SIDE
        matrix = crop_matrix(face.box, roll=first.roll, size=side, margin=_SECOND_LOOK_MARGIN)
        seen = [
            near
            for near in self._finder.find(cut_out(image, matrix, side))
            if near.eyes is not None
            and math.dist(centre(near.box), (side / 2, side / 2)) < side / 4
        ]
        if not seen:
            return first
        rest = super().look(image, max(seen, key=lambda near: near.area * near.score))
        if rest.named != "finder":
            return first
        return Look(wrapped(first.roll + rest.roll), "short-range")

    def open(self) -> None:
        """Load the network."""
        self._finder.open()

    def close(self) -> None:
        """Close the finder."""
        self._finder.close()


def make_aligner(name: str) -> Aligner:
    """Return the aligner of that name, not yet opened; its model file must be there."""
    makers: dict[str, type[Aligner]] = {
        "landmarks": LandmarkAligner,
        "short-range": ShortRangeAligner,
        "finder": Aligner,
    }
    check_choice("aligner", name, makers, hint="The default is landmarks.")
    return makers[name]()


def align_crop(image: UInt8Array, face: Face, aligner: Aligner, *, size: int, margin: float) -> Cut:
    """Cut one face out of an (H, W, 3) uint8 RGB frame, upright, `margin` times its box's side."""
    frame = check_frame(image)
    seen = aligner.look(frame, face)
    matrix = crop_matrix(face.box, roll=seen.roll, size=size, margin=margin)
    points = None if seen.points is None else mapped(seen.points, matrix).astype(np.float32)
    return Cut(cut_out(frame, matrix, size), seen.named, matrix, points)


def _the_only(tensors: list[dict[str, Any]], size: int) -> int:
    found = [
        int(tensor["index"])
        for tensor in tensors
        if math.prod(tensor["shape"]) == size and tensor["dtype"] is np.float32
    ]
    if len(found) != 1:
        raise ValueError(f"{len(found)} of its tensors hold {size} floats, not 1")
    return found[0]


def _eye_line(points: DoubleArray) -> float:
    (x0, y0), (x1, y1) = (points[eye, :2].mean(axis=0) for eye in (_RIGHT_EYE, _LEFT_EYE))
    return roll_of(((float(x0), float(y0)), (float(x1), float(y1))))
