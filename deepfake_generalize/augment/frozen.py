"""The frozen part of a network: which layers it has, and its features, computed once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile, gettempdir
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import PART, in_turn, on_gpu
from deepfake_generalize.models.surgery import (
    NOISE,
    Cut,
    copy_network,
    cut,
    flat_layers,
    norms_in_one_pass,
    remake,
)
from deepfake_generalize.models.training import (
    SILENT,
    Fit,
    Recipe,
    Reporter,
    TrainingData,
    TrainOptions,
    data_of_arrays,
    fit,
    make_reporter,
    own_random_numbers,
    refusals,
)
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import is_whole

_PART_GPU = 64
_MOST_WORKERS = 8
CACHE_MEMORY = 2**30
"""Bytes of features that are held in memory by default: 1 GiB."""
STEPS_PER_CALL = 32
"""Steps of a cached head that TensorFlow takes before it returns to Python."""
# What a dropout may stand in front of and still be at the boundary: the same numbers, rearranged.
_REARRANGING = (layers.Flatten, layers.Reshape, layers.Permute, layers.Identity)


@dataclass(frozen=True)
class Head:
    """The last layers of a network: from the flat layer at index `first` on.

    `trained` is the name of the first layer that the caller asked for.
    """

    first: int
    trained: str


def choose_head(model: keras.Model, unfreeze: object, recipe: Recipe) -> Head:
    """Find the layers that `transfer` trains; a dropout right before them is theirs too."""
    leaves = flat_layers(model)
    index = _first_index(model, leaves, unfreeze, recipe)
    if not any(layer.weights for layer in leaves[index:]):
        raise InputError(
            f"expected layers with weights to train, unfreeze={unfreeze!r} gives "
            f"{', '.join(layer.name for layer in leaves[index:])} of {model.name!r}.",
            hint="Unfreeze more layers.",
        )
    if not any(layer.weights for layer in leaves[:index]):
        raise InputError(
            f"expected layers with weights to freeze, unfreeze={unfreeze!r} trains all of "
            f"{model.name!r}.",
            hint="Unfreeze fewer layers, or train all of them: augment.merge.",
        )
    first = before = index
    while before and isinstance(leaves[before - 1], (*NOISE, *_REARRANGING)):
        before -= 1
        first = before if isinstance(leaves[before], NOISE) else first
    return Head(first, leaves[index].name)


def _first_index(model: keras.Model, leaves: list[Any], unfreeze: object, recipe: Recipe) -> int:
    if unfreeze == "paper" and recipe.last_layers is None:
        raise InputError(
            f"expected a recipe that says how many layers to train for unfreeze='paper', "
            f"{recipe.name!r} does not.",
            hint="Pass unfreeze as a count or the first layer's name.",
        )
    unfreeze = recipe.last_layers if unfreeze == "paper" else unfreeze
    if isinstance(unfreeze, str):
        names = [layer.name for layer in leaves]
        if names.count(unfreeze) != 1:
            raise InputError(
                f"expected the name of a layer of {model.name!r}, received {unfreeze!r}; it has "
                f"{', '.join(names)}.",
            )
        return names.index(unfreeze)
    if not is_whole(unfreeze, least=1) or unfreeze > len(model.layers):
        raise InputError(
            "expected unfreeze to be 'paper', the name of a layer, or a number of layers from 1 "
            f"to {len(model.layers)}, received {unfreeze!r}."
        )
    return sum(len(flat_layers(layer)) for layer in model.layers[: -int(unfreeze)])


def trainable_copy(
    model: keras.Model, *, first: int = 0, noise: bool = True, seed: int = 0
) -> keras.Model:
    """Copy a network so that its last layers can be trained, whatever was frozen in it before.

    Flat layers before `first` are frozen; their batch norm uses its stored statistics. With `noise`
    their dropout stays, as in the study's scripts. Layers that have no seed draw by `seed`.
    """
    frozen = {layer.name for layer in flat_layers(model)[:first]}

    def cloned(layer: Any) -> Any:
        if not noise and layer.name in frozen and isinstance(layer, NOISE):
            return layers.Identity(name=layer.name)
        # A layer that is made frozen stays so: its weights count as states.
        return remake(layer, trainable=True)

    with own_random_numbers(seed):
        clone = copy_network(model, cloned)
    for layer in flat_layers(clone)[:first]:
        layer.trainable = False
    return clone


def cut_before(model: keras.Model, head: Head) -> Cut:
    """Cut a copy of a network as near before its head as everything flows through one place.

    The tail may hold frozen layers where a skip connection ends inside the head.
    """
    leaves = flat_layers(model)
    wanted = {layer.name for layer in leaves[head.first :]}
    for layer in reversed(leaves[: head.first]):
        try:
            parts = cut(model, layer.name)
        except InputError:
            continue
        if parts.trunk.weights and wanted <= {inner.name for inner in flat_layers(parts.tail)}:
            return parts
    raise InputError(
        f"expected a network that can be cut before {head.trained!r}, in {model.name!r} there is "
        "no place through which everything flows.",
        hint="Pass cache=False, or unfreeze other layers.",
    )


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
    if options.recipe.augmentation is not None:
        raise InputError(
            "expected no augmentation where the frozen layers see each image once, received "
            f"{options.recipe.values()['augmentation']!r}.",
            hint="Pass cache=False to transfer; focus has no such choice.",
        )
    parts, reporter = cut_before(model, head), make_reporter(options.progress)
    train, held = features_of(parts.trunk, train, memory, reporter)
    val, _ = features_of(parts.trunk, val, memory - held, reporter)
    return fit(parts.tail, train, val, replace(options, steps_per_call=STEPS_PER_CALL))


def features_of(
    trunk: keras.Model, data: TrainingData, memory: int, reporter: Reporter = SILENT
) -> tuple[TrainingData, int]:
    """Run a trunk over data once, in inference mode; return features, labels and facts.

    Also how many bytes of memory they take: none where they went to a file, being more than
    `memory`, or where nobody knows how many there are.
    """
    shape = tuple(trunk.output_shape[1:])
    if None in shape:
        raise InputError(
            f"expected features of a fixed shape from {trunk.name}, they are {shape}.",
            hint="Pass cache=False.",
        )
    reporter.begin(title=f"{trunk.name}: features", epochs=1, done=0)
    size = math.inf if data.count is None else 4 * data.count * math.prod(shape)
    in_memory = size <= memory
    labels = []
    held: Any
    refused = f"expected to keep features in {gettempdir()}, the system refused"
    hint = "Set TMPDIR to a folder with room, raise cache_memory, or pass cache=False."
    # A file without a name is gone when nobody reads it any more, whatever happens.
    place: Any = (lambda: nullcontext(mmap(-1, int(size)))) if in_memory else TemporaryFile
    with telling(refused, hint=hint), place() as held:
        for features, part in forward_batches(trunk, data, reporter):
            held.write(np.ascontiguousarray(features, np.float32).data)
            labels.append(part)
        if not any(map(len, labels)):
            raise InputError("expected images to train on, the dataset gave none.")
        held.flush()
        mapped = held if in_memory else mmap(held.fileno(), 0, access=ACCESS_READ)
    count = sum(map(len, labels))
    reporter.end(f"features of {count} images {'' if in_memory else 'on disk'}")
    features = np.frombuffer(mapped, np.float32).reshape(count, *shape)
    cached = data_of_arrays(features, np.concatenate(labels), data.facts)
    cached = replace(cached, crops=data.crops)
    return cached, int(size) if in_memory else 0


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
