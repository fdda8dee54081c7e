"""The colours of a face: skin, eyes, brows, nose, mouth, beard and lines."""

from __future__ import annotations

import numpy as np

from deepfake_generalize.data.synthetic.canvas import bump, over, pattern, planar, soft, tint
from deepfake_generalize.data.synthetic.head import Head
from deepfake_generalize.data.synthetic.people import Features, Person
from deepfake_generalize.data.synthetic.shots import Expression
from deepfake_generalize.types import FloatArray

# Cells a face unit: the finest that a crop of 72 pixels resolves, and two coarser ones.
_PORES = ((34.0, 0.03), (13.0, 0.022), (3.5, 0.028))


def paint_face(head: Head, person: Person, expression: Expression, pixel: float) -> FloatArray:
    """Return the face's colour in even light, (height, width, 3) float32 sRGB, outside it too."""
    u, v, f = head.u, head.v, person.features
    image = _skin(head, person)
    _lines(image, u, v, f, expression)
    _beard(image, u, v, person)
    _nose(image, u, v, f, pixel)
    _mouth(image, u, v, f, expression, pixel)
    for side in (-1.0, 1.0):
        _eye(image, np.float32(side) * u, v, f, expression, side, pixel)
        _brow(image, np.float32(side) * u, v, person, expression, pixel)
    return image


def _skin(head: Head, person: Person) -> FloatArray:
    texture = np.ones_like(head.u)
    for number, (cells, strength) in enumerate(_PORES):
        own = np.float32(strength * person.skin.pores)
        texture += own * pattern(
            head.u, head.v, seed=person.skin.seed + 97 * number, stretch=(cells, cells)
        )
    image = planar(texture[..., None] * np.asarray(person.skin.colour, np.float32))
    cheeks = bump(np.abs(head.u), head.v, (0.42, 0.25), 0.18, 0.16)
    tint(image, np.float32(0.6 + 0.4 * person.features.make_up) * cheeks, (1.02, 0.9, 0.9))
    return image


def _lines(
    image: FloatArray, u: FloatArray, v: FloatArray, f: Features, expression: Expression
) -> None:
    aside = np.abs(u)
    fold_x = f.nose_width + 0.04 + (v - np.float32(f.nose_y)) * np.float32(0.42)
    fold = bump(aside - fold_x, v, (0.0, f.nose_y + 0.17), 0.022, 0.13)
    depth = 0.1 + 0.3 * f.age + 1.6 * max(expression.smile, 0.0)
    tint(image, np.float32(depth) * fold, (0.72, 0.66, 0.64))
    if f.age > 0.3:
        wave = np.sin((v + np.float32(0.05) * u * u) * np.float32(24)) ** 8
        forehead = wave * bump(u, v, (0, f.brow_y - 0.22), 0.3, 0.08)
        tint(image, np.float32(0.35 * f.age) * forehead, (0.7, 0.64, 0.62))
    bag = bump(aside, v, (f.eye_x, f.eye_y + 0.12), 0.11, 0.03)
    tint(image, np.float32(0.2 + 0.35 * f.age) * bag, (0.82, 0.74, 0.76))


def _beard(image: FloatArray, u: FloatArray, v: FloatArray, person: Person) -> None:
    f = person.features
    if f.beard <= 0:
        return
    aside = np.abs(u)
    edge = np.float32(0.62) - np.float32(0.75) * np.clip(aside - 0.2, 0, 1)
    area = soft(edge - v, 0.16)
    lip = bump(aside, v, (0.12, f.mouth_y - f.lip - 0.06), 0.13, 0.035)
    area = np.maximum(area, lip)
    area *= 1 - bump(u, v, (0, f.mouth_y), f.mouth_width, f.lip * 1.3)
    stubble = pattern(u, v, seed=person.hair.seed + 5, stretch=(30, 18))
    strength = np.clip(np.float32(0.75 * f.beard) * (1 + np.float32(0.25) * stubble), 0, 0.92)
    over(image, area * strength, np.asarray(person.hair.colour) * 0.9)


def _nose(image: FloatArray, u: FloatArray, v: FloatArray, f: Features, pixel: float) -> None:
    hole = bump(np.abs(u), v, (f.nose_width * 0.52, f.nose_y + 0.055), 0.034, 0.02 + pixel / 4)
    tint(image, np.float32(0.85) * hole, (0.34, 0.26, 0.25))
    under = bump(u, v, (0, f.nose_y + 0.1), f.nose_width, 0.03)
    tint(image, np.float32(0.35) * under, (0.75, 0.7, 0.7))


def _mouth(
    image: FloatArray,
    u: FloatArray,
    v: FloatArray,
    f: Features,
    expression: Expression,
    pixel: float,
) -> None:
    width = f.mouth_width * (1 + 1.5 * expression.smile)
    across = np.clip(np.abs(u) * np.float32(1 / width), 0, 1.2)
    arch = 1 - across * across
    middle = np.float32(f.mouth_y) - np.float32(expression.smile) * across * across
    gap = np.float32(expression.mouth_open) * np.clip(arch, 0, 1)
    cupid = 1 - np.float32(0.3) * bump(u, v, (0, f.mouth_y), 0.05, 1.0)
    upper = middle - gap * np.float32(0.6) - np.float32(f.lip * 0.66) * arch * cupid
    lower = middle + gap + np.float32(f.lip) * arch
    lips = soft(np.maximum(upper - v, v - lower), max(2 * pixel, 0.03)) * soft(
        across - 1, max(pixel, 0.04)
    )
    tint(image, lips, f.lip_colour)
    tint(image, lips * soft(v - middle, 0.02) * np.float32(0.5), (0.82, 0.78, 0.8))
    line = bump(across, v - middle + gap * np.float32(0.6), (0, 0), 0.75, 0.008 + pixel / 3)
    tint(image, np.float32(0.75) * line * soft(across - 1.02, 0.1), (0.4, 0.3, 0.3))
    if expression.mouth_open > 0.01:
        top, bottom = middle - gap * np.float32(0.6), middle + gap
        inside = soft(np.maximum(top - v, v - bottom), pixel) * soft(across - 0.9, 0.1)
        over(image, inside, (0.16, 0.06, 0.06))
        teeth = inside * soft(v - (top + np.float32(0.6) * gap), pixel) * soft(across - 0.7, 0.15)
        # Darker towards the corners and between them.
        light = np.float32(0.92) - np.float32(0.35) * across * across
        light *= np.float32(0.95) + np.float32(0.05) * np.cos(u * np.float32(2 * np.pi / 0.075))
        over(image, teeth, light[..., None] * np.array([0.84, 0.80, 0.73], np.float32))


def _eye(
    image: FloatArray,
    u: FloatArray,
    v: FloatArray,
    f: Features,
    expression: Expression,
    side: float,
    pixel: float,
) -> None:
    across = (u - np.float32(f.eye_x)) * np.float32(1 / f.eye_width)
    away = v - np.float32(f.eye_y) + np.float32(f.eye_tilt) * across
    arch = np.clip(1 - across * across, 0, 1)
    upper = np.float32(-f.eye_height * expression.eyelids) * np.sqrt(arch)
    lower = np.float32(0.62 * f.eye_height) * arch
    shadow = bump(across, away, (0, -f.eye_height * 1.6), 0.8, 0.04)
    tint(image, np.float32(0.35 + 0.3 * f.make_up) * shadow, (0.68, 0.62, 0.64))
    edge = max(pixel, 0.012)
    ball = soft(np.maximum(upper - away, away - lower), edge) * soft(np.abs(across) - 1, 0.1)
    over(image, ball, (0.80, 0.77, 0.75))
    # The lids' shadow, and the corners, which curve away.
    tint(image, ball * bump(across, away - upper, (0, 0), 2.0, 0.03), (0.68, 0.64, 0.64))
    tint(image, ball * np.clip(across * across, 0, 1) * np.float32(0.5), (0.75, 0.66, 0.64))
    # The gaze is to the same side for both eyes, while u is mirrored for one of them.
    sight = f.eye_y - 0.008 + 0.4 * f.eye_height * expression.sight
    centre = (f.eye_x + side * expression.gaze * f.eye_width, sight)
    radius = np.hypot(u - np.float32(centre[0]), v - np.float32(centre[1]))
    size = 0.95 * f.eye_height
    over(image, ball * soft(radius - size, edge), np.asarray(f.iris) * 0.9)
    over(image, ball * soft(radius - 0.45 * size, edge), (0.03, 0.03, 0.03))
    glint = bump(u, v, (centre[0] + side * 0.02, centre[1] - 0.024), 0.012, 0.012)
    over(image, ball * glint, (0.98, 0.98, 0.98))
    lid = bump(across, away - upper, (0, 0), 0.7, 0.011 + 0.009 * f.make_up + pixel / 5)
    tint(image, np.float32(0.85) * lid, (0.3, 0.24, 0.22))
    under = bump(across, away - lower, (0, 0), 0.7, 0.012)
    tint(image, np.float32(0.35) * under, (0.6, 0.5, 0.5))


def _brow(
    image: FloatArray,
    u: FloatArray,
    v: FloatArray,
    person: Person,
    expression: Expression,
    pixel: float,
) -> None:
    f = person.features
    across = (u - np.float32(f.eye_x + 0.01)) * np.float32(1 / 0.19)
    arch = np.float32(f.brow_arch) * (1 - (across - np.float32(0.3)) ** 2)
    middle = np.float32(f.brow_y - expression.brows) - arch
    weight = np.float32(f.brow_weight) * (1 - np.float32(0.45) * np.clip(across, -0.4, 1))
    distance = np.abs(v - middle) - weight
    hairs = pattern(u, v, seed=person.hair.seed + 11, stretch=(45, 20))
    mask = soft(distance, max(1.5 * pixel, 0.03)) * soft(np.abs(across) - 1, 0.3)
    mask *= np.clip(np.float32(0.78) + np.float32(0.12) * hairs, 0, 1)
    over(image, mask, np.asarray(person.hair.colour) * 0.75)
