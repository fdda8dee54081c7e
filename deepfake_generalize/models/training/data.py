"""What networks are trained on: crops on disk, arrays or datasets, in one form; and pairs of it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import tensorflow as tf

from deepfake_generalize.data.crops import ordered_dataset, ordered_rows
from deepfake_generalize.data.manifests import real_clips, rows_sha256
from deepfake_generalize.data.synthetic import is_synthetic
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, IntArray
from deepfake_generalize.validation import ROUNDING, check_images, describe

Order: TypeAlias = "Callable[[], AnyArray] | None"
LabelledImages: TypeAlias = "pd.DataFrame | tuple[AnyArray, AnyArray] | tf.data.Dataset"
"""Crops; images (N, H, W, 3) and labels (N,); or what `data.to_dataset` returns."""

_HINT = (
    "Pass crops (data.read_crops), (images, labels) as arrays, or what data.to_dataset returned."
)
_HASHED_ROWS = 1024
_REFUSED = "refused by deepfake_generalize"
_TOLD = re.compile(rf"\[{_REFUSED}: (?P<words>[^\]]*)\] \[(?P<values>[^\]]*)", re.DOTALL)
_REALS = ("real", "reals", "original", "originals", "genuine", "pristine", "authentic")


@dataclass(frozen=True)
class TrainingData:
    """Examples of one shape and their labels, as the training loop goes through them.

    The `facts` are for the record: `images` and `fakes` (counts) and `sha256`, of what identifies
    them; all None for a dataset, which cannot tell without being read. Of crops also `synthetic`.
    `batches` leads from (batch size, order, drop the last smaller one) to a dataset of (examples
    float32, labels (B,) float32), whose order is sampled anew each time it is gone through; `row`
    from row numbers (B,) to such a batch, inside TensorFlow, where that is cheap. `crops` are the
    rows of a manifest that the examples are of.
    """

    shape: tuple[int, ...]
    facts: dict[str, Any]
    batches: Callable[[int, Order, bool], tf.data.Dataset]
    row: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] | None = None
    crops: pd.DataFrame | None = None

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
        opened = _open_dataset(data, name)
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
                hint="Split by person or video: data.balanced_splits (docs: explanations/splits).",
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
    return TrainingData((height, width, 3), facts, batches, crops=crops)


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


def _open_dataset(dataset: tf.data.Dataset, name: str) -> TrainingData:
    """Look at a dataset batch by batch while it is gone through, in `refusals`, never beforehand.

    It may have another order each time, or be read only once.
    """
    spec = dataset.element_spec
    fits = (
        isinstance(spec, tuple)
        and len(spec) == 2
        and all(isinstance(part, tf.TensorSpec) for part in spec)
        and spec[0].shape.rank is not None
        and None not in tuple(spec[0].shape[1:])
        and spec[0].dtype.is_floating
        and spec[1].shape.rank == 1
    )
    if not fits:
        raise InputError(
            f"expected {name} as batches of (images float32 in [0, 1], labels (B,)), received a "
            f"dataset of {spec}.",
            hint=_HINT,
        )
    _refuse_empty_and_endless(dataset, name)
    _refuse_turned_classes(dataset, name)
    shape = tuple(spec[0].shape[1:])
    checked = _checked(name, images=len(shape) == 3 and shape[2] == 3)
    unknown = {"images": None, "fakes": None, "sha256": None}
    return TrainingData(shape, unknown, lambda *_: dataset.map(checked))


@contextlib.contextmanager
def refusals(raised: Sequence[Exception] = ()) -> Iterator[None]:
    """Turn what TensorFlow raises where a dataset gives what it must not into an `InputError`.

    What functions called by TensorFlow have `raised` comes before that.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if raised:
            raise raised[0] from None
        told = _TOLD.search(str(error))
        if told is None:
            raise
        raise InputError(
            f"{told['words']} {' '.join(told['values'].split())}.",
            hint="Labels are 0 (real) and 1 (fake), images float in [0, 1]: map the dataset to "
            "that, images / 255 where they are 0 to 255.",
        ) from None


def _refuse_empty_and_endless(dataset: tf.data.Dataset, name: str) -> None:
    number = int(dataset.cardinality())
    if number == 0:
        raise InputError(f"expected images in {name}, received a dataset without a batch.")
    # Where TensorFlow cannot tell, it does not end if something that it is made of does not.
    asked = _below(dataset) if number == tf.data.UNKNOWN_CARDINALITY else (dataset,)
    if any(int(found.cardinality()) == tf.data.INFINITE_CARDINALITY for found in asked):
        raise InputError(
            f"expected {name} to end, received a dataset that repeats without an end.",
            hint="Leave .repeat() out: every epoch goes through the dataset anew. One that ends by "
            "itself says so by tf.data.experimental.assert_cardinality.",
        )


def _below(dataset: tf.data.Dataset) -> Iterator[tf.data.Dataset]:
    """Yield the datasets that one is made of. TensorFlow has no public way to ask."""
    for source in dataset._inputs():
        yield source
        yield from _below(source)


def _refuse_turned_classes(dataset: tf.data.Dataset, name: str) -> None:
    """Raise where folders were numbered by the alphabet: `fake` comes before `real`."""
    for found in (dataset, *_below(dataset)):
        names = [str(word).casefold() for word in getattr(found, "class_names", None) or ()]
        if len(names) == 2 and names[1] in _REALS:
            if found is not dataset and _turns_labels(dataset, found):
                return
            raise InputError(
                f"expected class 1 to be fake in {name}, its class names are {names}: 1 is real.",
                hint="keras.utils.image_dataset_from_directory sorts by the alphabet: pass "
                "class_names=['real', 'fake'].",
            )


def _turns_labels(dataset: tf.data.Dataset, source: tf.data.Dataset) -> bool:
    """Say whether the maps between a dataset and its source make 1 of 0 and 0 of 1."""
    labels = tf.constant([0, 1])
    for step in (dataset, *_below(dataset)):
        if step is source:
            break
        function = getattr(step, "_map_func", None)
        if function is None:
            continue
        try:
            images, kinds = step._input_dataset.element_spec
            blank = tf.zeros([2, *images.shape[1:]], images.dtype)
            labels = function.function(blank, tf.cast(labels, kinds.dtype))[1]
        except Exception:  # Whatever a function of somebody's own raises of blanks.
            return True
    return [float(label) for label in tf.reshape(labels, [-1])] != [0.0, 1.0]


def _checked(name: str, *, images: bool) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return a function from a batch to itself in float32, which stops at what is no such batch."""

    def check(examples: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        examples, labels = tf.cast(examples, tf.float32), tf.cast(labels, tf.float32)
        binary = tf.reduce_all((labels == 0) | (labels == 1))
        words = f"{_REFUSED}: expected the labels 0 (real) and 1 (fake) in {name}, received"
        checks = [tf.debugging.Assert(binary, [words, labels], summarize=6)]
        if images:
            ends = tf.stack([tf.reduce_min(examples), tf.reduce_max(examples)])
            # NaN is in no range.
            inside = (ends[0] >= -ROUNDING) & (ends[1] <= 1 + ROUNDING)
            words = f"{_REFUSED}: expected images from 0 to 1 in {name}, received from, to"
            inside |= tf.size(examples) == 0
            checks.append(tf.debugging.Assert(inside, [words, ends]))
        with tf.control_dependencies(checks):
            return tf.identity(examples), tf.identity(labels)

    return check


def pairs_of(crops: pd.DataFrame | None) -> IntArray:
    """Return pairs (P, 2) of a real row and a fake one of the same clip, each row in one at most.

    Within a clip the frames of all pairs together are as near as can be.
    """
    if crops is None:
        raise InputError(
            "expected crops to pair, received arrays or a dataset, which do not say from which "
            "clip a fake was made.",
            hint="Pass crops (data.read_crops), or leave pairing out.",
        )
    from scipy.optimize import linear_sum_assignment

    labels, clips = crops["label"].to_numpy(int), real_clips(crops).reset_index(drop=True)
    frame = crops.get("frame", pd.Series(0, crops.index))
    frames = pd.to_numeric(frame, errors="coerce").fillna(0).to_numpy(float)
    pairs = []
    for rows in clips[clips != ""].groupby(clips).groups.values():
        reals, fakes = (rows.to_numpy()[labels[rows] == label] for label in (0, 1))
        chosen = linear_sum_assignment(abs(frames[reals][:, np.newaxis] - frames[fakes]))
        pairs.append(np.column_stack([reals[chosen[0]], fakes[chosen[1]]]))
    if not sum(map(len, pairs)):
        raise InputError(
            f"expected fakes beside the real clips that they were made from, the {len(crops)} "
            "crops hold no such pair.",
            hint="Clips are known by target_identity and the video's name; put both classes in.",
        )
    return np.concatenate(pairs)


def paired_order(pairs: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Return `count` rows (count,) in random order, pairs side by side from an even place on.

    Rows that are in no pair come two at a time between the pairs, a last odd one at the end.
    """
    others = rng.permutation(np.setdiff1d(np.arange(count), pairs))
    even = len(others) // 2 * 2
    twos = np.concatenate([pairs, others[:even].reshape(-1, 2)])
    return np.concatenate([rng.permutation(twos).ravel(), others[even:]])
