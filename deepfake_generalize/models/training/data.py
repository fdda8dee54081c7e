"""What networks are trained on: crops on disk, arrays or datasets, in one form."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import tensorflow as tf

from deepfake_generalize.data.crops import ordered_dataset, ordered_rows
from deepfake_generalize.data.manifests import rows_sha256
from deepfake_generalize.data.synthetic import is_synthetic
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.training.datasets import open_dataset
from deepfake_generalize.validation import check_images, describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from deepfake_generalize.types import AnyArray

    Order: TypeAlias = Callable[[], AnyArray] | None

LabelledImages: TypeAlias = "pd.DataFrame | tuple[AnyArray, AnyArray] | tf.data.Dataset"
"""Crops; images (N, H, W, 3) and labels (N,); or what `data.to_dataset` returns."""

_HINT = (
    "Pass crops (data.read_crops), (images, labels) as arrays, or what data.to_dataset returned."
)
_HASHED_ROWS = 1024


@dataclass(frozen=True)
class TrainingData:
    """Examples of one shape and their labels, as the training loop goes through them.

    The `facts` are for the record: `images` and `fakes` (counts) and `sha256`, of what identifies
    them; all None for a dataset, which cannot tell without being read. Of crops also `synthetic`.
    `batches` leads from (batch size, order, drop the last smaller one) to a dataset of (examples
    float32, labels (B,) float32), whose order is sampled anew each time it is gone through; `row`
    from row numbers (B,) to such a batch, inside TensorFlow, where that is cheap.
    """

    shape: tuple[int, ...]
    facts: dict[str, Any]
    batches: Callable[[int, Order, bool], tf.data.Dataset]
    row: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] | None = None

    @property
    def count(self) -> int | None:
        """How many examples there are, or None where that is unknown."""
        count: int | None = self.facts["images"]
        return count


def open_data(
    data: LabelledImages | TrainingData, *, name: str, shape: tuple[int, ...] | None = None
) -> TrainingData:
    """Bring data into the form that training takes; messages call them `name`.

    `shape` is that of one image, (H, W, 3), to which crops are resized; None means any size.
    """
    if isinstance(data, TrainingData):
        opened = data
    elif isinstance(data, pd.DataFrame):
        opened = _open_crops(data, None if shape is None else (shape[0], shape[1]))
    elif isinstance(data, tf.data.Dataset):
        shape_of, batches = open_dataset(data, name, hint=_HINT)
        unknown = {"images": None, "fakes": None, "sha256": None}
        opened = TrainingData(shape_of, unknown, batches)
    elif isinstance(data, tuple | list) and len(data) == 2:
        opened = _open_arrays(data[0], data[1], name)
    else:
        raise InputError(f"expected {name} to be images, received {describe(data)}.", hint=_HINT)
    if shape is not None and tuple(opened.shape) != tuple(shape):
        raise InputError(
            f"expected examples of shape {tuple(shape)} in {name}, received {tuple(opened.shape)}.",
            hint="Crops are resized; resize arrays and datasets first, or build the network for "
            "their size.",
        )
    return opened


def refuse_overlap(train: LabelledImages, val: LabelledImages) -> None:
    """Raise when training and validation crops share an image or a video; only crops can tell.

    Choosing the best epoch on what was trained on chooses nothing.
    """
    if not (isinstance(train, pd.DataFrame) and isinstance(val, pd.DataFrame)):
        return
    for column, what in (("path", "image"), ("video", "video")):
        if column not in train.columns or column not in val.columns:
            continue
        known = set(train[column].dropna().astype(str))
        shared = sorted(known & set(val[column].dropna().astype(str)))
        if shared:
            more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
            raise InputError(
                f"expected train and val to share no {what}, both hold {shared[0]!r}{more}.",
                hint="Split by identity or by video: data.balanced_splits.",
            )


def _open_crops(crops: pd.DataFrame, size: tuple[int, int] | None) -> TrainingData:
    # Everything is checked here, so that training does not stop at it in the middle.
    spec = ordered_dataset(crops, None, batch_size=1, size=size).element_spec
    height, width = (int(side) for side in spec[0].shape[1:3])

    def batches(batch_size: int, order: Order, drop_last: bool) -> tf.data.Dataset:
        dataset = ordered_dataset(crops, order, batch_size=batch_size, size=(height, width))
        return dataset.take(len(crops) // batch_size) if drop_last else dataset

    facts = {
        "images": len(crops),
        "fakes": int(crops["label"].sum()),
        "sha256": rows_sha256(crops),
        "synthetic": is_synthetic(crops),
    }
    return TrainingData((height, width, 3), facts, batches)


def _open_arrays(images: Any, labels: Any, name: str) -> TrainingData:
    images = check_images(images, name=f"{name}[0]")
    labels = _check_labels(labels, len(images), name)
    digest = hashlib.sha256(f"{images.shape} {images.dtype}".encode())
    for start in range(0, len(images), _HASHED_ROWS):
        digest.update(np.ascontiguousarray(images[start : start + _HASHED_ROWS]).data)
    digest.update(np.ascontiguousarray(labels).data)
    return data_of_arrays(images, labels, {"sha256": digest.hexdigest()})


def data_of_arrays(examples: AnyArray, labels: AnyArray, facts: dict[str, Any]) -> TrainingData:
    """Return examples (N, ...) and labels (N,) float32 as data, with their counts among the facts.

    Examples are float, or uint8, which is scaled to [0, 1], and may be mapped from a file.
    """

    def take(indices: AnyArray) -> AnyArray:
        part: AnyArray = examples[indices]
        return part if part.dtype == np.uint8 else part.astype(np.float32, copy=False)

    kind = tf.uint8 if examples.dtype == np.uint8 else tf.float32
    known = tf.constant(labels)

    def batch(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = tf.numpy_function(take, [indices], kind, stateful=False)
        part.set_shape((None, *examples.shape[1:]))
        if kind == tf.uint8:
            part = tf.cast(part, tf.float32) / 255.0
        return part, tf.gather(known, indices)

    def batches(batch_size: int, order: Order, drop_last: bool) -> tf.data.Dataset:
        dataset = ordered_rows(len(labels), order).batch(batch_size, drop_remainder=drop_last)
        mapped = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return mapped.prefetch(tf.data.AUTOTUNE)

    facts = {**facts, "images": len(labels), "fakes": int(labels.sum())}
    return TrainingData(examples.shape[1:], facts, batches, batch)


def _check_labels(labels: Any, count: int, name: str) -> AnyArray:
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise InputError(
            f"expected {name}[1] to hold one label an image, shape ({count},), received "
            f"{describe(labels)}.",
            hint=_HINT,
        )
    if not count:
        raise InputError(f"expected images in {name}, received none.", hint=_HINT)
    if not np.isin(labels, (0, 1)).all():
        raise InputError(
            f"expected the labels 0 (real) and 1 (fake) in {name}[1], received "
            f"{np.unique(labels)[:5].tolist()}.",
            hint="Drop or relabel the others.",
        )
    checked: AnyArray = labels.astype(np.float32)
    return checked
