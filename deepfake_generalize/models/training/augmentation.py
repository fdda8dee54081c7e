"""Augmentation recipes of the field, named after their source, and how training draws from them.

Every image is drawn for by itself, from the seed, the epoch and its row, whatever its label is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import tensorflow as tf

from deepfake_generalize.data.crops import ordered_rows
from deepfake_generalize.data.perturbations import save_as_jpeg
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import named
from deepfake_generalize.types import AnyArray, FloatArray, UInt8Array
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from deepfake_generalize.models.training.data import TrainingData

Augmentation: TypeAlias = "Callable[[UInt8Array, np.random.Generator], UInt8Array]"
"""From images (B, H, W, 3) uint8 RGB and a generator to as many of that shape."""


def augmentation_of(given: str | Augmentation, shape: tuple[int, ...]) -> Augmentation:
    """Return what a recipe names: a known one, or a function of one's own, tried on a blank."""
    if isinstance(given, str) and given in AUGMENTATIONS:
        return AUGMENTATIONS[given]
    function: Augmentation = named(given) if isinstance(given, str) else given

    def checked(images: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        found, shape = function(images, rng), images.shape
        same = isinstance(found, np.ndarray) and found.shape == shape
        if not same or found.dtype != np.uint8:
            raise InputError(
                f"expected an augmentation to return images {shape} uint8 as it was given, "
                f"received {describe(found)}.",
                hint="It is called with images (B, H, W, 3) and a NumPy generator.",
            )
        return found

    checked(np.full((1, *shape), 128, np.uint8), np.random.default_rng(0))
    return checked


def augmented(
    data: TrainingData,
    given: str | Augmentation,
    seed: int,
    epoch: Callable[[], int],
    raised: list[Exception],
) -> TrainingData:
    """Return data whose images are augmented anew in each epoch; errors are `raised` too."""
    function, count = augmentation_of(given, data.shape), data.count
    if count is None:
        raise InputError(
            "expected crops or arrays to augment, received a dataset, which does not tell its "
            "images apart.",
            hint="Pass crops, or map the dataset yourself.",
        )

    def draw(images: FloatArray, keys: AnyArray) -> FloatArray:
        pixels = np.rint(images * np.float32(255)).astype(np.uint8)
        drawn = (
            function(image[np.newaxis], np.random.default_rng([seed, *divmod(int(key), count), 1]))
            for image, key in zip(pixels, keys, strict=True)
        )
        try:
            return np.concatenate([*drawn]).astype(np.float32) / np.float32(255)
        except Exception as error:  # TensorFlow hands on no more than its text.
            raised.append(error)
            raise

    def apply(batch: tuple[tf.Tensor, tf.Tensor], keys: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.numpy_function(draw, [batch[0], keys], tf.float32, stateful=False)
        images.set_shape(batch[0].shape)
        return images, batch[1]

    def batches(size: int, order: Callable[[], AnyArray] | None, drop: bool) -> tf.data.Dataset:
        # An image's epoch comes with its row: what is read ahead must not ask for it later.
        keys = ordered_rows(count, order and (lambda: order() + epoch() * count)).batch(size)
        both = tf.data.Dataset.zip((data.batches(size, order, drop), keys))
        mapped = both.map(apply, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return mapped.prefetch(tf.data.AUTOTUNE)

    return replace(data, batches=batches, row=None)


def _mirror(image: UInt8Array, _: object) -> UInt8Array:
    return image[:, ::-1]


def _jpeg(image: UInt8Array, rng: np.random.Generator, *, lowest: int) -> UInt8Array:
    return save_as_jpeg(image, int(rng.integers(lowest, 101)))


def _noise(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    noise = rng.normal(0, np.sqrt(rng.uniform(10, 50)), image.shape)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def _recolour(image: UInt8Array, rng: np.random.Generator, *, limit: float) -> UInt8Array:
    chosen = rng.integers(3)
    if chosen == 0:
        return adjust_brightness(image, *rng.uniform(-limit, limit, 2))
    if chosen == 1:
        return shift_components(image, rng.normal(0, 0.1))
    return shift_hsv(image, *rng.uniform(-1, 1, 3) * (20, 30, 20))


def _place(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    return turn(image, rng.uniform(-10, 10), rng.uniform(0.8, 1.2), rng.uniform(-0.1, 0.1, 2))


def turn(
    image: UInt8Array, degrees: float, scale: float = 1, shift: Any = (0, 0), border: int = 0
) -> UInt8Array:
    """Turn, scale and shift (by parts of width and height) an image about its centre."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    matrix[:, 2] += shift[0] * width, shift[1] * height
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=border), np.uint8)


def blur(image: UInt8Array, side: int) -> UInt8Array:
    """Blur by a Gaussian kernel of an odd side, with the sigma that OpenCV has for it."""
    return np.asarray(cv2.GaussianBlur(image, (side, side), 0), np.uint8)


def adjust_brightness(image: UInt8Array, brightness: float, contrast: float) -> UInt8Array:
    """Multiply levels by 1 + contrast and add that part of the full scale."""
    levels = np.arange(256) * (1 + contrast) + 255 * brightness
    return np.asarray(cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)), np.uint8)


def shift_hsv(image: UInt8Array, hue: float, saturation: float, value: float) -> UInt8Array:
    """Shift hue (in OpenCV's 180 steps), saturation and value, of 255."""
    levels = np.arange(256.0)[:, np.newaxis] + (hue, saturation, value)
    levels = np.column_stack([levels[:, 0] % 180, np.clip(levels[:, 1:], 0, 255)])
    hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), levels.astype(np.uint8)[np.newaxis])
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def shift_components(image: UInt8Array, alpha: float) -> UInt8Array:
    """Move all pixels along the principal components of their colours, by alpha x variance."""
    variances, components = np.linalg.eigh(np.cov(image.reshape(-1, 3).T / 255))
    moved = image + 255 * (components @ (alpha * variances))
    return np.clip(moved, 0, 255).astype(np.uint8)


def _each_by_chance(*steps: tuple[float, Augmentation]) -> Augmentation:
    """Return what takes every step, in order, with its probability, for each image by itself."""

    def run(images: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        changed = []
        for image in images:
            for probability, step in steps:
                if rng.random() < probability:
                    image = step(image, rng)  # noqa: PLW2901
            changed.append(image)
        return np.stack(changed)

    return run


AUGMENTATIONS: Mapping[str, Augmentation] = MappingProxyType(
    {
        "deepfakebench": _each_by_chance(
            (0.5, _mirror),
            (0.5, lambda own, rng: turn(own, rng.uniform(-10, 10), border=cv2.BORDER_REFLECT_101)),
            (0.5, lambda own, rng: blur(own, int(rng.integers(3, 8)) // 2 * 2 + 1)),
            (0.5, partial(_recolour, limit=0.1)),
            (0.5, partial(_jpeg, lowest=40)),
        ),
        "selimsef": _each_by_chance(
            (0.5, partial(_jpeg, lowest=60)),
            (0.1, _noise),
            (0.05, lambda own, _: blur(own, 3)),
            (0.5, _mirror),
            (0.7, partial(_recolour, limit=0.2)),
            (0.2, lambda own, _: np.repeat(cv2.cvtColor(own, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)),
            (0.5, _place),
        ),
    }
)
"""Name to augmentation recipe: called with images (B, H, W, 3) uint8 and a NumPy generator.

deepfakebench: Yan et al., "DeepfakeBench", NeurIPS 2023. With probability .5 each: mirrored; turned
by up to 10 degrees; Gaussian blur of 3 to 7 pixels; one of brightness and contrast (by up to .1),
PCA, and hue, saturation, value; JPEG of quality 40 to 100.

selimsef: Seferbekov's, who won the Deepfake Detection Challenge in 2020. JPEG of quality 60 to 100
(probability .5); noise of variance 10 to 50 (.1); blur of 3 pixels (.05); mirrored (.5); one of
brightness and contrast (by up to .2), PCA, and hue, saturation, value (.7); grey (.2); shifted by
up to a tenth, scaled by .8 to 1.2 and turned by up to 10 degrees, black behind (.5).

Reproduction notes:
    Their programs call albumentations; here it is OpenCV, with the same parameters and other random
    numbers. Both give a real and its fake draws of their own. DeepfakeBench's file for Xception
    never turns. Crops have the network's size already: nothing is resized or padded. PCA moves
    along the components, which albumentations transposes. Selimsef's cut-outs, by landmarks, are
    left out.
"""
