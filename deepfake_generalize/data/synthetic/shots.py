"""What stands before the camera at one moment: a person, expression, pose, light and a place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from deepfake_generalize.data.synthetic.cameras import Studio
from deepfake_generalize.data.synthetic.people import Person, Rgb, stream

FRAMES_PER_CLIP = 300
"""Frames in a synthetic clip; pictures of it are taken at any of them."""

_TURN = math.pi / 6

FPS = 25


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
