"""Any function from images to numbers, with the interface of a detector."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.batching import unit_batches
from deepfake_generalize.models.detectors.outputs import p_fake
from deepfake_generalize.models.detectors.torch_modules import TorchFunction, is_torch_module
from deepfake_generalize.models.detectors.video import ScoresVideos
from deepfake_generalize.types import AnyArray, ImagePaths, Images
from deepfake_generalize.validation import (
    check_choice,
    check_type,
    check_whole,
    describe,
    is_whole,
)

_FUNCTION = (
    "It gets (N, H, W, 3) images as a NumPy array and returns N numbers in [0, 1]. Of an ONNX "
    "session: lambda batch: session.run(None, {session.get_inputs()[0].name: batch})[0]."
)
_CLASSIFIER = (
    "Wrap what turns images into its features: as_detector(lambda images: "
    "classifier.predict_proba(images.reshape(len(images), -1))[:, 1], name=..., size=...), where "
    "images are (N, H, W, 3) and column 1 is P(fake)."
)


def as_detector(
    function: Callable[[AnyArray], Any],
    *,
    name: str,
    size: int | tuple[int, int],
    returns: Literal["fake", "real"] = "fake",
    channels: Literal["last", "first"] = "last",
    scale: Literal["unit", "uint8"] = "unit",
    batch_size: int | None = None,
    logits: bool = False,
    column: int | None = None,
) -> FunctionDetector:
    """Give a function the interface of a `Detector`: a PyTorch model, an ONNX session, a rule.

    Args:
        function: From a batch of RGB images, a NumPy array, to one number in [0, 1] an image, of
            shape (N,) or (N, 1): an array, a PyTorch or TensorFlow tensor, or a list. Whatever it
            does about its input beyond what is said below (mean and deviation, devices, no_grad)
            is its own affair. Or a `torch.nn.Module` itself: it gets (N, 3, H, W) tensors on the
            device and in the precision of its weights, and computes in eval mode and without
            gradients; then it is in the mode again that it was in.
        name: What tables call it.
        size: Side, or (height, width), in pixels of the images it takes.
        returns: `fake` if its numbers are P(fake), `real` if they are P(real).
        channels: `last` for (N, H, W, 3), `first` for (N, 3, H, W); always `first` for a
            `torch.nn.Module` itself, so one that takes channels last goes into a function.
        scale: `unit` for float32 in [0, 1], `uint8` for uint8 in 0 to 255.
        batch_size: How many images it computes at once, where that is fixed: 1 for an export with
            a batch of 1. Every call gets exactly so many, whatever `scores` is asked for; a last
            batch is filled up with its last image, whose further scores are dropped. None takes
            any number. A function that raises on several images and not on one of them is given
            one at a time, with a warning.
        logits: Whether its numbers are still to be turned into probabilities, in double precision:
            one number an image by a sigmoid, (N, K) by a softmax.
        column: Which column of (N, K) is meant, from 0: the one that `returns` speaks of. Without
            `logits` the columns must sum to 1.

    Returns:
        A scorer: `.name`, `.scores(images)`, P(fake) of shape (N,), and `.score_video(path)`.
        Calling it does what `scores` does. It keeps all of these settings, by their names.

    Raises:
        InputError: An argument is none of the above.

    Examples:
        >>> brightness = as_detector(lambda x: x.mean(axis=(1, 2, 3)), name="brightness", size=8)
        >>> brightness.scores(np.full((2, 16, 16, 3), 51, np.uint8)).round(3)
        array([0.2, 0.2], dtype=float32)
        >>> two = {"name": "two", "size": 8, "logits": True, "column": 1}
        >>> as_detector(lambda x: [[0, 2]] * len(x), **two).scores(np.zeros((1, 8, 8, 3))).round(3)
        array([0.881])
    """
    if not callable(function) or isinstance(function, type):
        raise InputError(
            "expected a function that takes a batch of images and returns P(fake) of each, "
            f"received {describe(function)}.",
            hint=_CLASSIFIER if hasattr(function, "predict_proba") else _FUNCTION,
        )
    check_choice("returns", returns, ("fake", "real"))
    check_choice("channels", channels, ("last", "first"))
    check_choice("scale", scale, ("unit", "uint8"))
    if batch_size is not None:
        batch_size = check_whole("batch_size", batch_size, least=1)
    check_type("logits as True or False", logits, bool)
    if column is not None:
        column = check_whole("column", column, least=0)
    if is_torch_module(function):
        function, channels = TorchFunction(function), "first"
    sides = _pair(size)
    return FunctionDetector(
        name, sides, returns, channels, scale, function, batch_size, logits, column
    )


@dataclass(frozen=True, eq=False)
class FunctionDetector(ScoresVideos):
    """What `as_detector` returns: a function with the interface of a `Detector`."""

    name: str
    size: tuple[int, int]
    returns: Literal["fake", "real"]
    channels: Literal["last", "first"]
    scale: Literal["unit", "uint8"]
    function: Callable[[AnyArray], Any] = field(repr=False)
    batch_size: int | None = None
    logits: bool = False
    column: int | None = None

    def scores(self, images: Images | ImagePaths, *, batch_size: int = 32) -> AnyArray:
        """Score images as `Detector.scores` does: (N,), P(fake) in [0, 1].

        float64 where the function gives that, its numbers are P(real) or logits, else float32.

        Raises:
            InputError: Images of another shape, dtype or range; or a function that gives NaN,
                numbers outside [0, 1], or not one number an image.
        """
        batch_size = check_whole("batch_size", batch_size, least=1)
        outputs: list[AnyArray] = []
        for batch in unit_batches(images, self.size, self.batch_size or batch_size):
            outputs.append(self._call(batch, first=sum(map(len, outputs))))
        return np.concatenate(outputs) if outputs else np.zeros(0, np.float32)

    def __call__(self, images: Images | ImagePaths, *, batch_size: int = 32) -> AnyArray:
        """Score images; see `scores`."""
        return self.scores(images, batch_size=batch_size)

    def _call(self, batch: AnyArray, *, first: int) -> AnyArray:
        count = len(batch)
        if self.batch_size is not None:
            batch = np.pad(batch, [(0, self.batch_size - count), *[(0, 0)] * 3], mode="edge")
        if self.scale == "uint8":
            batch = np.rint(batch * 255).astype(np.uint8)
        if self.channels == "first":
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        with noted(
            f"raised by the function of the detector {self.name} on images {first} to "
            f"{first + count - 1}, given {describe(batch)}"
        ):
            returned = self._returned(batch)
        scores = p_fake(
            returned,
            len(batch),
            source=self.name,
            real=self.returns == "real",
            logits=self.logits,
            column=self.column,
        )
        return scores[:count]

    def _returned(self, batch: AnyArray) -> Any:
        """Call the function; image by image where it takes one of them and not all."""
        try:
            return self.function(batch)
        except Exception as error:
            if self.batch_size is not None or len(batch) == 1:
                raise
            try:
                alone = [self.function(batch[:1])]
            except Exception:  # Not the number of images, then: told is what was raised at first.
                raise error from None
            warnings.warn(
                f"{self.name} takes one image at a time: {len(batch)} raised "
                f"{type(error).__name__}, one of them did not. Say so: as_detector(..., "
                "batch_size=1).",
                RuntimeWarning,
                stacklevel=4,
            )
        alone += [self.function(batch[place : place + 1]) for place in range(1, len(batch))]
        return alone


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(is_whole(side, least=1) for side in sides):
        raise InputError(
            f"expected size as a side or as (height, width) in pixels, received {size!r}."
        )
    return int(sides[0]), int(sides[1])
