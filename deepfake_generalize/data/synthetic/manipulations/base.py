"""What every manipulation is, and what several of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from deepfake_generalize.data.synthetic.canvas import soft

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.head import Head
    from deepfake_generalize.data.synthetic.renderer import Scene
    from deepfake_generalize.data.synthetic.shots import Shot
    from deepfake_generalize.types import FloatArray


class Manipulation(Protocol):
    """Anything that forges a drawn scene before it reaches the camera."""

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


def inner_face(head: Head, *, feather: float, top: float = -0.42) -> FloatArray:
    """Return the mask of the inner face, brows to chin, as face swaps paste it.

    Args:
        head: The head.
        feather: Width of the soft edge in face units.
        top: Its upper end.

    Returns:
        (H, W) float32 in [0, 1].
    """
    # An ellipse from brows to chin and from cheek to cheek, inside the outline of every head.
    bottom = 0.86
    middle, half = (top + bottom) / 2, (bottom - top) / 2
    across, along = head.u / np.float32(0.56), (head.v - np.float32(middle)) / np.float32(half)
    distance = (np.sqrt(across * across + along * along) - 1) * np.float32(0.56)
    return soft(distance, feather)


def lower_face(head: Head, *, feather: float) -> FloatArray:
    """Return the mask of the face below the eyes, as reenactments redraw it.

    Args:
        head: The head.
        feather: Width of the soft edge in face units.

    Returns:
        (H, W) float32 in [0, 1].
    """
    across, along = head.u / np.float32(0.58), (head.v - np.float32(0.45)) / np.float32(0.5)
    distance = (np.sqrt(across * across + along * along) - 1) * np.float32(0.5)
    return soft(distance, feather)


def blend(target: Scene, fake: FloatArray, mask: FloatArray) -> FloatArray:
    """Put a fake face over the target's where both the mask and the view allow it.

    Args:
        target: The footage.
        fake: (H, W, 3).
        mask: (H, W) in [0, 1].

    Returns:
        The forged image.
    """
    alpha = (mask * target.visible)[..., None]
    blended: FloatArray = np.clip(target.image + alpha * (fake - target.image), 0.0, 1.0)
    return blended


def match_colours(
    fake: FloatArray, target: Scene, mask: FloatArray, *, contrast: bool = True
) -> FloatArray:
    """Give a face the mean colour, and the contrast, of the target's under a mask.

    Args:
        fake: (H, W, 3).
        target: The footage.
        mask: (H, W) weights.
        contrast: Match the standard deviations too.

    Returns:
        (H, W, 3) float32; not clipped.
    """
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
    """Blur as a network of too few pixels does.

    Args:
        image: (H, W, 3).
        target: The scene whose view says how large a face unit is.
        width: Standard deviation in face units.

    Returns:
        (H, W, 3) float32.
    """
    blurred: FloatArray = cv2.GaussianBlur(image, (0, 0), width * target.view.scale)
    return blurred


def upsampling_grid(head: Head, *, period: float, angle: float = 0.0) -> FloatArray:
    """Return the checkerboard that stride-2 transposed convolutions leave.

    Source: Odena et al., "Deconvolution and Checkerboard Artifacts" (Distill 2016).

    Args:
        head: The head; the grid stands in its tilted system, as the network's output does.
        period: In face units.
        angle: Of the grid, radians.

    Returns:
        (H, W) float32 in [-1, 1].
    """
    rate = np.float32(2 * np.pi / period)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    a, b = cosine * head.x + sine * head.y, cosine * head.y - sine * head.x
    grid: FloatArray = (np.cos(rate * a) + np.cos(rate * b)) * np.float32(0.5)
    return grid
