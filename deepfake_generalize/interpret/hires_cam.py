"""HiResCAM: the gradient of each position times what the layer gives there."""

from __future__ import annotations

from typing import Any, Literal

from deepfake_generalize.interpret.maps import shown_maps
from deepfake_generalize.types import Explainable, FloatArray, Images, MapOps, MapView


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

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> hires_cam(Detector(mesonet((32, 32, 3))), np.zeros((0, 8, 8, 3))).shape
        (0, 8, 8)
    """
    view = MapView(target, layer, grid, batch_size)
    return shown_maps(detector, images, _by_product, view, relu=relu)
