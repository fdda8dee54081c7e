"""The head as a surface: outline, depth, relief, and how light falls on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from deepfake_generalize.data.synthetic.canvas import View, bump, rotated, soft
from deepfake_generalize.data.synthetic.people import Bones, Features
from deepfake_generalize.data.synthetic.shots import Expression, Light, Pose
from deepfake_generalize.types import AnyArray, DoubleArray, FloatArray

# Rounder than an ellipsoid: the features sit on a fairly flat front.
_DEPTH = 0.9


@dataclass(frozen=True)
class Head:
    """A head on the pixel grid, each array (height, width) float32."""

    x: FloatArray  # From the middle of the head, in its own tilted system, face units
    y: FloatArray  # The same, downwards
    u: FloatArray  # x on the face: features stand at fixed places in u and v however it is turned
    v: FloatArray  # The same, downwards
    level: FloatArray  # Below 1 inside the outline, 1 on it
    coverage: FloatArray  # 1 inside, 0 outside
    depth: FloatArray  # Towards the camera, face units
    yaw: float  # Radians to the side


def place_head(view: View, bones: Bones, pose: Pose) -> Head:
    """Put a head into a view."""
    grid_x, grid_y = view.grid()
    x, y = rotated(grid_x - np.float32(pose.x), grid_y - np.float32(pose.y), pose.roll)
    level = outline(x - chin_shift(y, pose), y, bones)
    slope_y, slope_x = np.gradient(level, np.float32(view.pixel))
    steepness = np.sqrt(slope_x * slope_x + slope_y * slope_y) + np.float32(1e-6)
    coverage = soft((level - 1) / steepness, view.pixel)
    depth = _depth(level, bones)
    u = (x - np.float32(math.sin(pose.yaw)) * depth).astype(np.float32, copy=False)
    v = (y - np.float32(math.sin(pose.pitch)) * depth).astype(np.float32, copy=False)
    return Head(x, y, u, v, level, coverage, depth, pose.yaw)


def chin_shift(y: AnyArray, pose: Pose) -> AnyArray:
    """Return how far the outline of a turned head lies to the side at these heights."""
    shift: AnyArray = np.float32(0.2 * math.sin(pose.yaw)) * np.clip(y, 0, 1)
    return shift


def outline(x: AnyArray, y: AnyArray, bones: Bones) -> AnyArray:
    """Return the level of places, any shape: below 1 inside the outline, 1 on it, above outside."""
    below = np.maximum(y, 0)
    wide = x * (1 + np.float32(bones.taper) * below) * np.float32(1 / bones.width)
    high = np.where(y > 0, y * np.float32(1 / bones.chin), y * np.float32(-1 / bones.crown))
    power = np.where(y > 0, np.float32(bones.square), np.float32(2.2))
    level: AnyArray = wide * wide + np.power(high, power)
    return level


def project(points: DoubleArray, bones: Bones, pose: Pose) -> DoubleArray:
    """Return where places (K, 2) u, v of the face are seen: x, y in the scene, face units."""
    u, v = points[:, 0], points[:, 1]
    x, y = u.copy(), v.copy()
    for _ in range(6):
        depth = _depth(outline(x - chin_shift(y, pose), y, bones), bones)
        x, y = u + math.sin(pose.yaw) * depth, v + math.sin(pose.pitch) * depth
    return in_scene(np.stack([x, y], axis=1), pose)


def in_scene(points: DoubleArray, pose: Pose) -> DoubleArray:
    """Return where places (K, 2) x, y of the head's own system are in the scene, face units."""
    x, y = rotated(points[:, 0], points[:, 1], -pose.roll)
    return np.stack([x + pose.x, y + pose.y], axis=1)


def shade(
    head: Head, features: Features, expression: Expression, light: Light, pixel: float
) -> tuple[FloatArray, FloatArray]:
    """Return each pixel's brightness, linear, about 1 in full light, and its highlight, 0 to 1."""
    surface = head.depth + _relief(head.u, head.v, features, expression)
    slope_y, slope_x = np.gradient(surface, np.float32(pixel))
    length = np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    lx, ly, lz = (np.float32(value) for value in light.direction)
    facing = (lz - lx * slope_x - ly * slope_y) / length
    halfway = np.array(light.direction) + np.array([0.0, 0.0, 1.0])
    hx, hy, hz = (np.float32(value) for value in halfway / np.linalg.norm(halfway))
    shine = np.clip((hz - hx * slope_x - hy * slope_y) / length, 0, 1)
    ambient = np.float32(light.ambient)
    lit = ambient + (1 - ambient) * np.float32(1.25) * np.clip(facing, 0, 1)
    return lit * np.float32(light.strength), shine**16


def _depth(level: AnyArray, bones: Bones) -> AnyArray:
    inside = np.sqrt(np.clip(1 - level, 0, 1))
    depth: AnyArray = inside * np.asarray(_DEPTH * bones.width, inside.dtype)
    return depth


def _relief(u: FloatArray, v: FloatArray, features: Features, expression: Expression) -> FloatArray:
    f = features
    aside = np.abs(u)
    nose = np.float32(0.16 * f.nose_relief)
    relief = nose * bump(u, v, (0, f.nose_y - 0.02), f.nose_width * 0.62, 0.11)
    ridge = bump(u, v, (0, f.nose_y - 0.26), f.nose_width * 0.42, 0.17)
    relief += np.float32(0.6) * nose * ridge
    wing = bump(aside, v, (f.nose_width * 0.8, f.nose_y + 0.02), 0.04, 0.045)
    relief += np.float32(0.05) * wing
    socket = bump(aside, v, (f.eye_x, f.eye_y), 0.17, 0.085)
    relief -= np.float32(0.055) * socket
    brow = bump(aside, v, (f.eye_x * 0.9, f.brow_y + 0.03), 0.26, 0.07)
    relief += np.float32(0.03) * brow
    smile = max(expression.smile, 0.0)
    cheek = bump(aside, v, (0.42, 0.22 - smile), 0.17, 0.15)
    relief += np.float32(0.045 * f.cheek + 0.4 * smile) * cheek
    lips = bump(u, v, (0, f.mouth_y), f.mouth_width * 0.75, f.lip * 1.1)
    relief += np.float32(0.045) * lips
    chin = bump(u, v, (0, f.mouth_y + 0.3 + expression.mouth_open), 0.15, 0.1)
    relief += np.float32(0.04) * chin
    return relief
