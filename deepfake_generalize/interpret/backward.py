"""Compiled passes through a network and back, kept as long as the network itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.logits import logit_of
from deepfake_generalize.models.detectors import Detector, run_in_parts, unit_batches
from deepfake_generalize.models.surgery import closed_parts, graph_layers, only
from deepfake_generalize.types import Images
from deepfake_generalize.validation import check_choice, check_type

_KIN = ["LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Swish", "Mish"]
_HARD = ["ReLU6", "HardSiLU", "HardSwish"]
_RECTIFIERS = frozenset(name.lower() for name in ("ReLU", *_KIN, *_HARD))

_SCALES = (1.0, 2.0**8, 2.0**15)
"""Of the logit, in half precision: float16 holds up to 65,504."""

# Tracing takes longer than the maps of many batches, so a network's functions are kept as long as
# the network itself is.
_compiled: WeakKeyDictionary[keras.Model, dict[tuple[Any, ...], Callable[..., Any]]] = (
    WeakKeyDictionary()
)


def check_call(detector: object, target: str) -> None:
    """Raise unless a heat map can be asked for: a Keras network, and "fake" or "real"."""
    check_type(
        "a models.Detector",
        detector,
        Detector,
        hint="A heat map needs the network's gradient; a plain function has none.",
    )
    check_choice("target", target, ("fake", "real"))


def common_size(images: object, default: tuple[int, int]) -> tuple[int, int]:
    """Return the one (height, width) of all images; `default` for an empty sequence."""
    if isinstance(images, np.ndarray):
        return cast("tuple[int, int]", images.shape[1:3] if images.ndim == 4 else default)
    if not isinstance(images, Sequence):
        return default  # Refused where they are read.
    sizes = {image.shape[:2] for image in images if isinstance(image, np.ndarray)}
    if len(sizes) > 1:
        raise InputError(
            f"expected images of one size, received {', '.join(map(str, sorted(sizes)))}.",
            hint="The maps are given at the images' size: resize them, or call once a size.",
        )
    return next(iter(sizes), default)


def weighted_features(
    detector: Detector, images: Images, *, target: str, layer: str, batch_size: int
) -> Any:
    """Return the maps of Grad-CAM as they leave the layer: signed, unscaled, (N, h, w) float32.

    None of no images. What comes before the layer is computed once and not differentiated: a pass
    forward, and one back from the logit to the layer.
    """

    def trace(images: Any) -> Any:
        found: list[tuple[Any, bool]] = []
        channels_first = _Format()
        with _tape(detector) as tape:

            def around(current: Any, inputs: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
                output = only(compute())
                first = channels_first.note(current, inputs, output)
                if current.name == layer:
                    # A copy: a layer that passes its input on must not stand for the input's other
                    # readers, too.
                    output = tf.nest.map_structure(tf.identity, output)
                    channels_first.keep(output, first)
                    tape.watch(output)
                    found.append((output, first))
                return output

            logit = logit_of(detector, target, images, around)
        features, first = _only_map(found, layer, detector.model)
        gradient = _gradient(tape, logit, features)
        channels, positions = (1, (2, 3)) if first else (3, (1, 2))
        weights = tf.reduce_mean(gradient, axis=positions, keepdims=True)
        signed = tf.reduce_sum(weights * _widened(features), axis=channels)
        return tf.cast(signed, tf.float32)

    return in_batches(detector, ("features", layer, target), trace, images, batch_size)


def guided_gradient(detector: Detector, images: Images, *, target: str, batch_size: int) -> Any:
    """Return the guided gradient of the logit with respect to the image, (N, h, w, 3) float32."""

    def around(layer: Any, _: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        return _gate(compute()) if _is_rectifier(layer) else compute()

    def trace(images: Any) -> Any:
        with _tape(detector) as tape:
            tape.watch(images)
            logit = logit_of(detector, target, images, around)
        return _gradient(tape, logit, images)

    return in_batches(detector, ("guided", target), trace, images, batch_size)


class _Format:
    """Which tensors have their channels first, followed from layer to layer.

    Layers that have positions say so; what they have no word on (activations, normalization)
    keeps its input's order.
    """

    def __init__(self) -> None:
        # The tensors are kept with their answers: an `id` is free again when its tensor is gone.
        self._known: dict[int, tuple[Any, bool]] = {}

    def note(self, layer: Any, inputs: tuple[Any, ...], output: Any) -> bool:
        """Take down, and return, whether what a layer made of its inputs has channels first."""
        if id(output) in self._known:  # Passed on as it came, or out of a nested model.
            return self._known[id(output)][1]
        said = getattr(layer, "data_format", None)
        known = [self._known[id(tensor)][1] for tensor in inputs if id(tensor) in self._known]
        first = said == "channels_first" if said else any(known)
        if isinstance(layer, keras.layers.Permute):
            first = {(3, 1, 2): True, (2, 3, 1): False}.get(layer.dims, first)
        return self.keep(output, first)

    def keep(self, tensor: Any, first: bool) -> bool:
        """Take down whether a tensor has its channels first, and return it."""
        self._known[id(tensor)] = (tensor, first)
        return first


def _tape(detector: Detector) -> tf.GradientTape:
    """Return a tape; one that can go back several times where a layer computes in float16."""
    half = any(
        getattr(layer, "compute_dtype", "") == "float16" for layer in graph_layers(detector.model)
    )
    return tf.GradientTape(persistent=half, watch_accessed_variables=False)


def _gradient(tape: tf.GradientTape, logit: Any, source: Any) -> Any:
    """Return the gradient of each image's logit, in float32 where it was computed in less.

    In float16 a gradient that is shared by many positions falls below the least number there is.
    So the logit is scaled: each image takes the largest scale at which nothing overflows.
    """
    if not tape._persistent:
        return _widened(tape.gradient(logit, source, unconnected_gradients="zero"))
    chosen: Any = None
    for scale in _SCALES:
        scaled = tape.gradient(
            logit,
            source,
            output_gradients=tf.fill(tf.shape(logit), scale),
            unconnected_gradients="zero",
        )
        gradient = _widened(scaled) / scale
        finite = tf.reduce_all(
            tf.math.is_finite(gradient), axis=range(1, len(gradient.shape)), keepdims=True
        )
        chosen = gradient if chosen is None else tf.where(finite, gradient, chosen)
    return chosen


def _widened(values: Any) -> Any:
    """Return float16 and bfloat16 as float32: sums over positions need its range and digits."""
    return tf.cast(values, tf.float32) if values.dtype.size < tf.float32.size else values


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _gate(rectified: Any) -> Any:
    """Pass values on as they are, and gradients only where they and the values are positive.

    Behind a rectifier this makes its own backward step the guided one: ReLU multiplies by its slope
    as ever, and what comes back is positive at both ends.
    """

    def backward(gradient: Any) -> Any:
        kept = (gradient > 0) & (rectified > 0)
        return tf.where(kept, gradient, tf.zeros_like(gradient))

    return tf.identity(rectified), backward


def _is_rectifier(layer: Any) -> bool:
    """Say whether a layer, or the activation at its end, is ReLU or one of its kin."""
    activation = getattr(layer, "activation", None)
    activation = getattr(activation, "func", activation)  # Of functools.partial.
    kinds = (type(layer).__name__, getattr(activation, "__name__", type(activation).__name__))
    return any(kind.replace("_", "").lower() in _RECTIFIERS for kind in kinds)


def _only_map(found: list[tuple[Any, bool]], layer: str, model: keras.Model) -> tuple[Any, bool]:
    """Return the features of the one call of the layer, if they are maps."""
    if not found:
        names = ", ".join(other.name for other in graph_layers(model))
        raise InputError(
            f"expected the name of a layer of {model.name!r}, received {layer!r}; it has {names}.",
            hint=closed_parts(model),
        )
    if len(found) != 1:
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, used {len(found)} times.",
            hint="Name a layer before or after it.",
        )
    shape = getattr(found[0][0], "shape", ())
    if len(shape) != 4:
        raise InputError(
            f"expected a layer with outputs (None, h, w, C), received {layer!r} with "
            f"{tuple(shape)}.",
            hint="Name a convolution, or what follows one.",
        )
    return found[0]


def in_batches(
    detector: Detector,
    key: tuple[str, ...],
    trace: Callable[[Any], Any],
    images: Images,
    batch_size: int,
) -> Any:
    """Run a function over images, compiled at its first use; None where there are no images."""
    kept = _compiled.setdefault(detector.model, {})
    known = (detector.fake_index, *key)
    if known not in kept:
        signature = [tf.TensorSpec((None, *detector.size, 3), tf.float32)]
        function = tf.function(trace, input_signature=signature, autograph=False)
        # The concrete function holds the variables, and not the model that the key must outlive.
        kept[known] = function.get_concrete_function()
    batches = unit_batches(images, detector.size, batch_size, resizing=detector.resize)
    parts = list(run_in_parts(kept[known], batches, model=detector.model))
    return tf.concat(parts, axis=0) if parts else None
