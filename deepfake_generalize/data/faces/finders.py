"""What a face finder is, the faces that it returns, and two finders."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np

from deepfake_generalize._system.files import find_temporary_folder
from deepfake_generalize._system.streams import quiet_native_logs
from deepfake_generalize.data import assets
from deepfake_generalize.data.video import MAX_SIDE
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import UInt8Array
from deepfake_generalize.validation import check_choice, describe


class Closing:
    """A tool that `with` opens, and closes at its end, also when it ends with an error."""

    def open(self) -> None:
        """Load what the tool needs; nothing here."""

    def close(self) -> None:
        """Free what the tool holds; nothing here. Safe to call twice."""

    def __enter__(self) -> Self:
        """Open the tool, and return it."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the tool; an error goes on."""
        self.close()


Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]

LOW_SCORE = 0.7
"""Faces scored below this are flagged: full range at 0.5 finds them, some are not faces."""


@dataclass(frozen=True)
class Face:
    """One face in one frame.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the frame; may reach beyond its edges.
        score: The finder's confidence in [0, 1].
        eyes: The subject's right and left eye, (x, y) in pixels, or None.

    Examples:
        >>> Face((10.0, 20.0, 50.0, 60.0), 0.9).area
        1600.0
    """

    box: Box
    score: float
    eyes: tuple[Point, Point] | None = None

    @property
    def side(self) -> float:
        """The larger side of the box in pixels."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)

    @property
    def area(self) -> float:
        """The area of the box in square pixels."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, 0.0) * max(y1 - y0, 0.0)


@runtime_checkable
class FaceFinder(AbstractContextManager["FaceFinder"], Protocol):
    """Anything that finds faces in a frame.

    A finder is used inside `with`, which gives it back, ready, and closes it at the end. To be used
    by several processes it must survive pickling; every worker then opens its own copy.
    """

    @property
    def name(self) -> str:
        """What manifests and settings call it; two finders that differ have different names."""
        ...

    def find(self, image: UInt8Array) -> list[Face]:
        """Return the faces in `image`, (H, W, 3) uint8 RGB, in any order."""
        ...

    def close(self) -> None:
        """Free what the finder holds; safe to call twice."""
        ...


def check_finder(finder: object, *, opens: bool = False) -> None:
    """Refuse what is no `FaceFinder` or None; `opens` says if it will be entered and closed too."""
    methods = ("find", "close", "__enter__", "__exit__") if opens else ("find",)
    if finder is None or (
        isinstance(getattr(finder, "name", None), str)
        and all(callable(getattr(finder, method, None)) for method in methods)
        and not isinstance(finder, type)
    ):
        return
    raise InputError(
        "expected finder to be None or a FaceFinder (a name, find(image), close(), and a context "
        f"manager), received {describe(finder)}.",
        hint="Use finder=CascadeFinder().",
    )


def check_frame(image: object) -> UInt8Array:
    """Return `image` as a contiguous (H, W, 3) uint8 array, raise InputError if it is not one."""
    # Contiguous because MediaPipe reads memory as if it always were, and finds nothing otherwise.
    if (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
        and max(image.shape) <= MAX_SIDE
    ):
        return np.ascontiguousarray(image)
    raise InputError(
        f"expected a frame of shape (H, W, 3), sides of at most {MAX_SIDE:,} pixels, and dtype "
        f"uint8, received {describe(image)}.",
        hint="Pass one RGB image, channels last, 0 to 255.",
    )


_MIN_CONFIDENCE = 0.5
"""Faces scored lower are not returned."""


class MediaPipeFinder(Closing):
    """MediaPipe's BlazeFace through its Tasks API, on the frame's native size.

    Opened by `with` or by the first `find`. Close it: MediaPipe's own clean-up waits for threads,
    which can hang at the end of a program. An unopened copy is what pickling sends.

    Args:
        model_path: The .tflite file. None: see `data.assets.resolve`.
        model: "full-range" (faces up to about 5 m from the camera) or "short-range" (selfies).

    Raises:
        MissingAssetError: No model file can be had.
        InputError: No such `model`; on opening, a file that is no MediaPipe face model.

    Examples:
        >>> with MediaPipeFinder() as finder:  # doctest: +SKIP
        ...     faces = finder.find(image)
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        *,
        model: Literal["full-range", "short-range"] = "full-range",
    ) -> None:
        """Resolve the model's file; nothing is loaded yet."""
        check_choice("model", model, ("full-range", "short-range"))
        self._path = assets.resolve(f"face-{model}", model_path)
        self._model = model
        self._detector: Any = None
        self._process = 0
        self._closed = False

    @property
    def name(self) -> str:
        """Its name in manifests: that of the network."""
        return f"mediapipe-{self._model}"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the description, never the native object: each process opens its own."""
        return partial(MediaPipeFinder, model=self._model), (os.fspath(self._path),)

    def open(self) -> None:
        """Load the network."""
        self._ready()

    def find(self, image: UInt8Array) -> list[Face]:
        """Return the faces in `image`, (H, W, 3) uint8 RGB, each with both eyes.

        InputError for anything else, and where the finder is closed, or was opened by the process
        that this one was forked from.
        """
        frame = check_frame(image)
        detector = self._ready()
        # Any call may be the one that says it had to move a picture in memory.
        with quiet_native_logs():
            import mediapipe

            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame)
            detections = detector.detect(picture).detections
        height, width = frame.shape[:2]
        faces = []
        for found in detections:
            box, score = found.bounding_box, float(found.categories[0].score)
            x, y = float(box.origin_x), float(box.origin_y)
            right, left = ((point.x * width, point.y * height) for point in found.keypoints[:2])
            faces.append(Face((x, y, x + box.width, y + box.height), score, (right, left)))
        return faces

    def close(self) -> None:
        """Free the network; `find` raises from now on."""
        self._closed = True
        detector, self._detector = self._detector, None
        if detector is not None and self._process == os.getpid():
            with quiet_native_logs():
                detector.close()

    def _ready(self) -> Any:
        if self._closed:
            raise InputError(
                "expected an open face finder, received one that was closed.",
                hint="Make a new one, and use it inside its with block.",
            )
        if self._detector is None:
            self._detector = _create(self._path)
            self._process = os.getpid()
        elif self._process != os.getpid():
            raise InputError(
                "expected a face finder opened in this process, received its parent's.",
                hint="Open a finder of its own in each process; a forked one would hang.",
            )
        return self._detector


def _create(path: Path) -> Any:
    vision, base_options = _import_mediapipe()
    # The bytes, not the path: native code cannot open every path that Python can.
    content = path.read_bytes()
    options = vision.FaceDetectorOptions(
        base_options=base_options(model_asset_buffer=content),
        min_detection_confidence=_MIN_CONFIDENCE,
    )
    try:
        with quiet_native_logs():
            return vision.FaceDetector.create_from_options(options)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"expected a MediaPipe face model, received {path}: {error}.",
            hint="Point to the .tflite file of BlazeFace, or leave the path out.",
        ) from None


def _import_mediapipe() -> tuple[Any, Any]:
    find_temporary_folder()
    # MediaPipe imports TensorFlow for nothing but decorators of its documentation, and does without
    # where there is none. Five seconds and 400 MB in every worker are too much for that.
    hide = "tensorflow" not in sys.modules
    modules: dict[str, Any] = sys.modules
    if hide:
        modules["tensorflow"] = None
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    finally:
        if hide:
            del modules["tensorflow"]
    return vision, BaseOptions


_SMALLEST = 0.12
"""Face looked for, as a fraction of the frame's shorter side."""


@cache
def _cascade() -> Any:
    from skimage import data
    from skimage.feature import Cascade

    return Cascade(data.lbp_frontal_face_cascade_filename())


class CascadeFinder(Closing):
    """The frontal LBP cascade that scikit-image ships: no model file, no network, no eyes.

    Weaker than MediaPipe (on a hundred frames of ten real clips: exactly one face in 77, none in
    8), slower by thirty times, and blind to turned faces. For machines where nothing else can be
    had; never chosen silently. It gives no confidence: every score is 1.

    Examples:
        >>> import numpy as np
        >>> with CascadeFinder() as finder:
        ...     finder.find(np.zeros((64, 64, 3), np.uint8))
        []
    """

    name = "cascade"

    def find(self, image: UInt8Array) -> list[Face]:
        """Return the frontal faces, without eyes, in (H, W, 3) uint8 RGB; InputError for others."""
        frame = check_frame(image)
        shorter = min(frame.shape[:2])
        smallest = max(24, round(shorter * _SMALLEST))
        if shorter < smallest:
            return []
        found = _cascade().detect_multi_scale(
            img=frame,
            scale_factor=1.2,
            step_ratio=1,
            min_size=(smallest, smallest),
            max_size=(shorter, shorter),
        )
        boxes = ((at["c"], at["r"], at["c"] + at["width"], at["r"] + at["height"]) for at in found)
        return [Face((float(a), float(b), float(c), float(d)), 1.0) for a, b, c, d in boxes]
