"""Everything but the face: the wall behind, shoulders, neck, ears and hair."""

from __future__ import annotations

import math

import cv2
import numpy as np

from deepfake_generalize.data.synthetic.canvas import View, bump, over, pattern, planar, soft
from deepfake_generalize.data.synthetic.head import Head, outline
from deepfake_generalize.data.synthetic.people import Hair, Person
from deepfake_generalize.data.synthetic.shots import Light, Place
from deepfake_generalize.types import AnyArray, FloatArray

_CELLS = 24


def paint_place(view: View, place: Place) -> FloatArray:
    """Return the wall with what stands before it, out of focus, (height, width, 3) float32 sRGB.

    The place stays where it is when the head moves.
    """
    rng = np.random.default_rng(place.seed)
    cells = np.linspace(0, 1, _CELLS, dtype=np.float32)[:, None, None]
    wall = (1 - cells) * np.asarray(place.upper, np.float32)
    wall = np.repeat(wall + cells * np.asarray(place.lower, np.float32), _CELLS, axis=1)
    for _ in range(int(rng.integers(2, 6))):
        left, top = rng.integers(-4, _CELLS, 2)
        wide, high = rng.integers(2, 10, 2)
        colour = rng.normal(rng.normal(0, place.clutter), 0.3 * place.clutter, 3).astype(np.float32)
        wall[max(top, 0) : top + high, max(left, 0) : left + wide] += colour
    wall = cv2.GaussianBlur(wall, (0, 0), float(rng.uniform(0.5, 1.2)))
    # The wall is eight face units high and wide, around the scene's origin.
    x, y = view.grid()
    at_x, at_y = (x + 4) * np.float32(_CELLS / 8), (y + 4) * np.float32(_CELLS / 8)
    image = planar(cv2.remap(wall, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    grain = pattern(x, y, seed=place.seed, stretch=(5, 5))
    image += np.float32(0.012) * grain[..., None]
    clipped: FloatArray = np.clip(image, 0.0, 1.0)
    return clipped


def paint_body(
    image: FloatArray, head: Head, person: Person, place: Place, light: Light, pixel: float
) -> None:
    """Paint shoulders, neck and ears over an image, in place."""
    bones, x, y = person.bones, head.x, head.y
    skin = np.asarray(person.skin.colour, np.float32)
    side: AnyArray = 1 + np.float32(0.22 * light.direction[0]) * np.clip(x, -1, 1)
    dim = np.sqrt(side * np.float32(light.strength * (0.55 + 0.35 * light.ambient)))[..., None]
    slope = np.float32(bones.chin + 0.42) + np.float32(0.16) * np.square(x)
    body = soft(slope - y, 0.03 + pixel) * soft(np.abs(x) - 1.9, 0.05)
    folds = 1 + np.float32(0.05) * pattern(x, y, seed=place.seed + 3, stretch=(3, 1.2))
    over(image, body, dim * folds[..., None] * np.asarray(place.clothes, np.float32))
    below: FloatArray = np.clip(y - np.float32(bones.chin), 0, 1)
    width = np.float32(bones.width * 0.58) + np.float32(0.9) * below * below
    depth = np.float32(bones.chin + 0.55) - np.square(x) * np.float32(0.9)
    neck = soft(np.abs(x) - width, 0.02 + pixel) * soft(y - depth, 0.02 + pixel) * (y > 0)
    # Round as a column, in the chin's shadow above, with the two muscles that meet below.
    round_ = x * np.float32(1 / bones.width) - np.float32(0.25 * light.direction[0])
    shadow = np.float32(0.95) - np.float32(0.7) * round_ * round_
    shadow -= np.float32(0.42 - 0.25 * light.ambient) * soft(below - np.float32(0.16), 0.3)
    muscle = bump(
        np.abs(x) - np.float32(0.38) + np.float32(0.7) * below, below, (0, 0.2), 0.05, 0.2
    )
    shadow += np.float32(0.1) * muscle
    over(image, neck, skin * dim * np.clip(shadow, 0.3, 1.0)[..., None])
    for sign in (-1.0, 1.0):
        turned = max(sign * math.sin(head.yaw), 0.0)  # The ear on the far side is hidden.
        out = (np.float32(sign) * x - np.float32(bones.width - 0.3 * turned)) / np.float32(0.1)
        up = (y - np.float32(0.06)) / np.float32(bones.ear)
        distance = (np.sqrt(out * out + up * up) - 1) * np.float32(0.1)
        inner = np.float32(0.12) * soft(distance + np.float32(0.05), 0.06)
        ear_light = (np.float32(0.95) - inner)[..., None] * dim
        over(image, soft(distance, 1.5 * pixel), skin * ear_light)


def paint_back_hair(
    image: FloatArray, head: Head, person: Person, light: Light, pixel: float
) -> None:
    """Paint the hair behind the head over an image, in place."""
    hair = person.hair
    if hair.length <= 0.9:
        return
    below, above = np.clip(head.y, 0, 2), np.clip(head.y * np.float32(-1 / 1.05), 0, 1)
    reach = np.float32(person.bones.width + 0.4 * hair.volume + 0.1) + np.float32(0.12) * below
    reach = reach * np.sqrt(1 - above * above)
    end = np.float32(-0.1 + 1.7 * (hair.length - 0.9))
    # Hangs in locks, rounder and thinner towards the end.
    locks = pattern(head.x, head.y, seed=hair.seed + 1, stretch=(9, 0.4))
    left = np.clip((end - head.y) * np.float32(2.2), 0, 1)
    reach = reach - np.float32(0.3) * (1 - left) ** 2
    wave = np.float32(0.03) * pattern(head.y, head.x, seed=hair.seed + 4, stretch=(3, 0.5))
    sides = soft(np.abs(head.x) + wave - reach, 0.03 + pixel)
    sides = sides * soft(head.y - end + np.float32(0.1) * locks, 0.1)
    over(image, sides * soft(above - 0.85, 0.2), strands(head, hair, light) * np.float32(0.8))


def hair_coverage(head: Head, person: Person, pixel: float) -> FloatArray:
    """Return where the hair before the head covers it, (height, width) in [0, 1]."""
    hair = person.hair
    if hair.length <= 0:
        return np.zeros_like(head.x)
    # It stands off the skull above, and lies on it before the ears unless it is long.
    lies = np.clip(np.float32(0.6) + head.y * np.float32(1.6), 0, 1)
    skull = 1 + np.float32(hair.volume) * (1 - lies * np.float32(hair.length < 1.0))
    outer = outline(head.x / skull, (head.y + np.float32(0.02)) / skull, person.bones)
    tufts = pattern(head.u, head.v, seed=hair.seed + 6, stretch=(16, 5))
    cap = soft((outer - 1) * np.float32(0.45) + np.float32(0.012) * tufts, 0.02 + 2 * pixel)
    across = head.u - np.float32(hair.parting)
    fringe = np.float32(0.022) * (
        pattern(head.u, head.v, seed=hair.seed + 2, stretch=(7, 0.3)) + tufts
    )
    line = np.float32(hair.line) + np.float32(0.25) * across * across + fringe
    # At the temples the hairline runs down before the ears, more so under longer hair.
    temple = np.clip(np.abs(head.u) - np.float32(0.5 * person.bones.width), 0, 1)
    line += np.float32(2.2 + 2.0 * max(hair.length - 0.9, 0)) * temple * temple * 4
    side_end = np.float32(0.02 + 1.3 * max(hair.length - 0.95, 0)) + np.float32(0.05) * tufts
    front = soft(np.maximum(head.v - line, (head.y - side_end) * np.float32(0.4)), 0.06 + pixel)
    return cap * front


def strands(head: Head, hair: Hair, light: Light) -> FloatArray:
    """Return the lit colour of hair, (height, width, 3) float32 sRGB."""
    angle = np.arctan2(head.x - np.float32(hair.parting), head.y + np.float32(2.2))
    radius = np.hypot(head.x - np.float32(hair.parting), head.y + np.float32(2.2))
    grain = pattern(angle, radius, seed=hair.seed, stretch=(55, 1.6))
    grain += np.float32(0.6) * pattern(angle, radius, seed=hair.seed + 9, stretch=(16, 1.0))
    sheen = np.float32(0.22) * np.exp(-np.square((head.y + np.float32(0.8)) * np.float32(3)))
    tone = np.float32(light.strength) * (
        np.float32(0.85)
        + np.float32(0.13) * grain
        + sheen
        + np.float32(0.15 * light.direction[0]) * head.x
    )
    colour = planar(np.clip(tone, 0.3, 1.6)[..., None] * np.asarray(hair.colour, np.float32))
    clipped: FloatArray = np.clip(colour, 0.0, 1.0)
    return clipped
