"""The one rule by which images are brought to a network's size, in training and in scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from deepfake_generalize.types import AnyArray


def resize(image: AnyArray, size: tuple[int, int]) -> AnyArray:
    """Resize one image: bilinear, and by area where it shrinks beyond a factor of two.

    Up to a factor of two, bilinear interpolation looks at every pixel; beyond, it would skip some
    and alias. At exactly two, the rules coincide.

    Args:
        image: (H, W, 3), uint8 or float32 or float64.
        size: (height, width) in pixels.

    Returns:
        (height, width, 3) of the same dtype; the image itself where the size is right already.

    Examples:
        >>> resize(np.full((10, 20, 3), 7, np.uint8), (4, 4)).shape
        (4, 4, 3)
    """
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    shrinks = max(height / size[0], width / size[1]) > 2
    rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: AnyArray = cv2.resize(
        np.ascontiguousarray(image), (size[1], size[0]), interpolation=rule
    )
    return resized
