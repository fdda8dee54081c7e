"""From a take to its pixels: draw the footage, forge it if it is a fake, film it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake_generalize.data.synthetic.camera import Camera
from deepfake_generalize.data.synthetic.canvas import View
from deepfake_generalize.data.synthetic.manipulations import MANIPULATIONS
from deepfake_generalize.data.synthetic.people import draw_person, stream
from deepfake_generalize.data.synthetic.renderer import draw
from deepfake_generalize.data.synthetic.shots import Clip

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.sets import Take
    from deepfake_generalize.types import FloatArray, UInt8Array


def clip_of(name: str, seed: int) -> Clip:
    """Return the one clip of a person.

    Args:
        name: The person's; no two persons share one.
        seed: Of the whole.

    Returns:
        The clip.
    """
    return Clip(draw_person(stream(seed, "person", name)), seed, name)


def forge(take: Take, view: View, seed: int) -> FloatArray:
    """Draw what stands before the camera, forged if the take is a fake.

    Args:
        take: What to draw.
        view: Where the camera is aimed.
        seed: Of the whole.

    Returns:
        (H, W, 3) float32, sRGB in [0, 1].
    """
    scene = draw(clip_of(take.target, seed).shot(take.frame), view)
    if take.source is None:
        return scene.image
    return MANIPULATIONS[take.method](scene, clip_of(take.source, seed).shot(take.frame))


def picture(take: Take, size: int, seed: int) -> UInt8Array:
    """Return the crop of a take as it comes out of the camera.

    Footage, aim and camera are those of the target's clip, so an original and its fake share them;
    the noise is each picture's own.

    Args:
        take: What to draw.
        size: Side in pixels.
        seed: Of the whole.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    rng = stream(seed, "aim", take.target, take.frame)
    zoom, x, y = 1 + rng.normal(0, 0.03), rng.normal(0, 0.03), rng.normal(0, 0.03)
    image = forge(take, View.crop(size, zoom=zoom, x=x, y=y), seed)
    camera = Camera.draw(stream(seed, "camera", take.target))
    return camera.photograph(image, stream(seed, "noise", take.set, take.stem, take.frame))
