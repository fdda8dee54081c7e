"""Who the synthetic people are: bones, features, skin and hair, sampled once from a seed.

Lengths are in face units: the distance from the middle of the face to the chin is about 1, x to the
right and y down. The middle lies between the eyes and the nose.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Rgb: TypeAlias = tuple[float, float, float]

_SKIN_TONES: tuple[Rgb, ...] = (
    (0.95, 0.80, 0.71),
    (0.89, 0.70, 0.58),
    (0.79, 0.59, 0.45),
    (0.66, 0.46, 0.33),
    (0.50, 0.34, 0.24),
    (0.34, 0.23, 0.17),
)
_HAIR_COLOURS: tuple[Rgb, ...] = (
    (0.09, 0.07, 0.06),
    (0.20, 0.13, 0.09),
    (0.36, 0.23, 0.13),
    (0.60, 0.45, 0.26),
    (0.45, 0.20, 0.10),
    (0.62, 0.60, 0.58),
)
_IRIS_COLOURS: tuple[Rgb, ...] = (
    (0.22, 0.13, 0.08),
    (0.34, 0.22, 0.12),
    (0.30, 0.40, 0.30),
    (0.32, 0.45, 0.60),
)


@dataclass(frozen=True)
class Bones:
    """The shape of a head."""

    width: float  # Half the width at the cheekbones
    crown: float  # From the middle to the top of the skull
    chin: float  # From the middle to the chin
    square: float  # Exponent of the lower outline: 2 is round, 3 square
    taper: float  # How much the jaw narrows
    ear: float  # Half the height of an ear


@dataclass(frozen=True)
class Features:
    """What a face swap carries from one person to another."""

    eye_x: float  # Of the left eye's middle; the right one mirrors it
    eye_y: float  # Of both eyes
    eye_width: float  # Half the width of an eye
    eye_height: float  # Half the height of an open eye
    eye_tilt: float  # How far the outer corner is raised
    iris: Rgb  # Colour
    brow_y: float  # Height of the brows
    brow_weight: float  # Half their thickness
    brow_arch: float  # How far their middle is raised
    nose_width: float  # Half the width at the nostrils
    nose_y: float  # Height of the tip
    nose_relief: float  # How far it stands out
    mouth_y: float  # Height of the mouth
    mouth_width: float  # Half its width
    lip: float  # Thickness of the lower lip; the upper is two thirds of it
    lip_colour: Rgb  # Multiplies the skin's
    cheek: float  # Relief of the cheekbones
    beard: float  # 0 to 1
    age: float  # 0 to 1: lines on the forehead and beside the mouth
    make_up: float  # 0 to 1: lashes and lips


@dataclass(frozen=True)
class Skin:
    """The skin's colour, and its pores, which move with the face."""

    colour: Rgb  # sRGB in [0, 1]
    pores: float  # Relative strength of the fine pattern
    gloss: float  # Strength of the highlight
    seed: int  # Of the pattern


@dataclass(frozen=True)
class Hair:
    """Hair on the head."""

    length: float  # 0 bald, to 1 cropped, to 2 over the shoulders
    line: float  # Height of the hairline in the middle of the forehead
    volume: float  # How far it stands off the skull
    parting: float  # Where it parts, in x
    colour: Rgb  # sRGB in [0, 1]
    seed: int  # Of the strands


@dataclass(frozen=True)
class Person:
    """One identity."""

    bones: Bones
    features: Features
    skin: Skin
    hair: Hair


def stream(seed: int, *names: object) -> np.random.Generator:
    """Return a random generator that depends on a seed and on names, on nothing else.

    Examples:
        >>> stream(0, "id1", 3).random() == stream(0, "id1", 3).random()
        True
    """
    text = "\x1f".join(str(name) for name in names).encode()
    return np.random.default_rng([seed, zlib.crc32(text), zlib.adler32(text), len(text)])


def sample_person(rng: np.random.Generator) -> Person:
    """Sample a person: any skin tone, women and men alike often."""
    woman = bool(rng.random() < 0.5)
    tone = rng.random()
    colour = _between(_SKIN_TONES, tone * (len(_SKIN_TONES) - 1))
    colour = _rgb(np.asarray(colour) * rng.normal(1.0, (0.02, 0.025, 0.03)))
    skin = Skin(colour, rng.uniform(0.85, 1.15), rng.uniform(0.04, 0.14), _seed(rng))
    age = float(rng.beta(1.3, 1.8))
    hair = _sample_hair(rng, woman=woman, tone=tone, age=age)
    bones = Bones(
        width=rng.normal(0.73 if woman else 0.76, 0.03),
        crown=rng.uniform(1.08, 1.2),
        chin=rng.normal(0.98 if woman else 1.03, 0.03),
        square=rng.uniform(1.9, 2.4) if woman else rng.uniform(2.1, 3.0),
        taper=rng.uniform(0.12, 0.26) if woman else rng.uniform(0.02, 0.2),
        ear=rng.uniform(0.15, 0.21),
    )
    return Person(bones, _sample_features(rng, woman=woman, tone=tone, age=age), skin, hair)


def _sample_features(rng: np.random.Generator, *, woman: bool, tone: float, age: float) -> Features:
    beard = 0.0 if woman or rng.random() < 0.5 else float(rng.uniform(0.25, 1.0))
    make_up = float(rng.uniform(0.2, 1.0)) if woman else 0.0
    light_eyes = tone < 0.35 and rng.random() < 0.5
    iris = _IRIS_COLOURS[int(rng.integers(2, 4) if light_eyes else rng.integers(0, 2))]
    rosy = np.array([1.0, 0.68, 0.66]) + 0.06 * rng.standard_normal(3)
    rosy = rosy * (1 - 0.25 * make_up * np.array([0.0, 1.0, 0.8]))
    return Features(
        eye_x=rng.normal(0.33, 0.016),
        eye_y=rng.normal(-0.11, 0.02),
        eye_width=rng.normal(0.148, 0.012),
        eye_height=rng.normal(0.068 if woman else 0.06, 0.01),
        eye_tilt=rng.normal(0.012, 0.014),
        iris=iris,
        brow_y=rng.normal(-0.31 if woman else -0.28, 0.02),
        brow_weight=rng.uniform(0.018, 0.03) if woman else rng.uniform(0.028, 0.046),
        brow_arch=rng.uniform(0.02, 0.07) if woman else rng.uniform(0.0, 0.04),
        nose_width=rng.normal(0.125 + 0.035 * tone, 0.016),
        nose_y=rng.normal(0.27, 0.025),
        nose_relief=rng.uniform(0.8, 1.3),
        mouth_y=rng.normal(0.57, 0.025),
        mouth_width=rng.normal(0.27, 0.025),
        lip=rng.normal(0.065 + 0.03 * tone, 0.01),
        lip_colour=_rgb(rosy),
        cheek=rng.uniform(0.5, 1.4),
        beard=beard,
        age=age,
        make_up=make_up,
    )


def _sample_hair(rng: np.random.Generator, *, woman: bool, tone: float, age: float) -> Hair:
    darkest = rng.random() < 0.25 + tone
    colour = _HAIR_COLOURS[int(rng.integers(0, 2) if darkest else rng.integers(1, 5))]
    if age > 0.65:
        colour = _between((colour, _HAIR_COLOURS[-1]), (age - 0.65) / 0.35)
    if woman:
        length = float(rng.uniform(1.1, 2.0))
    else:
        length = 0.0 if rng.random() < 0.12 else float(rng.uniform(0.6, 1.15))
    return Hair(
        length=length,
        line=rng.uniform(-0.78, -0.62) if woman else rng.uniform(-0.9, -0.66) - 0.1 * age,
        volume=rng.uniform(0.06, 0.2) if woman else rng.uniform(0.03, 0.13),
        parting=rng.uniform(-0.4, 0.4),
        colour=_rgb(np.asarray(colour) * rng.normal(1.0, 0.1) * rng.normal(1.0, 0.025, 3)),
        seed=_seed(rng),
    )


def _between(colours: tuple[Rgb, ...], position: float) -> Rgb:
    at = min(int(position), len(colours) - 2)
    low, high = np.asarray(colours[at]), np.asarray(colours[at + 1])
    return _rgb(low + (high - low) * (position - at))


def _rgb(values: np.ndarray) -> Rgb:
    red, green, blue = (float(value) for value in np.clip(values, 0.02, 1.2))
    return red, green, blue


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
