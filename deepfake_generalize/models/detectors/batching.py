"""Images of any size into bounded batches at a network's size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.data.crops import resize
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import (
    check_image_shape,
    check_images,
    check_unit,
    check_whole,
    describe,
)

if TYPE_CHECKING:
    from deepfake_generalize.types import AnyArray, Images


def unit_batches(images: Images, size: tuple[int, int], batch_size: int) -> Iterator[AnyArray]:
    """Yield images as checked batches (B, height, width, 3) float32 in [0, 1].

    `images` are (N, H, W, 3) RGB, uint8 or float in [0, 1], or a sequence of (H, W, 3) of unequal
    sizes; `size` is (height, width) in pixels, and `batch_size` the most images in a batch.

    Raises:
        InputError: Images of another shape, dtype or range, or `batch_size` below 1.
    """
    batch_size = check_whole("batch_size", batch_size, least=1)
    if isinstance(images, np.ndarray):
        check_image_shape(images)
    elif not isinstance(images, Sequence):
        raise InputError(
            "expected images as an array (N, H, W, 3) or a sequence of arrays (H, W, 3), "
            f"received {describe(images)}.",
            hint="Turn a dataset or an iterator into a list, or score it batch by batch.",
        )
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        batch = np.empty((len(part), *size, 3), np.float32)
        for index, image in enumerate(part):
            batch[index] = _unit(image, size, f"images[{start + index}]")
        yield batch


def _unit(image: AnyArray, size: tuple[int, int], name: str) -> AnyArray:
    """Check one image, resize it as it came (8 bit stays 8 bit, as on disk), scale to [0, 1]."""
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        raise InputError(
            f"expected {name} to be an array of shape (H, W, 3), received {describe(image)}.",
            hint="Pass RGB images as uint8 in 0 to 255 or as float in [0, 1], channels last.",
        )
    image = check_images(image[np.newaxis], name=name)[0]
    if image.dtype == np.uint8:
        return np.divide(resize(image, size), np.float32(255), dtype=np.float32)
    return resize(image.astype(np.float32), size)


def checked_scores(scores: AnyArray, *, source: str) -> AnyArray:
    """Return scores, of any shape, if all are in [0, 1] up to rounding, and clip them.

    Raises:
        InputError: NaN, or a value outside [0, 1]; `source` is what it calls the detector.
    """
    if not np.isfinite(scores).all():
        raise InputError(
            f"expected scores in [0, 1] from {source}, received NaN or infinity.",
            hint="Its weights may have diverged, or the input may be scaled wrongly.",
        )
    return check_unit(
        "scores",
        scores,
        source=source,
        hint="Give it a sigmoid or a softmax at the end: logits are not probabilities.",
    )
