"""Which parts, and which pixels, speak for a detector's verdict: Grad-CAM and its kin."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, cast

import cv2
import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.types import (
    AnyArray,
    Explainable,
    FloatArray,
    Images,
    MapOps,
    MapRule,
    MapView,
)
from deepfake_generalize.validation import check_choice, check_explainable, is_whole

_ROUNDING = 8 * np.finfo(np.float32).eps
"""What positions of a map may differ by, as a share of its largest, and count the same."""


def shown_maps(
    detector: Explainable, images: Images, rule: MapRule, view: MapView, *, relu: bool
) -> FloatArray:
    """Return the maps of a rule as `grad_cam` does, with one warning of those that are empty."""
    signed, size, name = signed_maps(detector, images, rule, view)
    maps, flat = finished(signed, size, relu=relu, layer=name)
    if flat.any():
        message = empty_message(signed[flat], len(maps), target=view.target, layer=name, relu=relu)
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    return maps


def signed_maps(
    detector: Explainable, images: Images, rule: MapRule, view: MapView
) -> tuple[FloatArray, tuple[int, int], str]:
    """Check a call; return the layer's signed maps, the images' size and the layer's name."""
    check_explainable(detector)
    check_choice("target", view.target, ("fake", "real"))
    grid = view.grid
    if grid is not None and not (len(grid) == 2 and all(is_whole(side, least=1) for side in grid)):
        raise InputError(f"expected grid as (height, width) of the tokens, received {grid!r}.")
    size = common_size(images, detector.size)
    signed, name = detector.weighted_maps(images, rule, view)
    return signed, size, name


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


def finished(
    signed: FloatArray, size: tuple[int, int], *, relu: bool, layer: str
) -> tuple[FloatArray, AnyArray]:
    """Rectify, resize and scale signed maps; return them and which (N,) are the same everywhere."""
    if not np.isfinite(signed).all():
        raise InputError(
            f"expected finite maps at {layer!r}, received NaN or infinity.",
            hint="The network's weights may have diverged.",
        )
    height, width = size
    small: FloatArray = np.maximum(signed, 0) if relu else signed
    spread = small.max(axis=(1, 2)) - small.min(axis=(1, 2))
    uniform = spread <= _ROUNDING * np.abs(small).max(axis=(1, 2))
    # OpenCV rounds along a side of one pixel.
    alone = [(0, int(side == 1)) for side in small.shape[1:]]
    small = np.pad(small, [(0, 0), *alone], mode="edge")
    maps = np.empty((len(small), height, width), np.float32)
    flat = np.zeros(len(small), bool)
    # One after the other, so that a map is still in the cache when it is scaled.
    for number, features in enumerate(small):
        shown = cv2.resize(features, (width, height), interpolation=cv2.INTER_LINEAR)
        if relu:
            shown -= shown.min()
        scale = max(shown.max(), -shown.min())
        flat[number] = uniform[number] or scale == 0
        if flat[number]:
            maps[number] = 0
        else:
            np.divide(shown, scale, out=maps[number])
    return maps, flat


def empty_message(
    signed: AnyArray, total: int, *, target: str, layer: str, relu: bool = True
) -> str:
    """Say how many of all maps are zeros, and why; `signed` (N, h, w) are those, unrectified."""
    vanished = int((signed == 0).all(axis=(1, 2)).sum())
    opposed = int((signed <= 0).all(axis=(1, 2)).sum()) - vanished if relu else 0
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
    return f"{len(signed)} of {total} maps are returned as zeros: {'; '.join(reasons)}."


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

    Arguments and errors are those of `grad_cam`; `layer` and `grid` are of its map.

    Returns:
        (N, H, W, 3) float32 at the size of the images, in [-1, 1]: the product, divided by its
        largest magnitude in each image. Above 0, more of that colour there speaks for the target.
        A product that is zero everywhere stays so, and one warning says how many there are and why.

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


_LEAST = 1e-6
"""Added where a channel's gradient is zero, as pytorch-grad-cam does."""


def _by_positive_gradient(features: Any, gradient: Any, ops: MapOps) -> Any:
    squared = gradient**2
    shares = squared / (2 * squared + ops.total(features) * gradient * squared + _LEAST)
    return ops.across(ops.total(ops.relu(gradient) * shares) * features)


def grad_cam_plus_plus(
    detector: Explainable,
    images: Images,
    *,
    target: Literal["fake", "real"] = "fake",
    layer: str | None = None,
    grid: tuple[int, int] | None = None,
    relu: bool = True,
    batch_size: int = 32,
) -> FloatArray:
    """Map which parts speak for the verdict, several places of one kind each in full.

    Where Grad-CAM weighs a channel by the gradient's mean, so that a trace seen in one small place
    counts little, this sums the positive gradients, each by its share in the channel's evidence.
    Source: Chattopadhay et al., "Grad-CAM++: Generalized Gradient-Based Visual Explanations for
    Deep Convolutional Networks", equations 10 and 19.

    Arguments and errors are those of `grad_cam`.

    Returns:
        (N, H, W) float32 in [0, 1], or in [-1, 1] without ReLU, as `grad_cam` gives.

    Reproduction notes:
        The class score of the paper is the exponential of the logit, whose factor is the same for
        all positions and is left out, as by pytorch-grad-cam.

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> detector = Detector(mesonet((32, 32, 3)))
        >>> grad_cam_plus_plus(detector, np.zeros((0, 8, 8, 3))).shape
        (0, 8, 8)
    """
    view = MapView(target, layer, grid, batch_size)
    return shown_maps(detector, images, _by_positive_gradient, view, relu=relu)


def _by_product(features: Any, gradient: Any, ops: MapOps) -> Any:
    return ops.across(gradient * features)


def hires_cam(
    detector: Explainable,
    images: Images,
    *,
    target: Literal["fake", "real"] = "fake",
    layer: str | None = None,
    grid: tuple[int, int] | None = None,
    relu: bool = True,
    batch_size: int = 32,
) -> FloatArray:
    """Map which parts the verdict was read from, position by position.

    Grad-CAM means the gradient over the positions and can show places that the network did not
    use. Here each position keeps its own: if what follows the layer is one dense layer, the signed
    map's sum is the logit but for the bias. Source: Draelos & Carin, "Use HiResCAM instead of
    Grad-CAM for faithful explanations of convolutional neural networks", section 3.

    Arguments and errors are those of `grad_cam`.

    Returns:
        (N, H, W) float32 in [0, 1], or in [-1, 1] without ReLU, as `grad_cam` gives.

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> hires_cam(Detector(mesonet((32, 32, 3))), np.zeros((0, 8, 8, 3))).shape
        (0, 8, 8)
    """
    view = MapView(target, layer, grid, batch_size)
    return shown_maps(detector, images, _by_product, view, relu=relu)
