"""Render a shot: the place, the body, the face and the hair over it, in that order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepfake_generalize.data.synthetic.canvas import View, over
from deepfake_generalize.data.synthetic.face import paint_face
from deepfake_generalize.data.synthetic.head import Head, place_head, project, shade
from deepfake_generalize.data.synthetic.scenery import (
    hair_coverage,
    paint_back_hair,
    paint_body,
    paint_front_hair,
    paint_place,
)
from deepfake_generalize.data.synthetic.shots import Shot
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

    def landmarks(self) -> DoubleArray:
        """Return the (K, 2) pixels, x and y, of the corners and outline of the features."""
        places = project(_landmarks(self.shot), self.shot.person.bones, self.shot.pose)
        pixels: DoubleArray = places * self.view.scale + np.array([self.view.x, self.view.y])
        return pixels


def render(shot: Shot, view: View) -> Scene:
    """Render a shot as the camera would see it without its own faults."""
    person, light, pixel = shot.person, shot.light, view.pixel
    head = place_head(view, person.bones, shot.pose)
    image = paint_place(view, shot.place)
    paint_back_hair(image, head, person, light, pixel)
    paint_body(image, head, person, shot.place, light, pixel)
    over(image, head.coverage, render_face(head, shot, pixel))
    hair = hair_coverage(head, person, pixel)
    paint_front_hair(image, head, person, light, hair)
    image = np.ascontiguousarray(np.clip(image, 0.0, 1.0))
    return Scene(shot, view, image, head, head.coverage * (1 - hair))


def render_face(head: Head, shot: Shot, pixel: float) -> FloatArray:
    """Return the lit face, (height, width, 3) float32 sRGB; of no meaning outside the outline."""
    albedo = paint_face(head, shot.person, shot.expression, pixel)
    lit, shine = shade(head, shot.person.features, shot.expression, shot.light, pixel)
    # Light adds up in linear values; a square stands for the sRGB curve.
    linear = np.square(albedo) * (lit[..., None] * np.asarray(shot.light.colour, np.float32))
    linear += np.float32(shot.person.skin.gloss) * shine[..., None]
    return np.sqrt(np.clip(linear, 0.0, 1.0))


def _landmarks(shot: Shot) -> DoubleArray:
    f, e, bones = shot.person.features, shot.expression, shot.person.bones
    half = [
        (f.eye_x - f.eye_width, f.eye_y),
        (f.eye_x + f.eye_width, f.eye_y - f.eye_tilt),
        (f.eye_x, f.eye_y - f.eye_height),
        (f.eye_x, f.eye_y + 0.6 * f.eye_height),
        (f.eye_x - 0.17, f.brow_y - e.brows),
        (f.eye_x + 0.17, f.brow_y - e.brows),
        (f.nose_width, f.nose_y),
        (f.mouth_width, f.mouth_y - e.smile),
        (0.82 * bones.width, 0.25),
        (0.62 * bones.width, 0.62 * bones.chin),
        (0.3 * bones.width, 0.9 * bones.chin),
    ]
    middle = [
        (0.0, f.nose_y),
        (0.0, f.eye_y),
        (0.0, f.mouth_y - 0.6 * (e.mouth_open + f.lip)),
        (0.0, f.mouth_y + e.mouth_open + f.lip),
        (0.0, 0.93 * bones.chin),
    ]
    both = [(sign * x, y) for x, y in half for sign in (-1.0, 1.0)]
    return np.array([*both, *middle])
