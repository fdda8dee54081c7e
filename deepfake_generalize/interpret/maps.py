"""What every kind of map shares: the call checked, the signed map shown at the images' size."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, Explainable, FloatArray, Images, MapRule, MapView
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
