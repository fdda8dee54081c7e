"""MediaPipe's BlazeFace networks as a finder of faces."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal

from deepfake_generalize._system.closing import Closing
from deepfake_generalize._system.files import find_temporary_folder
from deepfake_generalize._system.streams import quiet_native_logs
from deepfake_generalize.data import assets
from deepfake_generalize.data.faces.finder import Face, check_frame
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import UInt8Array
from deepfake_generalize.validation import check_choice

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
        self._used = False
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
        # The first call still sets up, and says so.
        with contextlib.nullcontext() if self._used else quiet_native_logs():
            import mediapipe

            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame)
            detections = detector.detect(picture).detections
        self._used = True
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
