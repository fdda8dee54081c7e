"""Any function from images to numbers, with the interface of a detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.batching import checked_scores, unit_batches
from deepfake_generalize.models.detectors.video import ScoresVideos
from deepfake_generalize.validation import check_choice, describe, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from deepfake_generalize.types import AnyArray, ImagePaths, Images


_FUNCTION = "It gets (N, H, W, 3) images as a NumPy array and returns N numbers in [0, 1]."
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
) -> FunctionDetector:
    """Give a function the interface of a `Detector`: a PyTorch model, an ONNX session, a rule.

    Args:
        function: From a batch of RGB images, a NumPy array, to one number in [0, 1] an image, of
            shape (N,) or (N, 1): an array, a PyTorch or TensorFlow tensor, or a list. Whatever it
            does about its input beyond what is said below (mean and deviation, devices, no_grad)
            is its own affair.
        name: What tables call it.
        size: Side, or (height, width), in pixels of the images it takes.
        returns: `fake` if its numbers are P(fake), `real` if they are P(real).
        channels: `last` for (N, H, W, 3), `first` for (N, 3, H, W).
        scale: `unit` for float32 in [0, 1], `uint8` for uint8 in 0 to 255.

    Returns:
        A scorer: `.name`, `.scores(images)`, P(fake) of shape (N,), and `.score_video(path)`.
        Calling it does what `scores` does.

    Raises:
        InputError: An argument is none of the above.

    Examples:
        >>> brightness = as_detector(lambda x: x.mean(axis=(1, 2, 3)), name="brightness", size=8)
        >>> brightness.scores(np.full((2, 16, 16, 3), 51, np.uint8)).round(3)
        array([0.2, 0.2], dtype=float32)
    """
    if not callable(function):
        raise InputError(
            "expected a function that takes a batch of images and returns P(fake) of each, "
            f"received {describe(function)}.",
            hint=_CLASSIFIER if hasattr(function, "predict_proba") else _FUNCTION,
        )
    check_choice("returns", returns, ("fake", "real"))
    check_choice("channels", channels, ("last", "first"))
    check_choice("scale", scale, ("unit", "uint8"))
    return FunctionDetector(name, _pair(size), returns, channels, scale, function)


@dataclass(frozen=True, eq=False)
class FunctionDetector(ScoresVideos):
    """What `as_detector` returns: a function with the interface of a `Detector`."""

    name: str
    size: tuple[int, int]
    returns: Literal["fake", "real"]
    channels: Literal["last", "first"]
    scale: Literal["unit", "uint8"]
    function: Callable[[AnyArray], Any] = field(repr=False)

    def scores(self, images: Images | ImagePaths, *, batch_size: int = 32) -> AnyArray:
        """Score images as `Detector.scores` does: (N,), P(fake) in [0, 1].

        float64 where the function gives that or its numbers are P(real), else float32.

        Raises:
            InputError: Images of another shape, dtype or range; or a function that gives NaN,
                numbers outside [0, 1], or not one number an image.
        """
        outputs: list[AnyArray] = []
        for batch in unit_batches(images, self.size, batch_size):
            outputs.append(self._call(batch, first=sum(map(len, outputs))))
        return np.concatenate(outputs) if outputs else np.zeros(0, np.float32)

    def __call__(self, images: Images | ImagePaths, *, batch_size: int = 32) -> AnyArray:
        """Score images; see `scores`."""
        return self.scores(images, batch_size=batch_size)

    def _call(self, batch: AnyArray, *, first: int) -> AnyArray:
        if self.scale == "uint8":
            batch = np.rint(batch * 255).astype(np.uint8)
        if self.channels == "first":
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        with noted(
            f"raised by the function of the detector {self.name} on images {first} to "
            f"{first + len(batch) - 1}, given {describe(batch)}"
        ):
            returned = self.function(batch)
        precise = getattr(_on_cpu(returned), "dtype", None) == np.float64
        numbers = _to_numpy(returned, self.name)
        if numbers.shape not in {(len(batch),), (len(batch), 1)}:
            raise InputError(
                f"expected one number an image from {self.name}, shape ({len(batch)},) or "
                f"({len(batch)}, 1), received shape {numbers.shape}.",
                hint="Drop the axis of one by name, squeeze(axis=1): squeeze() alone also drops "
                "the images where a last batch holds one."
                if numbers.ndim == 0 and len(batch) == 1
                else "Return the column that is P(fake), or P(real) with returns='real'.",
            )
        numbers = checked_scores(numbers.reshape(-1), source=self.name)
        if self.returns == "real":
            return 1.0 - numbers
        return numbers if precise else numbers.astype(np.float32)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(is_whole(side, least=1) for side in sides):
        raise InputError(
            f"expected size as a side or as (height, width) in pixels, received {size!r}."
        )
    return int(sides[0]), int(sides[1])


def _on_cpu(value: Any) -> Any:
    """Return a tensor of PyTorch or TensorFlow as an array, and all else as it is.

    NumPy has no bfloat16, and PyTorch refuses to hand such numbers to it.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if "bfloat16" in str(getattr(value, "dtype", "")):
            value = value.float()
    return value.numpy() if hasattr(value, "numpy") else value


def _to_numpy(value: Any, name: str) -> AnyArray:
    """Turn what the function gave into float64: an array, a tensor, or a list of either."""
    value = _on_cpu(value)
    if isinstance(value, list | tuple):
        value = [_on_cpu(part) for part in value]
    if isinstance(value, np.ma.MaskedArray) and value.mask.any():
        raise InputError(
            f"expected a number of each image from {name}, received an array of which "
            f"{int(value.mask.sum())} are masked.",
            hint="Fill them, or leave these images out.",
        )
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected numbers from {name}, received {describe(value)}.",
            hint="Return one number an image: an array, a tensor or a list.",
        ) from error
