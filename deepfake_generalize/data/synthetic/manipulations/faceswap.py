"""FaceSwap: the source's own picture is warped onto the target by landmarks and pasted."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake_generalize.data.synthetic.manipulations.base import (
    Manipulation,
    blend,
    correct,
    face_mask,
    same,
)
from deepfake_generalize.data.synthetic.renderer import Scene, landmarks_of, render
from deepfake_generalize.data.synthetic.shots import Shot
from deepfake_generalize.types import DoubleArray, FloatArray

# Pixels of the texture for each of the footage.
_TEXTURE = 0.6
_NODES_EVERY = 4


def faceswap(target: Scene, source: Shot, rng: np.random.Generator) -> FloatArray:
    """Paste the source's face, warped so that its landmarks fall on the target's.

    The source keeps its own expression and light. The seam is narrow, and the texture is small and
    looked up without filtering, as the simple renderer of the method does (Rössler et al.,
    "FaceForensics++", section 3.1).
    """
    texture = render(source, target.view.resized(_TEXTURE))
    points = landmarks_of(target.shot, target.view), landmarks_of(source, texture.view)
    where = spline(*points, target.image.shape[:2])
    warped = cv2.remap(
        texture.image,
        where[..., 0],
        where[..., 1],
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mask = face_mask(target.head, feather=rng.uniform(0.06, 0.12))
    return blend(target, correct(warped, target, mask, rng), mask, rng)


def spline(points: DoubleArray, values: DoubleArray, shape: tuple[int, ...]) -> FloatArray:
    """Carry places to places by the thin-plate spline through given pairs, slightly smoothed.

    `points` and `values` are (K, 2) pixels x, y. Returns (H, W, 2) float32, where each pixel is
    carried: worked out at every fourth pixel and interpolated between.
    """
    n = len(points)
    unit, centre = float(np.ptp(points)), points.mean(axis=0)
    own = (points - centre) / unit
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(own, own) + 1e-3 * np.eye(n)
    system[:n, n:] = np.c_[np.ones(n), own]
    system[n:, :n] = system[:n, n:].T
    weights = np.linalg.solve(system, np.r_[values, np.zeros((3, 2))])
    y, x = np.mgrid[
        0 : shape[0] + _NODES_EVERY : _NODES_EVERY, 0 : shape[1] + _NODES_EVERY : _NODES_EVERY
    ]
    nodes = (np.stack([x, y], axis=-1).reshape(-1, 2) - centre) / unit
    bent = _kernel(nodes, own) @ weights[:n]
    carried = bent + weights[n] + nodes @ weights[n + 1 :]
    coarse = carried.reshape(*x.shape, 2).astype(np.float32)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32) / _NODES_EVERY
    grid: FloatArray = cv2.remap(coarse, columns, rows, cv2.INTER_LINEAR)
    return grid


def _kernel(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    squares = np.square(a[:, None] - b[None]).sum(-1)
    return np.asarray(squares * np.log(squares + 1e-9))


FACESWAP = Manipulation(same, faceswap)
