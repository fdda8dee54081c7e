"""A moment of a clip: person, expression, pose, light and place, and the camera before them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import cv2
import numpy as np

from deepfake_generalize.data.synthetic.people import Person, Rgb, stream
from deepfake_generalize.types import FloatArray, UInt8Array

FRAMES_PER_CLIP = 300
"""Frames in a synthetic clip; pictures of it are taken at any of them."""

_TURN = math.pi / 6

FPS = 25


Range: TypeAlias = tuple[float, float]
"""What each clip draws from evenly."""

_CODECS = {"vp8": (".webp", cv2.IMWRITE_WEBP_QUALITY), "jpeg": (".jpg", cv2.IMWRITE_JPEG_QUALITY)}
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Blotches of colour in a picture's width and height, and what Cr and Cb are in RGB.
_BLOTCHES, _CHROMA = 11, np.array([[1.402, -0.714, 0.0], [0.0, -0.344, 1.772]], np.float32)


@dataclass(frozen=True)
class Studio:
    """What the clips of a data set have in common."""

    ambient: Range  # Share of the light that comes from everywhere, 0 to 1
    strength: Range  # Of all of it
    warmth: Range  # Of the lamp: above 0 red, below blue
    blur: Range  # Standard deviation of the lens's blur, pixels
    noise: Range  # Standard deviation of the sensor's noise, of full scale 1
    blotches: Range  # Of the colour that is left of noise where a camera smooths it away, as noise
    contrast: Range  # Exponent of the tones: above 1 darker middle tones
    saturation: Range  # 1 keeps colours
    sharpening: Range  # Of the camera itself, 0 none
    resolution: Range  # Of the face in the video, of that of the crop
    codec: str  # "vp8", whose key frames are made like those of H.264, or "jpeg"
    quality: Range  # Of the compression, 1 to 100
    zoom: float  # Of the crops, 1 as `extract_faces` cuts
    jitter: float  # Standard deviation of zoom and of the crop's place, in face units


_DATASETS = ("Celeb-DF-v2", "Celeb-DF-v1", "FF++", "DFD", "null")
# Interviews, lit from one side by good cameras; the same of older videos; anybody's videos, of all
# kinds of cameras, many of which sharpen or leave blotches, and more compressed; one studio, of
# even cool light, soft lenses and tighter crops; webcams.
_FILMED: Mapping[str, tuple[Any, ...]] = {
    "ambient": ((0.35, 0.6), (0.4, 0.65), (0.35, 0.75), (0.55, 0.8), (0.4, 0.7)),
    "strength": ((0.9, 1.1), (0.85, 1.05), (0.85, 1.12), (0.95, 1.15), (0.8, 1.05)),
    "warmth": ((-0.03, 0.09), (-0.02, 0.1), (-0.08, 0.08), (-0.08, 0.0), (-0.06, 0.1)),
    "blur": ((0.3, 0.45), (0.3, 0.45), (0.3, 0.5), (0.45, 0.65), (0.4, 0.6)),
    "noise": ((0.006, 0.014), (0.006, 0.018), (0.004, 0.012), (0.002, 0.006), (0.008, 0.02)),
    "blotches": ((0.0, 0.008), (0.0, 0.012), (0.0, 0.035), (0.01, 0.04), (0.0, 0.02)),
    "contrast": ((0.95, 1.1), (0.9, 1.1), (0.85, 1.15), (1.0, 1.2), (0.9, 1.1)),
    "saturation": ((0.95, 1.15), (0.85, 1.05), (0.85, 1.25), (0.75, 0.95), (0.8, 1.1)),
    "sharpening": ((0.0, 0.15), (0.0, 0.6), (0.0, 0.6), (0.2, 0.6), (0.1, 0.5)),
    "resolution": ((0.9, 1.0), (0.8, 1.0), (0.85, 1.0), (0.9, 1.0), (0.85, 1.0)),
    "codec": ("vp8", "vp8", "vp8", "vp8", "jpeg"),
    "quality": ((88, 96), (82, 92), (84, 95), (86, 96), (82, 94)),
    "zoom": (1.0, 1.02, 0.97, 1.08, 1.0),
    "jitter": (0.03, 0.035, 0.035, 0.04, 0.04),
}
STUDIOS: Mapping[str, Studio] = {
    dataset: Studio(**{setting: of[at] for setting, of in _FILMED.items()})
    for at, dataset in enumerate(_DATASETS)
}
"""The data sets, as manifests name them, to how they are filmed."""


_DRAWN = ("blur", "noise", "blotches", "contrast", "saturation", "sharpening", "resolution")


@dataclass(frozen=True)
class Camera:
    """A camera with its settings of one clip, as in `Studio`; reals and fakes of it share them."""

    blur: float
    noise: float
    blotches: float
    contrast: float
    saturation: float
    sharpening: float
    resolution: float
    gain: tuple[float, ...]  # Of red, green and blue: exposure and white balance
    codec: str
    quality: int
    grid: tuple[int, int]  # Where the codec's blocks begin, x and y from 0 to 7

    @staticmethod
    def sample(rng: np.random.Generator, studio: Studio) -> Camera:
        """Sample the settings of a clip."""
        gain = rng.normal(1.0, 0.05) * rng.normal(1.0, 0.02, 3)
        drawn = {name: float(rng.uniform(*getattr(studio, name))) for name in _DRAWN}
        grid = (int(rng.integers(8)), int(rng.integers(8)))
        quality = round(rng.uniform(*studio.quality))
        return Camera(
            gain=tuple(gain.tolist()), codec=studio.codec, quality=quality, grid=grid, **drawn
        )

    def film(self, image: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return what the sensor sees of (H, W, 3) float32 sRGB in [0, 1], which can be forged."""
        seen = cv2.GaussianBlur(image, (0, 0), self.blur)
        seen += np.float32(self.noise) * rng.standard_normal(image.shape, dtype=np.float32)
        return cast("FloatArray", np.clip(seen, 0.0, 1.0))

    def develop(self, footage: FloatArray, rng: np.random.Generator) -> UInt8Array:
        """Sharpen footage, set its colours and tones and leave blotches, (H, W, 3) uint8 RGB."""
        soft = cv2.GaussianBlur(footage, (0, 0), 1.0)
        seen = footage + np.float32(self.sharpening) * (footage - soft)
        grey = seen @ _LUMA
        seen = grey[..., None] + np.float32(self.saturation) * (seen - grey[..., None])
        seen = np.clip(seen * np.asarray(self.gain, np.float32), 0.0, 1.0) ** self.contrast
        blotches = rng.standard_normal((_BLOTCHES, _BLOTCHES, 2), dtype=np.float32)
        blotches = cv2.resize(blotches, (footage.shape[1], footage.shape[0])) @ _CHROMA
        seen = np.clip(seen + np.float32(self.blotches) * blotches, 0.0, 1.0)
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


@dataclass(frozen=True)
class Expression:
    """How the face is held; what a reenactment changes."""

    mouth_open: float  # Half the height of the gap between the lips, 0 to about 0.12
    smile: float  # Raises the corners of the mouth, -0.04 to 0.08
    brows: float  # Raises the brows, -0.03 to 0.05
    eyelids: float  # 1 open, 0 closed
    gaze: float  # Of the irises to the side, in widths of an eye, -0.3 to 0.3
    sight: float  # Of the irises down, in heights of an eye, -0.5 to 0.5


@dataclass(frozen=True)
class Pose:
    """How the head is turned, in radians (roll included; small angles), and where it is."""

    yaw: float  # To the side
    pitch: float  # Down
    roll: float  # Tilt in the picture
    x: float  # Of the middle of the face, in face units from the place the picture is aimed at
    y: float  # The same, downwards


@dataclass(frozen=True)
class Light:
    """One lamp and what the room gives back."""

    direction: tuple[float, float, float]  # To the lamp: x right, y down, z to the camera; length 1
    ambient: float  # Share of the light that comes from everywhere, 0 to 1
    colour: Rgb  # Of the lamp
    strength: float  # Of all of it


@dataclass(frozen=True)
class Place:
    """What is behind the person, and what they wear."""

    upper: Rgb  # Colour of the wall above
    lower: Rgb  # Colour of the wall below
    clothes: Rgb  # Colour
    clutter: float  # Contrast of the things behind, 0 to 1
    seed: int  # Of their shapes


@dataclass(frozen=True)
class Shot:
    """One moment before the camera."""

    person: Person
    expression: Expression
    pose: Pose
    light: Light
    place: Place


@dataclass(frozen=True)
class Clip:
    """One take of a person: place and light stay, expression and pose move smoothly."""

    person: Person
    seed: int  # Of the whole
    name: str  # What makes it a take of its own
    studio: Studio  # How its data set is filmed

    def shot(self, frame: int) -> Shot:
        """Return the moment of a frame, from 0 and past the end; neighbours differ little."""
        rng = stream(self.seed, "clip", self.name)
        light, place = _sample_light(rng, self.studio), _sample_place(rng)
        sway = _Sway(rng, frame / FPS)
        speech = max(0.0, sway(0.03, 0.07, fast=True))
        expression = Expression(
            mouth_open=min(speech, 0.12),
            smile=sway(0.015, 0.035),
            brows=sway(0.0, 0.018),
            eyelids=1.0 - 0.9 * _blink(rng, frame),
            gaze=sway(0.0, 0.14),
            sight=sway(0.0, 0.25),
        )
        pose = Pose(
            yaw=_within(sway(float(rng.normal(0, 0.22)), 0.14), _TURN),
            pitch=_within(sway(float(rng.normal(0, 0.08)), 0.06), _TURN / 2),
            roll=sway(float(rng.normal(0, 0.05)), 0.04),
            x=sway(0.0, 0.04),
            y=sway(0.0, 0.03),
        )
        return Shot(self.person, expression, pose, light, place)


def _within(angle: float, most: float) -> float:
    """Return an angle, softly kept within a limit."""
    return most * math.tanh(angle / most)


class _Sway:
    """Smooth movement: two sines of random periods and phases."""

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        self._rng = rng
        self._seconds = seconds

    def __call__(self, middle: float, reach: float, *, fast: bool = False) -> float:
        periods = self._rng.uniform(0.4, 1.3, 2) if fast else self._rng.uniform(2.5, 9.0, 2)
        phases = self._rng.uniform(0, 2 * math.pi, 2)
        angles = 2 * math.pi * self._seconds / periods + phases
        return float(middle + reach * np.sin(angles).sum() / math.sqrt(2))


def _blink(rng: np.random.Generator, frame: int) -> float:
    every, offset = int(rng.integers(60, 120)), int(rng.integers(0, 120))
    return max(0.0, 1.0 - abs((frame + offset) % every - 3) / 3.0)


def _sample_light(rng: np.random.Generator, studio: Studio) -> Light:
    angle, height = rng.uniform(-1.1, 1.1), rng.uniform(-0.7, -0.1)
    direction = np.array([math.sin(angle), height, 0.6 + math.cos(angle)])
    x, y, z = (float(v) for v in direction / np.linalg.norm(direction))
    warmth = rng.uniform(*studio.warmth)
    colour = (1.0 + warmth, 1.0, 1.0 - warmth)
    return Light((x, y, z), rng.uniform(*studio.ambient), colour, rng.uniform(*studio.strength))


def _sample_place(rng: np.random.Generator) -> Place:
    upper = rng.uniform(0.15, 0.85) + rng.normal(0, 0.06, 3)
    lower = upper * rng.uniform(0.6, 1.2) + rng.normal(0, 0.05, 3)
    clothes = rng.uniform(0.05, 0.85) + rng.normal(0, 0.14, 3)
    return Place(
        _clipped(upper),
        _clipped(lower),
        _clipped(clothes),
        float(rng.uniform(0.05, 0.3)),
        int(rng.integers(2**31)),
    )


def _clipped(values: np.ndarray) -> Rgb:
    red, green, blue = (float(value) for value in np.clip(values, 0.02, 0.98))
    return red, green, blue
