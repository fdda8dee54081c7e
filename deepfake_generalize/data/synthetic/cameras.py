"""How each data set is filmed: its light, lenses, sensors, codecs and framing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np

from deepfake_generalize.types import FloatArray, UInt8Array

Range: TypeAlias = tuple[float, float]
"""What each clip draws from evenly."""

_CODECS = {"vp8": (".webp", cv2.IMWRITE_WEBP_QUALITY), "jpeg": (".jpg", cv2.IMWRITE_JPEG_QUALITY)}
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Studio:
    """What the clips of a data set have in common."""

    ambient: Range  # Share of the light that comes from everywhere, 0 to 1
    strength: Range  # Of all of it
    warmth: Range  # Of the lamp: above 0 red, below blue
    blur: Range  # Standard deviation of the lens's blur, pixels
    noise: Range  # Standard deviation of the sensor's noise, of full scale 1
    contrast: Range  # Exponent of the tones: above 1 darker middle tones
    saturation: Range  # 1 keeps colours
    sharpening: Range  # Of the camera itself, 0 none
    resolution: Range  # Of the face in the video, of that of the crop
    codec: str  # "vp8", whose key frames are made like those of H.264, or "jpeg"
    quality: Range  # Of the compression, 1 to 100
    zoom: float  # Of the crops, 1 as `extract_faces` cuts
    jitter: float  # Standard deviation of zoom and of the crop's place, in face units


STUDIOS: Mapping[str, Studio] = {
    # Interviews: lamps from one side, good cameras, mild compression.
    "Celeb-DF-v2": Studio(
        ambient=(0.35, 0.6),
        strength=(0.9, 1.1),
        warmth=(-0.03, 0.09),
        blur=(0.35, 0.6),
        noise=(0.006, 0.014),
        contrast=(0.95, 1.1),
        saturation=(0.95, 1.15),
        sharpening=(0.0, 0.15),
        resolution=(0.75, 1.0),
        codec="vp8",
        quality=(78, 92),
        zoom=1.0,
        jitter=0.03,
    ),
    # The same kind, of older videos.
    "Celeb-DF-v1": Studio(
        ambient=(0.4, 0.65),
        strength=(0.85, 1.05),
        warmth=(-0.02, 0.1),
        blur=(0.4, 0.7),
        noise=(0.008, 0.018),
        contrast=(0.9, 1.1),
        saturation=(0.85, 1.05),
        sharpening=(0.0, 0.25),
        resolution=(0.7, 0.95),
        codec="vp8",
        quality=(70, 86),
        zoom=1.02,
        jitter=0.035,
    ),
    # Anybody's videos: all kinds of cameras, of which many sharpen, and heavier compression.
    "FF++": Studio(
        ambient=(0.35, 0.75),
        strength=(0.85, 1.12),
        warmth=(-0.08, 0.08),
        blur=(0.3, 0.6),
        noise=(0.004, 0.012),
        contrast=(0.85, 1.15),
        saturation=(0.85, 1.25),
        sharpening=(0.0, 0.6),
        resolution=(0.65, 1.0),
        codec="vp8",
        quality=(65, 88),
        zoom=0.97,
        jitter=0.035,
    ),
    # One studio: even cool light, soft lenses, little noise, tighter crops.
    "DFD": Studio(
        ambient=(0.55, 0.8),
        strength=(0.95, 1.15),
        warmth=(-0.08, 0.0),
        blur=(0.5, 0.8),
        noise=(0.002, 0.006),
        contrast=(1.0, 1.2),
        saturation=(0.75, 0.95),
        sharpening=(0.2, 0.6),
        resolution=(0.8, 1.0),
        codec="vp8",
        quality=(75, 90),
        zoom=1.08,
        jitter=0.04,
    ),
    # Webcams.
    "null": Studio(
        ambient=(0.4, 0.7),
        strength=(0.8, 1.05),
        warmth=(-0.06, 0.1),
        blur=(0.4, 0.8),
        noise=(0.008, 0.02),
        contrast=(0.9, 1.1),
        saturation=(0.8, 1.1),
        sharpening=(0.1, 0.5),
        resolution=(0.7, 1.0),
        codec="jpeg",
        quality=(75, 92),
        zoom=1.0,
        jitter=0.04,
    ),
}
"""The data sets, as manifests name them, to how they are filmed."""


@dataclass(frozen=True)
class Camera:
    """A camera with its settings of one clip; reals and fakes of a clip share it."""

    blur: float
    noise: float
    gain: tuple[float, float, float]  # Of red, green and blue: exposure and white balance
    contrast: float
    saturation: float
    sharpening: float
    resolution: float
    codec: str
    quality: int
    grid: tuple[int, int]  # Where the codec's blocks begin, x and y from 0 to 7

    @staticmethod
    def sample(rng: np.random.Generator, studio: Studio) -> Camera:
        """Sample the settings of a clip."""
        red, green, blue = (
            float(value) for value in rng.normal(1.0, 0.05) * rng.normal(1.0, 0.02, 3)
        )
        return Camera(
            blur=rng.uniform(*studio.blur),
            noise=rng.uniform(*studio.noise),
            gain=(red, green, blue),
            contrast=rng.uniform(*studio.contrast),
            saturation=rng.uniform(*studio.saturation),
            sharpening=rng.uniform(*studio.sharpening),
            resolution=rng.uniform(*studio.resolution),
            codec=studio.codec,
            quality=round(rng.uniform(*studio.quality)),
            grid=(int(rng.integers(8)), int(rng.integers(8))),
        )

    def film(self, image: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return what the sensor sees of (H, W, 3) float32 sRGB in [0, 1], which can be forged."""
        seen = cv2.GaussianBlur(image, (0, 0), self.blur)
        seen += np.float32(self.noise) * rng.standard_normal(image.shape, dtype=np.float32)
        return cast("FloatArray", np.clip(seen, 0.0, 1.0))

    def develop(self, footage: FloatArray) -> UInt8Array:
        """Sharpen footage and set its colours and tones, (H, W, 3) uint8 RGB."""
        soft = cv2.GaussianBlur(footage, (0, 0), 1.0)
        seen = footage + np.float32(self.sharpening) * (footage - soft)
        grey = seen @ _LUMA
        seen = grey[..., None] + np.float32(self.saturation) * (seen - grey[..., None])
        seen = np.clip(seen * np.asarray(self.gain, np.float32), 0.0, 1.0) ** self.contrast
        return cast("UInt8Array", np.rint(seen * 255).astype(np.uint8))

    def compress(self, pixels: UInt8Array) -> UInt8Array:
        """Save a picture at the video's resolution as the codec does, and read it again."""
        height, width = pixels.shape[:2]
        small = (round(width * self.resolution), round(height * self.resolution))
        x, y = self.grid
        stored = cv2.resize(
            cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), small, interpolation=cv2.INTER_AREA
        )
        stored = cv2.copyMakeBorder(stored, y, 0, x, 0, cv2.BORDER_REPLICATE)
        ending, quality = _CODECS[self.codec]
        _, file = cv2.imencode(ending, stored, [quality, self.quality])
        read = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)[y:, x:]
        read = cv2.resize(read, (width, height), interpolation=cv2.INTER_CUBIC)
        return cast("UInt8Array", cv2.cvtColor(read, cv2.COLOR_BGR2RGB))
