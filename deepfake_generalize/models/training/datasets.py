"""Datasets of tf.data: what they say of themselves is asked, what they give is looked at."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import ROUNDING

_REFUSED = "refused by deepfake_generalize"
_TOLD = re.compile(rf"\[{_REFUSED}: (?P<words>[^\]]*)\] \[(?P<values>[^\]]*)", re.DOTALL)
_REALS = ("real", "reals", "original", "originals", "genuine", "pristine", "authentic")


def open_dataset(
    dataset: tf.data.Dataset, name: str, *, hint: str
) -> tuple[tuple[int, ...], Callable[[int, Any, bool], tf.data.Dataset]]:
    """Return the shape of one example, and what `TrainingData.batches` must be, of a dataset.

    What it gives is looked at batch by batch while it is gone through, and never beforehand: a
    dataset may have another order each time, or be read only once. Go through it in `refusals`.
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
            hint=hint,
        )
    _refuse_empty_and_endless(dataset, name)
    _refuse_turned_classes(dataset, name)
    shape = tuple(spec[0].shape[1:])
    checked = _checked(name, images=len(shape) == 3 and shape[2] == 3)
    return shape, lambda _batch_size, _order, _drop_last: dataset.map(checked)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what TensorFlow raises where a dataset gives what it must not into an `InputError`."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
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
