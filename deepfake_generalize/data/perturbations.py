"""Named perturbations of pictures, with the levels of those who published them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, TypeAlias

import av
import cv2
import numpy as np
from PIL import Image

from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, UInt8Array
from deepfake_generalize.validation import check_image_shape, check_whole, describe

_Operation: TypeAlias = "Callable[[UInt8Array, Any, _Drawn], Any]"
_LUMA = (0.299, 0.587, 0.114)
# From Y, Cb and Cr to RGB, each in full scales of its code in BT.601.
_TO_RGB = np.array([[1.0, 0.0, 1.403], [1.0, -0.344, -0.714], [1.0, 1.773, 0.0]])
_TO_RGB *= 255.0 / np.array([219.0, 224.0, 224.0])


@dataclass(frozen=True)
class Perturbation:
    """A perturbation of pictures: call it with pictures and a level.

    Attributes:
        name: As in `PERTURBATIONS`.
        parameter: What its values are.
        values: That of each level, from 1 on: higher levels are stronger.
        source: Who published it with these values.

    Examples:
        >>> picture = np.full((8, 8, 3), (200, 100, 0), np.uint8)
        >>> PERTURBATIONS["contrast"](picture, 5)[0, 0].tolist()
        [70, 35, 0]
    """

    name: str
    parameter: str
    values: tuple[Any, ...]
    source: str
    _operation: _Operation = field(repr=False, compare=False)

    @property
    def keeps_size(self) -> bool:
        """Whether pictures stay as large as they are."""
        return "resize" not in self.name

    def __call__(self, pictures: UInt8Array, level: int, *, seed: int = 0) -> UInt8Array:
        """Perturb one picture, or each of several.

        Args:
            pictures: (H, W, 3) or (N, H, W, 3) uint8 RGB, 0 to 255. They are not changed.
            level: From 1.
            seed: Of what is drawn, which is drawn for each picture from the seed and its pixels: it
                comes out the same whatever stands beside it, with the same noise at all levels but
                for its strength.

        Returns:
            The same shape, but for the size where `keeps_size` is False.

        Raises:
            InputError: No such pictures, level or seed.
        """
        return self.at_levels(pictures, (level,), seed=seed)[0]

    def at_levels(
        self, pictures: UInt8Array, levels: Collection[int], *, seed: int = 0
    ) -> list[UInt8Array]:
        """Do the same at several levels, a result each; what is drawn is drawn once."""
        one = isinstance(pictures, np.ndarray) and pictures.ndim == 3
        batch = check_image_shape(pictures[np.newaxis] if one else pictures, name="pictures")
        if batch.dtype != np.uint8 or not len(batch):
            raise InputError(f"expected pictures of dtype uint8, received {describe(pictures)}.")
        values = [self.values[self.check_level(level) - 1] for level in levels]
        check_whole("seed", seed, least=0)
        found = []
        for own in map(np.ascontiguousarray, batch):
            drawn = _Drawn(own, seed)
            found.append([np.asarray(self._operation(own, value, drawn)) for value in values])
        return found[0] if one else [np.stack(of) for of in zip(*found, strict=True)]

    def check_level(self, level: object) -> int:
        """Return a level that there is; `InputError` for another."""
        return check_whole(f"the level of {self.name}", level, least=1, most=len(self.values))

    def text(self, level: int) -> str:
        """Return the parameter at a level, as tables have it."""
        value = self.values[level - 1]
        return ", ".join(f"{of:.3g}" for of in (value if isinstance(value, tuple) else (value,)))


class _Drawn:
    """What is drawn for a picture, if it is asked for: the same at all levels."""

    def __init__(self, picture: UInt8Array, seed: int) -> None:
        self._picture, self._seed = picture, seed

    def rng(self) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(self._picture.data)])

    @cached_property
    def noise(self) -> AnyArray:
        return self.rng().standard_normal(self._picture.shape, np.float32)


def _mixed(picture: AnyArray, mix: AnyArray) -> Any:
    return cv2.transform(picture, mix.astype(np.float32))


def _blocks(picture: UInt8Array, number: int, drawn: _Drawn) -> Any:
    rng = drawn.rng()
    height, width = picture.shape[:2]
    covered = picture.copy()
    for _ in range(number * max(1, min(height, width) // 256)):
        left, top = (int(rng.integers(max(1, side - 8))) for side in (width, height))
        covered[top : top + 8, left : left + 8] = 128
    return covered


def _noise(picture: UInt8Array, mix: AnyArray, drawn: _Drawn) -> Any:
    return cv2.add(picture, _mixed(drawn.noise, 255.0 * mix), dtype=cv2.CV_8U)


def _blur(picture: UInt8Array, kernel: tuple[int, float], _: object) -> Any:
    return cv2.GaussianBlur(picture, (kernel[0], kernel[0]), kernel[1])


def _pixelate(picture: UInt8Array, factor: int, _: object) -> Any:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(1, width // factor), max(1, height // factor)))
    return cv2.resize(small, (width, height))


def save_as_jpeg(picture: UInt8Array, quality: int, _: object = None) -> UInt8Array:
    """Save a picture (H, W, 3) as a JPEG of a quality, and read it again."""
    pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, saved = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    found = cv2.cvtColor(cv2.imdecode(saved, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return np.asarray(found, np.uint8)


def _resize(picture: UInt8Array, side: int, _: object, *, rule: str) -> Any:
    height, width = picture.shape[:2]
    shorter = min(height, width)
    size = (int(side * width / shorter), int(side * height / shorter))
    return Image.fromarray(picture).resize(size, Image.Resampling[rule])


def _h264(picture: UInt8Array, crf: int, _: object) -> Any:
    """Compress as a video of one frame, by libx264 at a constant rate factor."""
    height, width = picture.shape[:2]
    even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    encoder: Any = av.CodecContext.create("libx264", "w")
    decoder: Any = av.CodecContext.create("h264", "r")
    encoder.width, encoder.height, encoder.pix_fmt = even.shape[1], even.shape[0], "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 25), {"crf": str(crf), "preset": "medium"}
    # The bits depend on the number of threads.
    encoder.thread_count = decoder.thread_count = 1
    packets = [*encoder.encode(av.VideoFrame.from_ndarray(even, "rgb24")), *encoder.encode(None)]
    (frame,) = [shown for packet in (*packets, None) for shown in decoder.decode(packet)]
    return frame.to_ndarray(format="rgb24")[:height, :width]


_DEEPER = 'Jiang et al., "DeeperForensics-1.0", CVPR 2020'
_GEND = 'Yermakov et al., "Deepfake Detection that Generalizes Across Benchmarks", WACV 2026'
_KERNEL, _SIDES = "kernel and sigma, pixels", ("shorter side, pixels", (224, 112, 64))
_KERNELS = tuple((side, side / 6) for side in (7, 9, 13, 17, 21))
_KERNELS_OF_GEND = ((5, 0.5), (7, 1.0), (11, 1.5), (13, 2.0), (19, 3.0))
_RULES = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")

_GRID: list[tuple[str, str, tuple[Any, ...], str, _Operation]] = [
    (
        *("saturation", "factor of the chroma", (0.4, 0.3, 0.2, 0.1, 0.0), _DEEPER),
        lambda own, by, _: _mixed(own, by * np.eye(3) + (1 - by) * np.array([_LUMA] * 3)),
    ),
    (
        *("contrast", "factor of all levels", (0.85, 0.725, 0.6, 0.475, 0.35), _DEEPER),
        lambda own, by, _: cv2.convertScaleAbs(own, alpha=by),
    ),
    ("blocks", "grey blocks of 8 x 8", (16, 32, 48, 64, 80), _DEEPER, _blocks),
    (
        *("colour_noise", "variance in YCbCr", (0.001, 0.002, 0.005, 0.01, 0.05), _DEEPER),
        lambda own, variance, drawn: _noise(own, np.sqrt(variance) * _TO_RGB, drawn),
    ),
    ("blur", _KERNEL, _KERNELS, _DEEPER, _blur),
    ("pixelation", "factor of the size", (2, 3, 4, 5, 6), _DEEPER, _pixelate),
    ("h264", "constant rate factor", (30, 32, 35, 38, 40), _DEEPER, _h264),
    ("gend_jpeg", "quality", (100, 80, 60, 40, 20, 10), _GEND, save_as_jpeg),
    ("gend_blur", _KERNEL, _KERNELS_OF_GEND, _GEND, _blur),
    (
        *("gend_noise", "sigma of full scale", (0.01, 0.03, 0.05, 0.1, 0.2), _GEND),
        lambda own, sigma, drawn: _noise(own, sigma * np.eye(3), drawn),
    ),
    *(
        (f"gend_resize_{rule}", *_SIDES, _GEND, partial(_resize, rule=rule.upper()))
        for rule in _RULES
    ),
]

DEEPER_FORENSICS = tuple(name for name, *_, source, _ in _GRID if source == _DEEPER)
"""The names of the seven types of DeeperForensics-1.0."""

PERTURBATIONS: Mapping[str, Perturbation] = MappingProxyType(
    {row[0]: Perturbation(*row) for row in _GRID}
)
"""Name to perturbation: the seven types of DeeperForensics-1.0 with its five levels, and the grid
of GenD (its names begin with gend_).

Reproduction notes:
    Parameters are those of the authors' programs. `pixelation` is what DeeperForensics calls JPEG:
    its program only shrinks and enlarges. `blocks` puts as many blocks on pictures under 256 pixels
    as on those of 256, where the program puts none. Results are rounded and clipped where the
    programs cut off fractions, and may wrap round. `h264` makes each picture a key frame;
    DeeperForensics compresses whole videos, whose other frames lose more. GenD's levels that change
    nothing (blur and noise of 0) are left out.
"""
