"""Any function from images to numbers, with the interface of a detector."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.batching import given_batches, unit_batches
from deepfake_generalize.models.detectors.outputs import p_fake, single
from deepfake_generalize.models.detectors.torch_modules import TorchFunction, is_torch_module
from deepfake_generalize.models.detectors.video import ScoresVideos
from deepfake_generalize.types import (
    AnyArray,
    FloatArray,
    ImagePaths,
    Images,
    MapRule,
    MapView,
    Site,
)
from deepfake_generalize.validation import (
    check_choice,
    check_type,
    check_whole,
    describe,
    is_whole,
)

_Given: TypeAlias = "Images | ImagePaths | Sequence[Images | ImagePaths]"
_FUNCTION = (
    "It gets (N, H, W, 3) images as a NumPy array and returns N numbers in [0, 1]. Of an ONNX "
    "session: lambda batch: session.run(None, {session.get_inputs()[0].name: batch})[0]."
)
_CLASSIFIER = (
    "Wrap what turns images into its features: as_detector(lambda images: "
    "classifier.predict_proba(images.reshape(len(images), -1))[:, 1], name=..., size=...), where "
    "images are (N, H, W, 3) and column 1 is P(fake)."
)


def as_detector(  # noqa: PLR0913  (each is a choice of its own)
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
    frames: int | None = None,
) -> FunctionDetector:
    """Give a function the interface of a `Detector`: a PyTorch model, an ONNX session, a rule.

    Args:
        function: From a batch of RGB images, a NumPy array, to one number in [0, 1] an image, of
            shape (N,) or (N, 1): an array, a PyTorch or TensorFlow tensor, or a list. Mean and
            deviation, devices and no_grad are its own affair. Or a `torch.nn.Module` itself: it
            gets (N, 3, H, W) tensors on the device and in the precision of its weights, and
            computes in eval mode and without gradients.
        name: What tables call it.
        size: Side, or (height, width), in pixels of the images it takes.
        returns: `fake` if its numbers are P(fake), `real` if they are P(real).
        channels: `last` for (N, H, W, 3), `first` for (N, 3, H, W); always `first` for a
            `torch.nn.Module` itself.
        scale: `unit` for float32 in [0, 1], `uint8` for uint8 in 0 to 255.
        batch_size: How many images it computes at once, where that is fixed: every call gets
            exactly so many, the last one filled up with its last image. None takes any number. A
            function that raises on several images and not on one of them is given one at a time,
            with a warning.
        logits: Whether its numbers are still to be turned into probabilities, in double precision:
            one number an image by a sigmoid, (N, K) by a softmax.
        column: Which column of (N, K) is meant, from 0: the one that `returns` speaks of. Without
            `logits` the columns must sum to 1.
        frames: How many frames of one video it takes at once, T, where it takes clips: it gets
            (N, T, H, W, 3), or (N, T, 3, H, W), frames in order, and gives one number a clip.
            Of a video with more frames, the centres of T equal parts are taken; one with fewer has
            no score, and a status that says so. None for single images.

    Returns:
        A scorer: `.name`, `.scores(images)`, P(fake) of shape (N,), and `.score_video(path)`; it
        keeps all of these settings, by their names. Of a `torch.nn.Module` it is
        `types.Explainable`: `interpret` and `causal` take it as they take a `Detector`, layers and
        sites being the paths of `module.named_modules()`. With `frames`, `scores` takes videos, a
        sequence of the frames of each, and there are no maps.

    Raises:
        InputError: An argument is none of the above.

    Examples:
        >>> brightness = as_detector(lambda x: x.mean(axis=(1, 2, 3)), name="brightness", size=8)
        >>> brightness.scores(np.full((2, 16, 16, 3), 51, np.uint8)).round(3)
        array([0.2, 0.2], dtype=float32)
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
    if frames is not None:
        frames = check_whole("frames", frames, least=1)
    sides = _pair(size)
    kind: type[FunctionDetector] = FunctionDetector
    if is_torch_module(function):
        function, channels = TorchFunction(function), "first"
        kind = TorchDetector if frames is None else FunctionDetector
    return kind(name, sides, returns, channels, scale, function, batch_size, logits, column, frames)


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
    frames: int | None = None

    def scores(self, images: _Given, *, batch_size: int = 32) -> AnyArray:
        """Score images, or clips with `frames`, as `Detector.scores` does: (N,), P(fake) in [0, 1].

        float64 where the function gives that, its numbers are P(real) or logits, else float32.
        What is no image, or not one number in [0, 1] for each, raises `InputError`.
        """
        batch_size = check_whole("batch_size", batch_size, least=1)
        outputs: list[AnyArray] = []
        for batch in given_batches(images, self.frames, self.size, self.batch_size or batch_size):
            outputs.append(self._call(batch, first=sum(map(len, outputs))))
        return np.concatenate(outputs) if outputs else np.zeros(0, np.float32)

    def __call__(self, images: _Given, *, batch_size: int = 32) -> AnyArray:
        """Score images; see `scores`."""
        return self.scores(images, batch_size=batch_size)

    def _call(self, batch: AnyArray, *, first: int) -> AnyArray:
        count = len(batch)
        batch = self._as_taken(batch)
        with noted(
            f"raised by the function of the detector {self.name} on images {first} to "
            f"{first + count - 1}, given {describe(batch)}"
        ):
            returned = self._returned(batch)
        return self.fake_of(returned, len(batch))[:count]

    def _as_taken(self, batch: AnyArray) -> AnyArray:
        """Return images as the function takes them: how many, and how."""
        if self.batch_size is not None:
            more = [(0, self.batch_size - len(batch)), *[(0, 0)] * (batch.ndim - 1)]
            batch = np.pad(batch, more, mode="edge")
        if self.scale == "uint8":
            batch = np.rint(batch * 255).astype(np.uint8)
        if self.channels == "first":
            batch = np.ascontiguousarray(np.moveaxis(batch, -1, -3))
        return batch

    def fake_of(self, returned: Any, count: int) -> AnyArray:
        """Turn what the function gave for so many images into P(fake), (count,)."""
        real = self.returns == "real"
        return p_fake(
            returned, count, source=self.name, real=real, logits=self.logits, column=self.column
        )

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


@dataclass(frozen=True, eq=False)
class TorchDetector(FunctionDetector):
    """What `as_detector` returns for a `torch.nn.Module`: scores, maps and causal effects."""

    function: TorchFunction = field(repr=False)

    def weighted_maps(self, images: Images, rule: MapRule, view: MapView) -> tuple[FloatArray, str]:
        """Return signed maps at a layer, and its path; see `types.Explainable`."""
        from deepfake_generalize.models.torch_passes import weighted_maps

        name = self._default_layer if view.layer is None else view.layer
        compute = partial(weighted_maps, self, rule=rule, view=view, layer=name)
        return self._joined(compute, images, view, (1, 1)), name

    def guided_gradient(self, images: Images, view: MapView) -> FloatArray:
        """Return the guided gradient in the images; see `types.Explainable`."""
        from deepfake_generalize.models.torch_passes import guided_gradient

        compute = partial(guided_gradient, self, target=view.target)
        return self._joined(compute, images, view, (*self.size, 3))

    def open_site(self, site: str) -> Site:
        """Cut the module open where neurons are set; see `types.Explainable`."""
        from deepfake_generalize.models.torch_passes import open_site

        return open_site(self, site, self._noise())

    def redrawn(self, seed: int, *, behind: str | None = None) -> Self:
        """Return a detector with new weights; see `types.Explainable`."""
        from deepfake_generalize.models.torch_passes import redrawn

        made = redrawn(self, seed, self._noise(), behind)
        name = f"{self.name}, {'untrained' if behind is None else 'new head'}"
        return replace(self, name=name, function=TorchFunction(made))

    def rows(self, returned: Any, count: int) -> Any:
        """Return what the module gave for so many images as (N, K), or refuse it."""
        self.fake_of(returned, count)
        return single(returned, self.name).reshape(count, -1)

    def tensors(self, images: Images, batch_size: int) -> Iterator[tuple[Any, int]]:
        """Yield batches as the module takes them, and how many images each stands for."""
        for batch in unit_batches(images, self.size, self.batch_size or batch_size):
            yield self.function.tensor(self._as_taken(batch)), len(batch)

    @cached_property
    def _default_layer(self) -> str:
        from deepfake_generalize.models.torch_passes import default_layer

        return default_layer(self, self._noise())

    def _noise(self) -> Any:
        """Return a few images of noise, as the module takes them."""
        noise = np.random.default_rng(0).random((self.batch_size or 3, *self.size, 3), np.float32)
        return self.function.tensor(self._as_taken(noise))

    def _joined(
        self, compute: Callable[[Any], Any], images: Images, view: MapView, shape: tuple[int, ...]
    ) -> FloatArray:
        given = self.tensors(images, view.batch_size)
        parts = [compute(tensor)[:count].cpu().numpy() for tensor, count in given]
        return np.concatenate(parts) if parts else np.zeros((0, *shape), np.float32)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(is_whole(side, least=1) for side in sides):
        expected = "size as a side or as (height, width) in pixels"
        raise InputError(f"expected {expected}, received {size!r}.")
    return int(sides[0]), int(sides[1])
