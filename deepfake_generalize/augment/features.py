"""The frozen part of a network, run once: its features in memory, or on disk if they are many."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize._system.closing import Closing
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
    parts = cut_before(model, head)
    with FeatureCache(memory) as cache:
        train, val = (
            cache.add(parts.trunk, data, reporter=make_reporter(options.progress))
            for data in (train, val)
        )
        return fit(parts.tail, train, val, replace(options, steps_per_call=STEPS_PER_CALL))


class FeatureCache(Closing):
    """Holds the features of data sets until it is left: in memory up to a budget, else in files."""

    def __init__(self, memory: int) -> None:
        """Promise to hold at most so many bytes in memory, for all data sets together."""
        self.on_disk = False
        self._remaining = memory
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Remove the files."""
        if self._folder is not None:
            self._folder.cleanup()

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
        size = None if data.count is None else 4 * data.count * math.prod(shape)
        parts = forward_batches(trunk, data, reporter)
        if size is not None and size <= self._remaining:
            self._remaining -= size
            features, labels = _collect(parts, np.empty((data.count or 0, *shape), np.float32))
        else:
            features, labels = self._write(parts, shape)
        reporter.end(f"features of {len(labels)} images {'on disk' if self.on_disk else ''}")
        return data_of_arrays(features, labels, data.facts)

    def _write(
        self, parts: Iterator[tuple[AnyArray, AnyArray]], shape: tuple[int, ...]
    ) -> tuple[AnyArray, AnyArray]:
        self.on_disk = True
        labels = []
        try:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="deepfake_generalize-")
            handle, name = tempfile.mkstemp(dir=self._folder.name, suffix=".features")
            with os.fdopen(handle, "wb") as file:
                for features, part in parts:
                    file.write(np.ascontiguousarray(features, np.float32).data)
                    labels.append(part)
        except OSError as error:
            raise InputError(
                f"expected to keep features in {tempfile.gettempdir()}, the system refused: "
                f"{error.strerror or error}.",
                hint="Set TMPDIR to a folder with room, raise cache_memory, or pass cache=False.",
            ) from error
        count = sum(len(part) for part in labels)
        if not count:
            raise InputError("expected images to train on, the dataset gave none.")
        mapped = np.memmap(Path(name), np.float32, mode="r", shape=(count, *shape))
        return mapped, np.concatenate(labels)


def _collect(
    parts: Iterator[tuple[AnyArray, AnyArray]], into: AnyArray
) -> tuple[AnyArray, AnyArray]:
    labels, done = [], 0
    for features, part in parts:
        into[done : done + len(part)] = features
        labels.append(part)
        done += len(part)
    return into, np.concatenate(labels)


def forward_batches(
    trunk: keras.Model, data: TrainingData, reporter: Reporter = SILENT
) -> Iterator[tuple[AnyArray, AnyArray]]:
    """Run a trunk over data in inference mode, several batches at a time.

    Yields:
        Features (B, ...) float32 and labels (B,), in the data's order.
    """
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
