"""Render a shot: the place, the body, the face and the hair over it, in that order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepfake_generalize.data.synthetic.canvas import View, over
from deepfake_generalize.data.synthetic.face import paint_face
from deepfake_generalize.data.synthetic.head import (
    Head,
    chin_shift,
    in_scene,
    place_head,
    project,
    shade,
)
from deepfake_generalize.data.synthetic.people import Features
from deepfake_generalize.data.synthetic.scenery import (
    hair_coverage,
    paint_back_hair,
    paint_body,
    paint_place,
    strands,
)
from deepfake_generalize.data.synthetic.shots import Expression, Shot
from deepfake_generalize.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class Scene:
    """A rendered shot before the camera.

    Attributes:
        shot: What was rendered.
        view: Where the camera is aimed.
        image: (height, width, 3) float32, sRGB in [0, 1].
        head: The head on the pixel grid.
        visible: (height, width) float32: 1 where the skin of the face is seen, 0 where hair,
            neck or the place is. Manipulations change nothing where it is 0.
    """

    shot: Shot
    view: View
    image: FloatArray
    head: Head
    visible: FloatArray


def render(shot: Shot, view: View) -> Scene:
    """Render a shot as the camera would see it without its own faults."""
    person, light, pixel = shot.person, shot.light, view.pixel
    head = place_head(view, person.bones, shot.pose)
    image = paint_place(view, shot.place)
    paint_back_hair(image, head, person, light, pixel)
    paint_body(image, head, person, shot.place, light, pixel)
    over(image, head.coverage, render_face(head, shot, pixel))
    hair = hair_coverage(head, person, pixel)
    over(image, hair, strands(head, person.hair, light))
    image = np.ascontiguousarray(np.clip(image, 0.0, 1.0))
    return Scene(shot, view, image, head, head.coverage * (1 - hair))


def render_face(head: Head, shot: Shot, pixel: float) -> FloatArray:
    """Return the lit face, (height, width, 3) float32 sRGB; of no meaning outside the outline."""
    albedo = paint_face(head, shot.person, shot.expression, pixel)
    lit, shine = shade(head, shot.person.features, shot.expression, shot.light, pixel)
    # Light adds up in linear values; a square stands for the sRGB curve.
    linear = np.square(albedo) * (lit[..., None] * np.asarray(shot.light.colour, np.float32))
    # Skin scatters red light into its shadows.
    linear[..., 0] *= 1 + np.float32(0.18) * np.clip(1 - lit, 0, 1)
    linear += np.float32(shot.person.skin.gloss) * shine[..., None]
    return np.sqrt(np.clip(linear, 0.0, 1.0))


def landmarks_of(shot: Shot, view: View) -> DoubleArray:
    """Return the pixels x, y of a face's 68 points, (68, 2), in dlib's order."""
    f, e, bones = shot.person.features, shot.expression, shot.person.bones
    angle = np.linspace(0, np.pi, 17)
    down = bones.chin * np.sin(angle)
    across = np.sqrt(np.clip(1 - np.sin(angle) ** bones.square, 0, 1))
    across *= -np.sign(np.cos(angle)) * bones.width / (1 + bones.taper * down)
    jaw = np.stack([across + chin_shift(down, shot.pose), down], 1)
    at = np.linspace(-1, 1, 5)  # Of the brow, from its inner end
    height = f.brow_y - e.brows - f.brow_arch * (1 - (at - 0.3) ** 2)
    brow = np.stack([f.eye_x + 0.01 + 0.19 * at, height], 1)
    ridge = np.stack([np.zeros(4), np.linspace(f.eye_y, f.nose_y, 4)], 1)
    base = np.stack([f.nose_width * at, f.nose_y + 0.08 - 0.03 * np.abs(at)], 1)
    at = np.array([-1.0, -0.4, 0.4, 1.0, 0.4, -0.4])  # Of the eye, from its inner corner
    lids = np.where(np.arange(6) < 3, -e.eyelids * np.sqrt(1 - at**2), 0.62 * (1 - at**2))
    eye = np.stack([f.eye_x + f.eye_width * at, f.eye_y - f.eye_tilt * at + f.eye_height * lids], 1)
    mirror = np.array([-1.0, 1.0])
    places = [
        *(mirror * brow)[::-1],
        *brow,
        *ridge,
        *base,
        *(mirror * eye)[[3, 2, 1, 0, 5, 4]],
        *eye,
        *_lips(f, e),
    ]
    points = np.concatenate([in_scene(jaw, shot.pose), project(np.array(places), bones, shot.pose)])
    pixels: DoubleArray = points * view.scale + np.array([view.x, view.y])
    return pixels


def _lips(f: Features, e: Expression) -> DoubleArray:
    """Return the twelve points around the lips and the eight between them."""
    outer = np.array([-1, -0.6, -0.2, 0, 0.2, 0.6, 1, 0.6, 0.2, 0, -0.2, -0.6])
    inner = np.array([-0.85, -0.35, 0, 0.35, 0.85, 0.35, 0, -0.35])
    found = []
    for at, lip, upper in ((outer, f.lip, 7), (inner, 0.0, 5)):
        arch = 1 - at * at
        above = -0.6 * e.mouth_open * arch - 0.66 * lip * arch
        below = e.mouth_open * arch + lip * arch
        away = np.where(np.arange(len(at)) < upper, above, below)
        width = f.mouth_width * (1 + 1.5 * e.smile)
        found.append(np.stack([width * at, f.mouth_y - e.smile * at * at + away], 1))
    return np.concatenate(found)
