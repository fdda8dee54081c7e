"""Grad-CAM: which parts of a face speak for a detector's verdict."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, cast
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.logits import Logits, logits_of
from deepfake_generalize.models.batching import unit_batches
from deepfake_generalize.models.detector import Detector
from deepfake_generalize.models.surgery import cut, last_convolution
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from deepfake_generalize.types import AnyArray, FloatArray, Images

_TARGETS = ("fake", "real")

# Tracing takes longer than the maps of many batches, so a network's functions are kept as long as
# the network itself is.
_compiled: WeakKeyDictionary[keras.Model, dict[tuple[Any, ...], Callable[..., Any]]] = (
    WeakKeyDictionary()
)


def grad_cam(
    detector: Detector,
    images: Images,
    *,
    target: Literal["fake", "real"] = "fake",
    layer: str | None = None,
    relu: bool = True,
    batch_size: int = 32,
) -> FloatArray:
    """Map which parts of each image speak for "fake" (or "real") in a detector's eyes.

    A channel of the layer weighs as much as the verdict rises with it: the mean over the positions
    of the logit's gradient. The map is the weighted sum of the channels. Source: Selvaraju et al.,
    "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", section 3.

    Args:
        detector: A Keras network that ends in a sigmoid or softmax.
        images: (N, H, W, 3) RGB, uint8 in 0 to 255 or float in [0, 1]; or a sequence of (H, W, 3)
            of one size. Other sizes than the network's are resized for it as in `Detector.scores`.
        target: The verdict whose evidence is shown.
        layer: A layer with (N, h, w, C) outputs, by name, through which everything flows; the last
            convolution by default.
        relu: Show only what speaks for the target, each map stretched to [0, 1]. False shows what
            speaks against it too: signed, each map divided by its largest magnitude.
        batch_size: Images at a time; bounds the memory.

    Returns:
        (N, H, W) float32 at the size of the images, in [0, 1], or in [-1, 1] without ReLU. A map
        that is the same everywhere cannot be stretched: it is zeros, and one warning says how many
        there are and why.

    Raises:
        InputError: Images of another shape, dtype, range or of unequal sizes, an unknown target or
            layer, a layer that does not give maps, a network that gives NaN, or one whose logit
            cannot be reached.

    Reproduction notes:
        The gradient is the logit's, as in the paper of Grad-CAM, where tf-explain and so the
        study's scripts take that of the probability. For one sigmoid unit the two differ by a
        positive factor an image, which stretching cancels, until the sigmoid saturates and the
        probability's gradient is zero. tf-explain's default also drops negative gradients and those
        at silent positions, and its maps have no ReLU; neither is done here. Of softmax columns the
        target's own logit is taken; with more than two, "real" is all the others together
        (log-sum-exp).

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> import keras
        >>> keras.utils.set_random_seed(0)
        >>> photographs = np.random.default_rng(0).random((2, 48, 40, 3))
        >>> grad_cam(Detector(mesonet((32, 32, 3))), photographs, relu=False).shape
        (2, 48, 40)
    """
    if not isinstance(detector, Detector):
        raise InputError(
            f"expected a models.Detector, received {describe(detector)}.",
            hint="Grad-CAM needs the network's gradient; a plain function has none.",
        )
    if target not in _TARGETS:
        raise InputError(f"expected target to be one of fake, real, received {target}.")
    size = _common_size(images, detector.size)
    name = last_convolution(detector.model) if layer is None else layer
    explain = _function(detector, name, target)
    signed = [
        explain(tf.constant(batch)) for batch in unit_batches(images, detector.size, batch_size)
    ]
    if not signed:
        return np.zeros((0, *size), np.float32)
    return _finished(tf.concat(signed, axis=0), size, relu=relu, target=target, layer=name)


def _common_size(images: Images, default: tuple[int, int]) -> tuple[int, int]:
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


def _function(detector: Detector, layer: str, target: str) -> Callable[..., Any]:
    """Return the compiled function of a detector, from images to signed maps (N, h, w)."""
    kept = _compiled.setdefault(detector.model, {})
    key = (detector.fake_index, layer, target)
    if key not in kept:
        kept[key] = _compile(detector.model, detector.size, detector.fake_index, layer, target)
    return kept[key]


def _compile(
    model: keras.Model, size: tuple[int, int], fake_index: int, layer: str, target: str
) -> Callable[..., Any]:
    parts = cut(model, layer)
    if len(parts.trunk.output_shape) != 4:
        raise InputError(
            f"expected a layer with outputs (None, h, w, C), received {layer!r} with "
            f"{parts.trunk.output_shape}.",
            hint="Name a convolution, or what follows one.",
        )
    logits: Logits = logits_of(parts.tail)

    def maps(images: Any) -> Any:
        features = parts.trunk(images, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(features)
            verdict = logits.of_class(features, fake_index, against=target == "real")
        gradient = tape.gradient(verdict, features)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        return tf.cast(tf.reduce_sum(weights * features, axis=-1), tf.float32)

    signature = [tf.TensorSpec((None, *size, 3), tf.float32)]
    return cast("Callable[..., Any]", tf.function(maps, input_signature=signature))


def _finished(
    signed: Any, size: tuple[int, int], *, relu: bool, target: str, layer: str
) -> FloatArray:
    """Rectify, resize bilinearly and scale signed maps."""
    if not bool(tf.reduce_all(tf.math.is_finite(signed))):
        raise InputError(
            f"expected finite maps at {layer!r}, received NaN or infinity.",
            hint="The network's weights may have diverged.",
        )
    shown = tf.nn.relu(signed) if relu else signed
    maps: FloatArray = tf.image.resize(shown[..., None], size)[..., 0].numpy()
    if relu:
        maps -= maps.min(axis=(1, 2), keepdims=True)
    scale = np.abs(maps).max(axis=(1, 2), keepdims=True)
    flat = scale[:, 0, 0] == 0
    if flat.any():
        _warn_of_flat(signed.numpy()[flat], len(maps), target=target, layer=layer)
    scaled: FloatArray = np.divide(maps, np.where(scale == 0, np.float32(1), scale))
    return scaled


def _warn_of_flat(signed: AnyArray, total: int, *, target: str, layer: str) -> None:
    """Warn once, with the number of flat maps by reason."""
    vanished = int((signed == 0).all(axis=(1, 2)).sum())
    opposed = int((signed <= 0).all(axis=(1, 2)).sum()) - vanished
    uniform = len(signed) - vanished - opposed
    reasons = []
    if opposed:
        reasons.append(
            f"in {opposed} nothing at {layer!r} speaks for {target!r}, relu=False shows what "
            "speaks against it"
        )
    if vanished:
        reasons.append(
            f"in {vanished} the layer's features or the logit's gradient are zero, so the network "
            "does not depend on them"
        )
    if uniform:
        reasons.append(f"in {uniform} every position counts the same")
    warnings.warn(
        f"{len(signed)} of {total} maps are returned as zeros: {'; '.join(reasons)}.",
        RuntimeWarning,
        stacklevel=4,
    )
