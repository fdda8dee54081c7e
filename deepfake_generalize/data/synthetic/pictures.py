"""From a take to its pixels: render it, film it, forge the footage if it is a fake, save it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepfake_generalize.data.synthetic.canvas import View
from deepfake_generalize.data.synthetic.manipulations import MANIPULATIONS
from deepfake_generalize.data.synthetic.people import sample_person, stream
from deepfake_generalize.data.synthetic.renderer import landmarks_of, render
from deepfake_generalize.data.synthetic.sets import Take
from deepfake_generalize.data.synthetic.shots import STUDIOS, Camera, Clip, Shot
from deepfake_generalize.types import FloatArray, UInt8Array


def clip_of(name: str, seed: int, dataset: str = "FF++") -> Clip:
    """Return the clip of a person; no two people share a name."""
    return Clip(sample_person(stream(seed, "person", name)), seed, name, STUDIOS[dataset])


def camera_of(take: Take, seed: int) -> Camera:
    """Return the camera of a take's clip, that of an original and its fake."""
    return Camera.sample(stream(seed, "camera", take.target), STUDIOS[take.dataset])


def noise_of(take: Take, seed: int, kind: str) -> np.random.Generator:
    """Return what the noise of a picture, its own, follows from."""
    return stream(seed, kind, take.set, take.method, take.stem, take.frame)


def footage(take: Take, view: View, seed: int) -> FloatArray:
    """Return what the sensor saw of a take, forged if it is a fake, (H, W, 3) float32 sRGB.

    The noise is each picture's own.
    """
    shot, source = _shots(take, seed)
    scene = render(shot, view)
    scene = replace(
        scene, image=camera_of(take, seed).film(scene.image, noise_of(take, seed, "noise"))
    )
    if source is None:
        return scene.image
    # One strength, blend and correction a video, as one run of a method has.
    style = stream(seed, "style", take.method, take.stem)
    return MANIPULATIONS[take.method].forge(scene, source, style)


def picture(take: Take, size: int, seed: int) -> UInt8Array:
    """Return the crop of a take as it was saved, (size, size, 3) uint8 RGB.

    Scene, aim and camera are those of the target's clip, so an original and its fake share them.
    """
    camera = camera_of(take, seed)
    seen = footage(take, _aim(take, size, seed), seed)
    return camera.compress(camera.develop(seen, noise_of(take, seed, "blotches")))


def landmarks(take: Take, size: int, seed: int) -> FloatArray:
    """Return the 68 points of the face in `picture`, in dlib's order, (68, 2) float32 pixels.

    x is to the right and y down. They follow from the geometry that the face is drawn with: a
    fake's are those of the face that it shows.
    """
    shot, source = _shots(take, seed)
    if source is not None:
        shot = MANIPULATIONS[take.method].shown(shot, source)
    return landmarks_of(shot, _aim(take, size, seed)).astype(np.float32)


def _shots(take: Take, seed: int) -> tuple[Shot, Shot | None]:
    target = clip_of(take.target, seed, take.dataset).shot(take.frame)
    if take.source is None:
        return target, None
    return target, clip_of(take.source, seed, take.dataset).shot(take.frame)


def _aim(take: Take, size: int, seed: int) -> View:
    rng, studio = stream(seed, "aim", take.target, take.frame), STUDIOS[take.dataset]
    zoom, x, y = rng.normal([studio.zoom, 0.0, 0.0], studio.jitter)
    return View.crop(size, zoom=float(zoom), x=float(x), y=float(y))
