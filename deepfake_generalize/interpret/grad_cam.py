"""Grad-CAM and Guided Grad-CAM: which parts, and which pixels, speak for a detector's verdict."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret.maps import empty_message, finished, shown_maps, signed_maps
from deepfake_generalize.types import Explainable, FloatArray, Images, MapOps, MapView


def _by_gradient(features: Any, gradient: Any, ops: MapOps) -> Any:
    return ops.across(ops.mean(gradient) * features)


def grad_cam(
    detector: Explainable,
    images: Images,
    *,
    target: Literal["fake", "real"] = "fake",
    layer: str | None = None,
    grid: tuple[int, int] | None = None,
    relu: bool = True,
    batch_size: int = 32,
) -> FloatArray:
    """Map which parts of each image speak for "fake" (or "real") in a detector's eyes.

    A channel of the layer weighs as much as the verdict rises with it: the mean over the positions
    of the logit's gradient. The map is the weighted sum of the channels. Source: Selvaraju et al.,
    "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", section 3.

    Args:
        detector: A `models.Detector` around a Keras network that ends in a sigmoid or softmax, or
            what `models.as_detector` makes of a `torch.nn.Module`.
        images: (N, H, W, 3) RGB, uint8 in 0 to 255 or float in [0, 1]; or a sequence of (H, W, 3)
            of one size. Other sizes than the network's are resized for it as in `Detector.scores`.
        target: The verdict whose evidence is shown.
        layer: A layer with (N, h, w, C) outputs, or (N, C, h, w) if its data format says so (in
            PyTorch always), or with tokens (N, T, C), by name; of a PyTorch module by its path,
            such as `layer4.1.conv2`. It may be inside a nested model, or in a branch: then the map
            shows what that branch says. By default, in a transformer, the last normalization of
            tokens on whose places the verdict depends: in the last block, and its first one if a
            class token is read. Elsewhere the last convolution whose outputs still are a picture,
            so none in a gate or behind the pooling; in PyTorch none aside of the verdict either.
        grid: (height, width) of a layer's tokens; what stands before these, such as a class token,
            is left out. By default all of them, or all but 1, 2, 4 or 5 (a class token, one of
            distillation, four registers), in the image's proportions.
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
        The gradient is the logit's, as in the paper of Grad-CAM; tf-explain, and so the study's
        scripts, take that of the probability, which is zero where the sigmoid saturates. Its
        default also drops negative gradients and those at silent positions, and its maps have no
        ReLU. Of softmax columns the target's own logit is taken; with more than two, "real" is all
        the others together (log-sum-exp). Where layers compute in float16 the logit is scaled on
        its way back, so that the map is that of the same weights in float32.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> photographs = np.random.default_rng(0).random((2, 48, 40, 3))
        >>> grad_cam(Detector(mesonet((32, 32, 3))), photographs, relu=False).shape
        (2, 48, 40)
    """
    view = MapView(target, layer, grid, batch_size)
    return shown_maps(detector, images, _by_gradient, view, relu=relu)


def guided_grad_cam(
    detector: Explainable,
    images: Images,
    *,
    target: Literal["fake", "real"] = "fake",
    layer: str | None = None,
    grid: tuple[int, int] | None = None,
    batch_size: int = 32,
) -> FloatArray:
    """Map which pixels speak for "fake" (or "real"): guided backpropagation times Grad-CAM.

    Sources: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", section 3.2; Springenberg et al., "Striving for Simplicity: The All Convolutional
    Net", section 3.4.

    Args:
        detector: As in `grad_cam`.
        images: As in `grad_cam`.
        target: The verdict whose evidence is shown.
        layer: Grad-CAM's layer, as in `grad_cam`.
        grid: As in `grad_cam`.
        batch_size: Images at a time; bounds the memory.

    Returns:
        (N, H, W, 3) float32 at the size of the images, in [-1, 1]: the product, divided by its
        largest magnitude in each image. Above 0, more of that colour there speaks for the target.
        A product that is zero everywhere stays so, and one warning says how many there are and why.

    Raises:
        InputError: As in `grad_cam`.

    Reproduction notes:
        At every rectifier a gradient passes only where it is positive and so is the rectifier's
        output, times the rectifier's own slope: Springenberg's rule for ReLU, and ours for its kin
        with a leak or a soft bend (LeakyReLU, PReLU, ELU, SELU, CELU, GELU, SiLU or swish, Mish,
        ReLU6 and their hard forms). What a custom layer of Keras does inside is not seen.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> photographs = np.random.default_rng(0).random((2, 48, 40, 3))
        >>> guided_grad_cam(Detector(mesonet((32, 32, 3))), photographs).shape
        (2, 48, 40, 3)
    """
    view = MapView(target, layer, grid, batch_size)
    signed, size, name = signed_maps(detector, images, _by_gradient, view)
    maps, empty = finished(signed, size, relu=True, layer=name)
    gradient = detector.guided_gradient(images, view)
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
        reasons.append(empty_message(signed[empty], len(maps), target=target, layer=name))
    if blocked.any():
        reasons.append(
            f"{int(blocked.sum())} of {len(maps)} maps are returned as zeros: no positive gradient "
            "reaches the image through the rectifiers there."
        )
    if reasons:
        warnings.warn(" ".join(reasons), RuntimeWarning, stacklevel=2)
    return np.divide(product, np.where(scale == 0, np.float32(1), scale), dtype=np.float32)
