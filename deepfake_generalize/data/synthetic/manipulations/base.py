"""What every manipulation is, what several of them do, and the one that does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from deepfake_generalize.data.synthetic.canvas import pattern, soft
from deepfake_generalize.data.synthetic.head import Head
from deepfake_generalize.data.synthetic.renderer import Scene
from deepfake_generalize.data.synthetic.shots import Shot
from deepfake_generalize.types import FloatArray


@dataclass(frozen=True)
class Manipulation:
    """A way to forge filmed footage.

    Attributes:
        shown: From the target's shot and the source's, what the fake face shows.
        forge: From the footage of the target, which is not changed itself, the source's shot and a
            stream that the method's strength, blend and correction follow from, to the altered
            image: shape and dtype of `target.image`, in [0, 1], the same as there wherever
            `target.visible` is 0.
    """

    shown: Callable[[Shot, Shot], Shot]
    forge: Callable[[Scene, Shot, np.random.Generator], FloatArray]


def face_mask(
    head: Head,
    *,
    feather: float,
    middle: float = 0.22,
    width: float = 0.56,
    height: float = 0.64,
) -> FloatArray:
    """Return the mask (H, W) of an ellipse on the face, half as wide and high, with a soft edge.

    By default of the inner face, brows to chin, as face swaps paste it.
    """
    across = head.u / np.float32(width)
    along = (head.v - np.float32(middle)) / np.float32(height)
    distance = (np.sqrt(across * across + along * along) - 1) * np.float32(min(width, height))
    return soft(distance, feather)


def blend(
    target: Scene, fake: FloatArray, mask: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Put a fake face, almost opaque, over the target's where the mask and the view allow it."""
    alpha = (np.float32(rng.uniform(0.9, 1.0)) * mask * target.visible)[..., None]
    blended: FloatArray = np.clip(target.image + alpha * (fake - target.image), 0.0, 1.0)
    return blended


def correct(
    fake: FloatArray, target: Scene, mask: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Give a face the mean colour and the contrast of the target's under a mask, almost wholly."""
    weights = (mask * target.visible)[..., None] + np.float32(1e-6)
    weights = weights / weights.sum()
    own_mean, mean = (weights * fake).sum((0, 1)), (weights * target.image).sum((0, 1))
    own = np.sqrt((weights * (fake - own_mean) ** 2).sum((0, 1)) + 1e-6)
    wanted = np.sqrt((weights * (target.image - mean) ** 2).sum((0, 1)) + 1e-6)
    matched = mean + (fake - own_mean) * np.clip(wanted / own, 0.5, 2.0)
    corrected: FloatArray = fake + np.float32(rng.uniform(0.8, 1.0)) * (matched - fake)
    return corrected


def smooth(image: FloatArray, target: Scene, width: float) -> FloatArray:
    """Blur as a network of too few pixels does; `width` is a deviation in face units."""
    blurred: FloatArray = cv2.GaussianBlur(image, (0, 0), width * target.view.scale)
    return blurred


def fingerprint(head: Head, *, seed: int, cells: float) -> FloatArray:
    """Return what a generator leaves in all its faces: a faint pattern of colour, (H, W, 3).

    It moves with the face, is warm here and cool there, of deviation 1 in red, and does not change
    the luma; `cells` is how many of its grains there are in a face unit.
    Sources: Marra et al., "Do GANs leave artificial fingerprints?" (MIPR 2019); Li et al.,
    "Identification of deep network generated images using disparities in color components"
    (Signal Processing 2020).
    """
    grains = pattern(head.u, head.v, seed=seed, stretch=(cells, cells))
    return grains[..., None] * np.array([1.0, -0.39, -0.61], np.float32)


def same(target: Shot, source: Shot) -> Shot:  # noqa: ARG001  (the form of all)
    """Return the target's own shot."""
    return target


def nothing(target: Scene, source: Shot, rng: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """Return a copy of the footage as it is: no detector can do better than chance on it."""
    return target.image.copy()


NULL = Manipulation(same, nothing)
