"""The frozen part of a network, run once: its features in memory, or on disk if they are many."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile, gettempdir
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.augment.unfreezing import Head, cut_before
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import PART, in_turn, on_gpu
from deepfake_generalize.models.surgery import norms_in_one_pass
from deepfake_generalize.models.training import (
    SILENT,
    Fit,
    Reporter,
    TrainingData,
    TrainOptions,
    data_of_arrays,
    fit,
    make_reporter,
    refusals,
)
from deepfake_generalize.types import AnyArray

_PART_GPU = 64
_MOST_WORKERS = 8
CACHE_MEMORY = 2**30
"""Bytes of features that are held in memory by default: 1 GiB."""
STEPS_PER_CALL = 32
"""Steps of a cached head that TensorFlow takes before it returns to Python."""


def fit_cached(
    model: keras.Model,
    train: TrainingData,
    val: TrainingData,
    options: TrainOptions,
    *,
    head: Head,
    memory: int = CACHE_MEMORY,
) -> Fit:
    """Fit a head of a `trainable_copy` in place, on features that the layers before it give once.

    At most `memory` bytes of features are held in memory; beyond, they go to a file.
    """
    parts, cache = cut_before(model, head), FeatureCache(memory)
    reporter = make_reporter(options.progress)
    train, val = (cache.add(parts.trunk, data, reporter=reporter) for data in (train, val))
    return fit(parts.tail, train, val, replace(options, steps_per_call=STEPS_PER_CALL))


class FeatureCache:
    """Holds the features of data sets: in memory up to a budget, else in files without names."""

    def __init__(self, memory: int) -> None:
        """Promise to hold at most so many bytes in memory, for all data sets together."""
        self.on_disk = False
        self._remaining = memory

    def add(
        self, trunk: keras.Model, data: TrainingData, *, reporter: Reporter = SILENT
    ) -> TrainingData:
        """Run the trunk over data once, in inference mode; return features, labels and facts."""
        shape = tuple(trunk.output_shape[1:])
        if None in shape:
            raise InputError(
                f"expected features of a fixed shape from {trunk.name}, they are {shape}.",
                hint="Pass cache=False.",
            )
        reporter.begin(title=f"{trunk.name}: features", epochs=1, done=0)
        size = math.inf if data.count is None else 4 * data.count * math.prod(shape)
        in_memory = size <= self._remaining
        self._remaining -= int(size) if in_memory else 0
        self.on_disk |= not in_memory
        labels = []
        held: Any
        try:
            # A file without a name is gone when nobody reads it any more, whatever happens.
            with nullcontext(mmap(-1, int(size))) if in_memory else TemporaryFile() as held:
                for features, part in forward_batches(trunk, data, reporter):
                    held.write(np.ascontiguousarray(features, np.float32).data)
                    labels.append(part)
                if not any(map(len, labels)):
                    raise InputError("expected images to train on, the dataset gave none.")
                held.flush()
                mapped = held if in_memory else mmap(held.fileno(), 0, access=ACCESS_READ)
        except OSError as error:
            raise InputError(
                f"expected to keep features in {gettempdir()}, the system refused: "
                f"{error.strerror or error}.",
                hint="Set TMPDIR to a folder with room, raise cache_memory, or pass cache=False.",
            ) from error
        count = sum(map(len, labels))
        reporter.end(f"features of {count} images {'' if in_memory else 'on disk'}")
        features = np.frombuffer(mapped, np.float32).reshape(count, *shape)
        return data_of_arrays(features, np.concatenate(labels), data.facts)


def forward_batches(
    trunk: keras.Model, data: TrainingData, reporter: Reporter = SILENT
) -> Iterator[tuple[AnyArray, AnyArray]]:
    """Yield features (B, ...) float32 that a trunk gives in inference mode, and labels (B,)."""
    # Concrete, because TensorFlow warns where functions that trace themselves are made in a loop.
    with norms_in_one_pass(trunk):
        forward = tf.function(lambda images: trunk(images, training=False)).get_concrete_function(
            tf.TensorSpec((None, *data.shape), tf.float32)
        )
    size, most = (_PART_GPU, 1) if on_gpu() else (PART, _MOST_WORKERS)
    done = 0
    with refusals():
        for features, labels in in_turn(
            lambda batch: (forward(batch[0]).numpy(), batch[1].numpy()),
            data.batches(size, None, False),
            most,
        ):
            yield features, labels
            done += len(labels)
            if data.count:
                reporter.batch(done / data.count)
