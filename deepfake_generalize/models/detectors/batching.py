"""Images of any size into bounded batches at a network's size, and through it a few at a time."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import cv2
import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from deepfake_generalize._system.processes import processors
from deepfake_generalize.data.crops import read_image, resize
from deepfake_generalize.data.manifests import require_columns
from deepfake_generalize.data.video import sample_indices
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, ImagePaths, Images
from deepfake_generalize.validation import (
    check_image_shape,
    check_images,
    check_unit,
    check_whole,
    describe,
)

Item = TypeVar("Item")
Result = TypeVar("Result")


def _by_rule(image: AnyArray, size: tuple[int, int], *, rule: int) -> AnyArray:
    if image.shape[:2] == size:
        return image
    resized: AnyArray = cv2.resize(
        np.ascontiguousarray(image), (size[1], size[0]), interpolation=rule
    )
    return resized


RESIZING: Mapping[str, Callable[[AnyArray, tuple[int, int]], AnyArray]] = MappingProxyType(
    {
        "bilinear": resize,
        "nearest": partial(_by_rule, rule=cv2.INTER_NEAREST_EXACT),
        "area": partial(_by_rule, rule=cv2.INTER_AREA),
    }
)
"""How images of other sizes than a network's are brought to it.

`bilinear` is by area where an image shrinks beyond a factor of two, as in `data.to_dataset`;
`nearest` takes the pixel nearest to each new one's centre, as Keras's ImageDataGenerator does.
"""


_SQUASH = "End the network in one sigmoid unit or in a softmax: logits are not probabilities."
_SUM_ROUNDING = {"bfloat16": 3e-2, "float16": 4e-3}
"""How far softmax columns may be from a sum of 1, where they are that coarse; else a thousandth."""


def unit_batches(
    images: Images | ImagePaths,
    size: tuple[int, int],
    batch_size: int,
    *,
    resizing: str = "bilinear",
) -> Iterator[AnyArray]:
    """Yield images as checked batches (B, height, width, 3) float32 in [0, 1].

    `images` are (N, H, W, 3) RGB, uint8 or float in [0, 1], or a sequence of (H, W, 3) of unequal
    sizes or of paths, or a table of crops, which are read a batch at a time; `size` is
    (height, width) in pixels, `batch_size` the most images in a batch, and `resizing` a name of
    `RESIZING`.

    Raises:
        InputError: Images of another shape, dtype or range, or `batch_size` below 1.
    """
    batch_size = check_whole("batch_size", batch_size, least=1)
    given = _listed(images)
    if isinstance(given, np.ndarray):
        given = check_image_shape(given)
    elif not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(
            "expected images as an array (N, H, W, 3), a sequence of arrays (H, W, 3) or of paths, "
            f"or crops, received {describe(given)}.",
            hint="Turn a tensor into an array, tensor.cpu().numpy(), and a path, a dataset or an "
            "iterator into a list, or score it batch by batch.",
        )
    for start in range(0, len(given), batch_size):
        part = given[start : start + batch_size]
        batch = np.empty((len(part), *size, 3), np.float32)
        for index, item in enumerate(part):
            image = read_image(item) if isinstance(item, str | Path) else item
            batch[index] = _unit(image, size, f"images[{start + index}]", RESIZING[resizing])
        yield batch


def given_batches(
    clips: Any, frames: int | None, size: tuple[int, int], batch_size: int
) -> Iterator[AnyArray]:
    """Yield clips as checked batches (B, frames, height, width, 3); images without `frames`.

    `clips` are (N, T, H, W, 3), or a sequence of the frames of a video each, in order. Of more than
    `frames` the centres of as many equal parts are taken; of fewer it raises `InputError`.
    """
    if frames is None:
        yield from unit_batches(clips, size, batch_size)
        return
    if isinstance(clips, pd.DataFrame | str) or not isinstance(clips, np.ndarray | Sequence):
        raise _no_clips(describe(clips))
    for start in range(0, len(clips), batch_size):
        batch: list[AnyArray] = []
        for number, clip in enumerate(clips[start : start + batch_size], start):
            given = _listed(clip)
            if not isinstance(given, list | tuple | np.ndarray) or np.ndim(given[:1]) in (2, 3):
                raise _no_clips(f"{describe(clip)} as clip {number}")
            if len(given) < frames:
                raise InputError(
                    f"expected {frames} frames or more in clip {number}, received {len(given)}.",
                    hint="Sample more frames of the video: none is repeated to fill a clip.",
                )
            taken = [given[place] for place in sample_indices(len(given), frames)]
            batch += unit_batches(taken, size, frames)
        yield np.stack(batch)


def _no_clips(received: str) -> InputError:
    return InputError(
        f"expected clips (N, T, H, W, 3), or a sequence of videos' frames, received {received}.",
        hint="Pass the frames of one video each: detector.scores([frames_of_a, frames_of_b]).",
    )


def _listed(images: Any) -> Any:
    """Return paths in a table, a column or an array as a list; all else as it is."""
    if isinstance(images, pd.DataFrame):
        require_columns(images, ("path",), what="crops")
        images = images["path"]
    if isinstance(images, np.ndarray) and images.dtype.kind not in "OU":
        return images
    return images.tolist() if isinstance(images, pd.Series | np.ndarray) else images


def _unit(
    image: AnyArray,
    size: tuple[int, int],
    name: str,
    resized: Callable[[AnyArray, tuple[int, int]], AnyArray],
) -> AnyArray:
    """Check one image, resize it as it came (8 bit stays 8 bit, as on disk), scale to [0, 1]."""
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        raise InputError(
            f"expected {name} to be an array of shape (H, W, 3), received {describe(image)}.",
            hint="Pass RGB images as uint8 in 0 to 255 or as float in [0, 1], channels last.",
        )
    image = check_images(image[np.newaxis], name=name)[0]
    if image.dtype == np.uint8:
        return np.divide(resized(image, size), np.float32(255), dtype=np.float32)
    return resized(image.astype(np.float32), size)


def checked_scores(scores: AnyArray, *, source: str, hint: str = _SQUASH) -> AnyArray:
    """Return scores, of any shape, clipped, if all are in [0, 1] up to rounding; else raise."""
    if not np.isfinite(scores).all():
        raise InputError(
            f"expected scores in [0, 1] from {source}, received NaN or infinity.",
            hint="Its weights may have diverged, or the input may be scaled wrongly.",
        )
    return check_unit("scores", scores, source=source, hint=hint)


def check_sums(columns: AnyArray, *, source: str, dtype: str, hint: str = _SQUASH) -> None:
    """Raise unless columns (N, K) that were computed as `dtype` sum to 1 in every row."""
    sums = columns.sum(axis=1, dtype=np.float64)
    if not np.allclose(sums, 1, atol=_SUM_ROUNDING.get(dtype, 1e-3)):
        raise InputError(
            f"expected softmax columns that sum to 1 from {source}, received sums from "
            f"{sums.min():g} to {sums.max():g}.",
            hint=hint,
        )


PART = 8
"""Images that a processor takes at a time: activations of few stay in its cache."""
_MOST_WORKERS = 4
# Beyond so many parameters, reading them for every few images costs more than the cache saves.
_HEAVY = 50_000_000


def run_in_parts(
    forward: Callable[[Any], Any], batches: Iterable[AnyArray], *, model: keras.Model
) -> Iterator[Any]:
    """Yield what a compiled function gives for batches (B, ...), in order and in parts of them."""
    whole = on_gpu() or model.count_params() > _HEAVY
    parts = (
        tf.constant(part)
        for batch in batches
        for part in ([batch] if whole else np.split(batch, range(PART, len(batch) - 1, PART)))
    )
    return map(forward, parts) if whole else in_turn(forward, parts, _MOST_WORKERS)


def in_turn(
    function: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """Yield the function of each item, in order, computed for at most `most` at once."""
    threads = tf.config.threading.get_intra_op_parallelism_threads() or processors()
    workers = min(threads, most)
    waiting: collections.deque[Any] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def on_gpu() -> bool:
    """Return whether there is a GPU, which wants many images at a time, one call after another."""
    return bool(tf.config.list_physical_devices("GPU"))
