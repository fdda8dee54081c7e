"""Guided Grad-CAM: which pixels, within the regions that Grad-CAM shows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.backward import (
    check_call,
    common_size,
    guided_gradient,
    weighted_features,
)
from deepfake_generalize.interpret.grad_cam import empty_message, finished
from deepfake_generalize.models.surgery import last_convolution

if TYPE_CHECKING:
    from deepfake_generalize.models.detectors import Detector
    from deepfake_generalize.types import FloatArray, Images


def guided_grad_cam(
    detector: Detector,
    images: Images,
    *,
    target: Literal["fake", "real"] = "fake",
    layer: str | None = None,
    batch_size: int = 32,
) -> FloatArray:
    """Map which pixels speak for "fake" (or "real"): guided backpropagation times Grad-CAM.

    Grad-CAM says where, as coarsely as its layer sees; the guided gradient of the logit says in
    which pixels and colours, but hardly depends on the class. Their product is fine and of the
    class. Sources: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization", section 3.2; Springenberg et al., "Striving for Simplicity: The
    All Convolutional Net", section 3.4.

    Args:
        detector: A Keras network that ends in a sigmoid or softmax.
        images: As in `grad_cam`.
        target: The verdict whose evidence is shown.
        layer: Grad-CAM's layer, as in `grad_cam`.
        batch_size: Images at a time; bounds the memory.

    Returns:
        (N, H, W, 3) float32 at the size of the images, in [-1, 1]: the product, divided by its
        largest magnitude in each image. Above 0, more of that colour there speaks for the target.
        A product that is zero everywhere stays so, and one warning says how many there are and why.

    Raises:
        InputError: As in `grad_cam`.

    Reproduction notes:
        At every rectifier a gradient passes only where it is positive and so is the rectifier's
        output, times the rectifier's own slope. For ReLU that is Springenberg's rule. The same
        holds for its kin with a leak or a soft bend (LeakyReLU, PReLU, ELU, SELU, CELU, GELU, SiLU
        or swish, Mish, ReLU6 and their hard forms), for which the source has no rule, as a layer of
        their own or as the `activation` of another. Every other activation is differentiated as it
        is. What a custom layer does inside is not seen. The paper's text ends its account of
        Grad-CAM with this product; its scripts and figures show Grad-CAM alone.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> import keras
        >>> keras.utils.set_random_seed(0)
        >>> photographs = np.random.default_rng(0).random((2, 48, 40, 3))
        >>> guided_grad_cam(Detector(mesonet((32, 32, 3))), photographs).shape
        (2, 48, 40, 3)
    """
    size = common_size(images, check_call(detector, target).size)
    name = last_convolution(detector.model) if layer is None else layer
    signed = weighted_features(detector, images, target=target, layer=name, batch_size=batch_size)
    if signed is None:
        return np.zeros((0, *size, 3), np.float32)
    maps, empty = finished(signed, size, relu=True, layer=name)
    gradient = guided_gradient(detector, images, target=target, batch_size=batch_size)
    product: FloatArray = tf.image.resize(gradient, size).numpy() * maps[..., None]
    if not np.isfinite(product).all():
        raise InputError(
            "expected a finite guided gradient, received NaN or infinity.",
            hint="The network's weights may have diverged.",
        )
    scale = np.abs(product).max(axis=(1, 2, 3), keepdims=True)
    blocked = (scale[:, 0, 0, 0] == 0) & ~empty
    reasons = []
    if empty.any():
        reasons.append(empty_message(signed.numpy()[empty], len(maps), target=target, layer=name))
    if blocked.any():
        reasons.append(
            f"{int(blocked.sum())} of {len(maps)} maps are returned as zeros: no positive gradient "
            "reaches the image through the rectifiers there."
        )
    if reasons:
        warnings.warn(" ".join(reasons), RuntimeWarning, stacklevel=2)
    return np.divide(product, np.where(scale == 0, np.float32(1), scale), dtype=np.float32)
