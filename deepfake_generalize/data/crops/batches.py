"""Batches of face crops, from image files and from packs, for NumPy and for TensorFlow."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.data.crops.packs import ImageSource, check_size
from deepfake_generalize.data.manifests import check_crops
from deepfake_generalize.validation import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import tensorflow as tf

    from deepfake_generalize.types import AnyArray, FloatArray, IntArray


def to_dataset(
    crops: pd.DataFrame,
    *,
    batch_size: int = 32,
    shuffle_seed: int | None = None,
    size: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Read crops batch by batch, from image files or much faster from a pack.

    Args:
        crops: Rows with at least the columns `path` and `label` (1 = fake, 0 = real); paths of
            image files, of packed crops, or of both.
        batch_size: Images a batch; the last batch may hold fewer.
        shuffle_seed: None keeps the order of the rows. A number shuffles all of them, in another
            order each time the dataset is gone through, the same in a new dataset of that seed.
        size: (height, width) that images are resized to as in `Detector.scores`: bilinearly, and
            by area where one shrinks beyond a factor of two. None: they must all be of one size.

    Returns:
        A dataset of (images (B, H, W, 3) float32 RGB in [0, 1], labels (B,) float32).

    Raises:
        InputError: No rows, missing columns, other labels, a missing, unreadable or truncated
            file, unequal sizes without `size`. Damage in the middle of a file shows when its batch
            is read, as TensorFlow's error with the same message in it.

    Examples:
        >>> import tempfile
        >>> import cv2
        >>> import pandas as pd
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.full((8, 8, 3), 255, np.uint8))
        ...     crops = pd.DataFrame({"path": [f"{folder}/a.png"] * 3, "label": [0, 1, 1]})
        ...     batches = list(to_dataset(crops, batch_size=2).as_numpy_iterator())
        >>> [(images.shape, labels.tolist()) for images, labels in batches]
        [((2, 8, 8, 3), [0.0, 1.0]), ((1, 8, 8, 3), [1.0])]
    """
    check_whole("batch_size", batch_size, least=1, hint="Use 32.")
    if shuffle_seed is not None:
        hint = "Use 0, or None to keep the order."
        check_whole("shuffle_seed", shuffle_seed, least=0, hint=hint)
    check_size(size)
    # The orders come from a NumPy generator of this dataset's own: tf.data's shuffle mixes in
    # TensorFlow's global seed.
    rng = np.random.default_rng(shuffle_seed)
    order = None if shuffle_seed is None else lambda: rng.permutation(len(crops))
    return ordered_dataset(crops, order, batch_size=batch_size, size=size)


def ordered_dataset(
    crops: pd.DataFrame,
    draw_order: Callable[[], AnyArray] | None,
    *,
    batch_size: int,
    size: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Read crops as `to_dataset` does, in orders that the caller draws, as training does.

    `draw_order` gives the row numbers (N,) int64 each time the dataset is gone through; None keeps
    the order of the rows.
    """
    check_crops(crops, ("path", "label"))
    source = ImageSource([str(path) for path in crops["path"]], size)

    import tensorflow as tf

    labels = tf.constant(crops["label"].to_numpy(dtype="float32"))
    free: list[FloatArray] = []

    def read(indices: IntArray) -> FloatArray:
        """Read a batch into memory that TensorFlow is done with: new memory costs as much again."""
        try:
            memory = free.pop()
        except IndexError:
            memory = _aligned(batch_size * math.prod(source.size) * 3)
        shape = (len(indices), *source.size, 3)
        images = memory[: math.prod(shape)].reshape(shape)
        source.read_scaled(indices, images)
        # TensorFlow keeps this very array until nothing uses the batch any more.
        weakref.finalize(images, free.append, memory).atexit = False
        return images

    def batch(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.numpy_function(read, [indices], tf.float32, stateful=False)
        images.set_shape((None, *source.size, 3))
        return images, tf.gather(labels, indices)

    return (
        ordered_rows(len(source), draw_order)
        .batch(batch_size)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def _aligned(size: int) -> FloatArray:
    """Return memory for numbers that TensorFlow takes over as it is: its start divides by 64."""
    memory = np.empty(4 * size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + 4 * size].view(np.float32)


def ordered_rows(n: int, draw_order: Callable[[], AnyArray] | None) -> tf.data.Dataset:
    """Return the numbers of `n` rows, () int64 each, in orders as `ordered_dataset` takes them."""
    import tensorflow as tf

    # Its tuner sleeps 10, 20, 40 ... ms, and the end of an epoch waits until it wakes, for up to as
    # long as the epoch itself.
    options = tf.data.Options()
    options.autotune.enabled = False
    if draw_order is None:
        return tf.data.Dataset.range(n).with_options(options)

    def order(_: AnyArray) -> AnyArray:
        return np.asarray(draw_order(), np.int64)

    def epoch(start: tf.Tensor) -> tf.data.Dataset:
        indices = tf.numpy_function(order, [start], tf.int64, stateful=True)
        indices.set_shape((n,))
        return tf.data.Dataset.from_tensor_slices(indices)

    whole = tf.data.Dataset.range(1).flat_map(epoch)
    return whole.apply(tf.data.experimental.assert_cardinality(n)).with_options(options)
