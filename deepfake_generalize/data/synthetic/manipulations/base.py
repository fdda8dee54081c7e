"""What every manipulation is, what several of them do, and the one that does nothing."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from deepfake_generalize.data.synthetic.canvas import rotated, soft
from deepfake_generalize.data.synthetic.head import Head
from deepfake_generalize.data.synthetic.renderer import Scene
from deepfake_generalize.data.synthetic.shots import Shot
from deepfake_generalize.types import FloatArray


class Manipulation(Protocol):
    """Anything that forges a rendered scene before it reaches the camera."""

    def __call__(self, target: Scene, source: Shot) -> FloatArray:
        """Forge a scene.

        Args:
            target: The footage that is altered; not changed itself.
            source: Who, or whose expression, is put in.

        Returns:
            The altered image, shape and dtype of `target.image`, in [0, 1]; the same as there
            wherever `target.visible` is 0, and the same for the same arguments.
        """
        ...


def inner_face(head: Head, *, feather: float) -> FloatArray:
    """Return the mask (H, W) of the inner face, brows to chin, as face swaps paste it."""
    return face_ellipse(head, middle=0.22, width=0.56, height=0.64, feather=feather)


def face_ellipse(
    head: Head, *, middle: float, width: float, height: float, feather: float
) -> FloatArray:
    """Return the mask of an ellipse on the face, half as wide and high, with a soft edge."""
    across = head.u / np.float32(width)
    along = (head.v - np.float32(middle)) / np.float32(height)
    distance = (np.sqrt(across * across + along * along) - 1) * np.float32(min(width, height))
    return soft(distance, feather)


def blend(target: Scene, fake: FloatArray, mask: FloatArray) -> FloatArray:
    """Put a fake face over the target's where both the mask and the view allow it."""
    alpha = (mask * target.visible)[..., None]
    blended: FloatArray = np.clip(target.image + alpha * (fake - target.image), 0.0, 1.0)
    return blended


def match_colours(
    fake: FloatArray, target: Scene, mask: FloatArray, *, contrast: bool = True
) -> FloatArray:
    """Give a face the mean colour, and the contrast, of the target's under a mask."""
    weights = (mask * target.visible)[..., None] + np.float32(1e-6)
    weights = weights / weights.sum()
    own_mean, mean = (weights * fake).sum((0, 1)), (weights * target.image).sum((0, 1))
    if not contrast:
        moved: FloatArray = fake + (mean - own_mean)
        return moved
    own = np.sqrt((weights * (fake - own_mean) ** 2).sum((0, 1)) + 1e-6)
    wanted = np.sqrt((weights * (target.image - mean) ** 2).sum((0, 1)) + 1e-6)
    matched: FloatArray = mean + (fake - own_mean) * np.clip(wanted / own, 0.5, 2.0)
    return matched


def smooth(image: FloatArray, target: Scene, width: float) -> FloatArray:
    """Blur as a network of too few pixels does; `width` is a deviation in face units."""
    blurred: FloatArray = cv2.GaussianBlur(image, (0, 0), width * target.view.scale)
    return blurred


def upsampling_grid(head: Head, *, period: float, angle: float = 0.0) -> FloatArray:
    """Return the checkerboard, (H, W) in [-1, 1], that stride-2 transposed convolutions leave.

    It stands in the head's tilted system, as the network's output does; `period` is in face units.
    Source: Odena et al., "Deconvolution and Checkerboard Artifacts" (Distill 2016).
    """
    rate = np.float32(2 * np.pi / period)
    a, b = rotated(head.x, head.y, angle)
    grid: FloatArray = (np.cos(rate * a) + np.cos(rate * b)) * np.float32(0.5)
    return grid


def null(target: Scene, source: Shot) -> FloatArray:  # noqa: ARG001  (the form of all)
    """Return a copy of the scene as it is: no detector can do better than chance on it."""
    return target.image.copy()
