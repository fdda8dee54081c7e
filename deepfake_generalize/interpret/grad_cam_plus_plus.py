"""Grad-CAM++: channels weighted by where they speak for the verdict, and not by the mean alone."""

from __future__ import annotations

from typing import Any, Literal

from deepfake_generalize.interpret.maps import shown_maps
from deepfake_generalize.types import Explainable, FloatArray, Images, MapOps, MapView

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

    Args:
        detector: As in `grad_cam`, and so is all else.
        images: (N, H, W, 3), or a sequence of (H, W, 3).
        target: The verdict whose evidence is shown.
        layer: A layer by name or path.
        grid: (height, width) of a layer's tokens.
        relu: Show only what speaks for the target.
        batch_size: Images at a time.

    Returns:
        (N, H, W) float32 in [0, 1], or in [-1, 1] without ReLU, as `grad_cam` gives.

    Raises:
        InputError: As in `grad_cam`.

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
