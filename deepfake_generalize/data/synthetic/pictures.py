"""From a take to its pixels: render the footage, forge it if it is a fake, film it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from deepfake_generalize.data.synthetic.canvas import View
from deepfake_generalize.data.synthetic.manipulations import MANIPULATIONS
from deepfake_generalize.data.synthetic.people import sample_person, stream
from deepfake_generalize.data.synthetic.renderer import render
from deepfake_generalize.data.synthetic.sets import Take
from deepfake_generalize.data.synthetic.shots import Clip
from deepfake_generalize.types import FloatArray, UInt8Array


@dataclass(frozen=True)
class Camera:
    """The camera that films everything, real and forged alike, with its settings of one take."""

    blur: float  # Standard deviation of the lens's blur, pixels
    gain: tuple[float, float, float]  # Of red, green and blue: exposure and white balance
    noise: float  # Standard deviation of the sensor's noise, of full scale 1
    quality: int  # Of the JPEG compression, 1 to 100

    @staticmethod
    def sample(rng: np.random.Generator) -> Camera:
        """Sample the settings of a take; the same distribution for every data set."""
        red, green, blue = (
            float(value) for value in rng.normal(1.0, 0.06) * rng.normal(1.0, 0.025, 3)
        )
        return Camera(
            blur=float(rng.uniform(0.3, 0.5)),
            gain=(red, green, blue),
            noise=float(rng.uniform(0.004, 0.01)),
            quality=int(rng.integers(86, 97)),
        )

    def expose(self, image: FloatArray, rng: np.random.Generator) -> UInt8Array:
        """Film (H, W, 3) float32 sRGB in [0, 1]: blur, colour, noise; (H, W, 3) uint8 RGB."""
        seen = cv2.GaussianBlur(image, (0, 0), self.blur) if self.blur > 0 else image
        seen = seen * np.asarray(self.gain, np.float32)
        seen += np.float32(self.noise) * rng.standard_normal(image.shape, dtype=np.float32)
        return np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8)

    def photograph(self, image: FloatArray, rng: np.random.Generator) -> UInt8Array:
        """Film an image and compress it as a JPEG, (H, W, 3) uint8 RGB."""
        pixels = cv2.cvtColor(self.expose(image, rng), cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        return cast("UInt8Array", cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def clip_of(name: str, seed: int) -> Clip:
    """Return the clip of a person; no two people share a name."""
    return Clip(sample_person(stream(seed, "person", name)), seed, name)


def forge(take: Take, view: View, seed: int) -> FloatArray:
    """Render what stands before the camera, forged if the take is a fake, as `Scene.image`."""
    scene = render(clip_of(take.target, seed).shot(take.frame), view)
    if take.source is None:
        return scene.image
    return MANIPULATIONS[take.method](scene, clip_of(take.source, seed).shot(take.frame))


def picture(take: Take, size: int, seed: int) -> UInt8Array:
    """Return the crop of a take as it comes out of the camera, (size, size, 3) uint8 RGB.

    Footage, aim and camera are those of the target's clip, so an original and its fake share them;
    the noise is each picture's own.
    """
    rng = stream(seed, "aim", take.target, take.frame)
    zoom, x, y = 1 + rng.normal(0, 0.03), rng.normal(0, 0.03), rng.normal(0, 0.03)
    image = forge(take, View.crop(size, zoom=zoom, x=x, y=y), seed)
    camera = Camera.sample(stream(seed, "camera", take.target))
    return camera.photograph(image, stream(seed, "noise", take.set, take.stem, take.frame))
