"""Compiled passes through a network and back, kept as long as the network itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.logits import logit_of
from deepfake_generalize.models.detectors import unit_batches
from deepfake_generalize.models.surgery import flat_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from deepfake_generalize.models.detectors import Detector
    from deepfake_generalize.types import Images

_KIN = ["LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Swish", "Mish"]
_HARD = ["ReLU6", "HardSiLU", "HardSwish"]
_RECTIFIERS = frozenset(name.lower() for name in ("ReLU", *_KIN, *_HARD))

# Tracing takes longer than the maps of many batches, so a network's functions are kept as long as
# the network itself is.
_compiled: WeakKeyDictionary[keras.Model, dict[tuple[Any, ...], Callable[..., Any]]] = (
    WeakKeyDictionary()
)


def common_size(images: Images, default: tuple[int, int]) -> tuple[int, int]:
    """Return the one (height, width) of all images; `default` for an empty sequence."""
    if isinstance(images, np.ndarray):
        return cast("tuple[int, int]", images.shape[1:3] if images.ndim == 4 else default)
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
        found: list[Any] = []
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def around(current: Any, _: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
                if current.name != layer:
                    return compute()
                # A copy: a layer that passes its input on must not stand for the input's other
                # readers, too.
                found.append(tf.nest.map_structure(tf.identity, compute()))
                tape.watch(found[-1])
                return found[-1]

            logit = logit_of(detector, target, images, around)
        features = _only_map(found, layer, detector.model)
        gradient = tape.gradient(logit, features, unconnected_gradients="zero")
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        return tf.cast(tf.reduce_sum(weights * features, axis=-1), tf.float32)

    return _in_batches(detector, ("features", layer, target), trace, images, batch_size)


def guided_gradient(detector: Detector, images: Images, *, target: str, batch_size: int) -> Any:
    """Return the guided gradient of the logit with respect to the image, (N, h, w, 3) float32."""

    def around(layer: Any, _: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        return _gate(compute()) if _is_rectifier(layer) else compute()

    def trace(images: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            logit = logit_of(detector, target, images, around)
        return tape.gradient(logit, images, unconnected_gradients="zero")

    return _in_batches(detector, ("guided", target), trace, images, batch_size)


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
    kinds = (type(layer).__name__, getattr(activation, "__name__", type(activation).__name__))
    return any(kind.replace("_", "").lower() in _RECTIFIERS for kind in kinds)


def _only_map(found: list[Any], layer: str, model: keras.Model) -> Any:
    """Return the features of the one call of the layer, if they are maps."""
    if not found:
        names = ", ".join(known.name for known in flat_layers(model))
        raise InputError(
            f"expected the name of a layer of {model.name!r}, received {layer!r}; it has {names}.",
        )
    if len(found) != 1:
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, used {len(found)} times.",
            hint="Name a layer before or after it.",
        )
    shape = getattr(found[0], "shape", ())
    if len(shape) != 4:
        raise InputError(
            f"expected a layer with outputs (None, h, w, C), received {layer!r} with "
            f"{tuple(shape)}.",
            hint="Name a convolution, or what follows one.",
        )
    return found[0]


def _in_batches(
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
    batches = unit_batches(images, detector.size, batch_size)
    parts = [kept[known](tf.constant(batch)) for batch in batches]
    return tf.concat(parts, axis=0) if parts else None
