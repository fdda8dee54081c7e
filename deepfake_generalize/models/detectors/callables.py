"""Any function from images to numbers, with the interface of a detector."""

from __future__ import annotations

import itertools
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.batching import (
    check_sums,
    checked_scores,
    given_batches,
    unit_batches,
)
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
    refuse_masked,
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


def is_torch_module(value: object) -> bool:
    """Say whether this is a `torch.nn.Module`: then its owner has imported PyTorch already."""
    torch = sys.modules.get("torch")
    module = getattr(getattr(torch, "nn", None), "Module", None)
    return module is not None and isinstance(value, module)


@dataclass(frozen=True, eq=False)
class TorchFunction:
    """A module as a function from arrays to what it gives for them in inference."""

    module: Any

    def __call__(self, batch: AnyArray) -> Any:
        """Compute a batch."""
        with sys.modules["torch"].no_grad():
            return self.given(self.tensor(batch))

    def given(self, tensor: Any) -> Any:
        """Return what the module gives in eval mode."""
        with _evaluating(self.module):
            return self.module(tensor)

    def tensor(self, batch: AnyArray) -> Any:
        """Return a batch as the module takes it."""
        tensor = sys.modules["torch"].from_numpy(batch)
        weights = itertools.chain(self.module.parameters(), self.module.buffers())
        if (first := next((w for w in weights if w.is_floating_point()), None)) is not None:
            tensor = tensor.to(first.device, first.dtype if tensor.is_floating_point() else None)
        return tensor


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    training = [part for part in module.modules() if getattr(part, "training", False)]
    if training:
        with suppress(NotImplementedError):  # Exported programs have one mode only.
            module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


_LOGITS = (
    "Numbers that are no probabilities yet: as_detector(..., logits=True) puts a sigmoid, or a "
    "softmax over columns, behind the function (docs: guides/my-detector)."
)
_COLUMN = (
    "Say which column is P(fake), as_detector(..., column=1), or which is P(real), column=0 with "
    "returns='real' (docs: guides/my-detector)."
)
_ONE_BATCH = (
    "If it computes a fixed number of images at once, say so: as_detector(..., batch_size=1). "
    "squeeze() drops the axis of images too: squeeze(axis=1)."
)


def p_fake(
    returned: Any, count: int, *, source: str, real: bool, logits: bool, column: int | None
) -> AnyArray:
    """Turn what a function gave for `count` images into P(fake), (count,).

    `returned` is (count,), (count, 1) or (count, K): an array or tensor, a list of numbers or
    tensors, or a list, tuple or mapping that holds one of these; further axes of one are dropped.
    """
    rows, dtype = _rows(returned, count, source, column)
    kept = column or 0
    if logits:
        if not np.isfinite(rows).all():
            raise InputError(
                f"expected logits from {source}, received NaN or infinity.",
                hint="Its weights may have diverged, or the input may be scaled wrongly.",
            )
        return _softmax(rows.astype(np.float64), kept, real=real)
    rows = checked_scores(rows, source=source, hint=_LOGITS)
    if rows.shape[1] > 1:
        check_sums(rows, source=source, dtype=dtype, hint=_LOGITS)
    numbers: AnyArray = rows[:, kept]
    if real:
        return 1.0 - numbers.astype(np.float64)
    return numbers if dtype == "float64" else numbers.astype(np.float32)


def _softmax(rows: AnyArray, kept: int, *, real: bool) -> AnyArray:
    """Return P(fake), computed from the small side, so that what is near 0 keeps its digits."""
    if rows.shape[1] == 1:  # A sigmoid is a softmax of which the other column is 0.
        rows, kept = np.hstack([np.zeros_like(rows), rows]), 1
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    chosen = np.arange(rows.shape[1]) == kept
    shares: AnyArray = powers[:, chosen != real].sum(axis=1) / powers.sum(axis=1)
    return shares


def _rows(returned: Any, count: int, source: str, column: int | None) -> tuple[AnyArray, str]:
    """Return (count, K) numbers and the type that the function gave them in."""
    numbers, dtype = _to_numpy(single(returned, source), source)
    if count == 1 and numbers.shape[:1] != (1,):
        numbers = numbers[np.newaxis]
    while numbers.ndim > 2 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    rows = numbers[:, np.newaxis] if numbers.ndim == 1 else numbers
    columns = rows.shape[1] if rows.ndim == 2 else 0
    counted = columns > 0 and len(rows) == count
    if not counted or (column is None and columns > 1):
        raise InputError(
            f"expected one number an image from {source}, shape ({count},) or ({count}, 1), "
            f"received shape {numbers.shape}.",
            hint=_COLUMN if counted else _ONE_BATCH,
        )
    if column is not None and column >= columns:
        raise InputError(
            f"expected column {column} in what {source} gives, received {columns} column(s), "
            "counted from 0.",
            hint="Leave column= out where there is one." if columns == 1 else "Choose another.",
        )
    return rows, dtype


def single(value: Any, source: str) -> Any:
    """Return what is in a list, tuple or mapping of one output, else the value itself."""
    if isinstance(value, Mapping):
        parts, several, told = list(value.values()), len(value) > 1, ", ".join(map(str, value))
    elif isinstance(value, list | tuple):
        parts = list(value)
        shapes = [tuple(getattr(part, "shape", ())) for part in parts]
        # A list may hold what belongs to each image, a tuple of longer arrays does not.
        several = len(parts) > 1 and any(math.prod(shape) > 1 for shape in shapes)
        several = several and (isinstance(value, tuple) or len(set(shapes)) > 1)
        told = ", ".join(map(str, shapes))
        if not several and (len(parts) != 1 or not shapes[0]):
            return value
    else:
        return value
    if several or not parts:
        raise InputError(
            f"expected one output from {source}, received {len(parts)}: {told}.",
            hint="Return the one that says fake or real.",
        )
    return single(parts[0], source)


def _on_cpu(value: Any) -> tuple[Any, str]:
    """Return a tensor of PyTorch or TensorFlow as an array, all else as it is; and its type."""
    dtype = str(getattr(value, "dtype", "")).rpartition(".")[2]
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if dtype == "bfloat16" else value
    value = value.numpy() if hasattr(value, "numpy") else value
    return value, str(getattr(value, "dtype", "")) if dtype != "bfloat16" else dtype


def _to_numpy(value: Any, source: str) -> tuple[AnyArray, str]:
    """Turn an array, a tensor, or a list of either into float64, and say what type it had."""
    try:
        value, dtype = _on_cpu(value)
        if isinstance(value, list | tuple) and value:
            parts = [_on_cpu(part) for part in value]
            value, dtype = [part for part, _ in parts], parts[0][1]
        given = np.asarray(value)
        if given.dtype.kind in "cSUMm":
            raise TypeError(f"{given.dtype} are no real numbers")  # noqa: TRY301
        numbers = np.asarray(given, np.float64)
    except Exception as error:  # Tensors of other libraries raise many kinds.
        raise InputError(
            f"expected numbers from {source}, received {describe(value)}: {error}",
            hint="Return one number an image: an array, a tensor or a list.",
        ) from error
    refuse_masked(f"the numbers of {source}", value, hint="Fill them, or leave the images out.")
    return numbers, dtype
