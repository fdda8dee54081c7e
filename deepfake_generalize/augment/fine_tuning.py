"""Transfer and merge learning, what all fine-tuning shares, and frozen layers, computed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile, gettempdir
from typing import Any, Literal, Unpack

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import PART, Detector, in_turn, on_gpu, weights_sha256
from deepfake_generalize.models.overrides import norms_in_one_pass
from deepfake_generalize.models.surgery import (
    NOISE,
    Cut,
    copy_network,
    cut,
    finalize,
    flat_layers,
    is_graph,
    remake,
)
from deepfake_generalize.models.training import (
    LAST_LAYERS,
    RECIPES,
    SILENT,
    Fit,
    LabelledImages,
    Recipe,
    RecipeSettings,
    Reporter,
    TrainingData,
    TrainOptions,
    TrainSettings,
    data_of_arrays,
    fit,
    make_reporter,
    open_data,
    own_random_numbers,
    recipe_or_default,
    refusals,
    refuse_overlap,
    training_record,
)
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import check_choice, check_type, check_whole, describe, is_whole

_PART_GPU = 64
_MOST_WORKERS = 8
CACHE_MEMORY = 2**30
"""Bytes of features that are held in memory by default: 1 GiB."""
STEPS_PER_CALL = 32
"""Steps of a cached head that TensorFlow takes before it returns to Python."""
# What a dropout may stand in front of and still be at the boundary: the same numbers, rearranged.
_REARRANGING = (layers.Flatten, layers.Reshape, layers.Permute, layers.Identity)


def transfer(  # noqa: PLR0913  (each is a choice of its own)
    detector: Detector,
    train: LabelledImages,
    val: LabelledImages,
    *,
    recipe: Recipe | None = None,
    unfreeze: int | str = "paper",
    cache: bool = True,
    trunk: Literal["inference", "scripts"] = "inference",
    cache_memory: int = CACHE_MEMORY,
    seed: int = 0,
    name: str | None = None,
    **settings: Unpack[TrainSettings],
) -> Detector:
    """Train the last layers of a copy of a detector; the others stay as they are.

    The frozen layers run once over the images, in inference mode, and the last ones are trained on
    the features they gave: the same as running all in every epoch, in a small part of the time.

    Source: "How Generalizable are Deepfake Detectors?", section III-C.

    Args:
        detector: What was trained before; not changed.
        train: What is learnt from, usually a `few_shot_mix`, as `models.train` takes it; label 1 =
            fake, whatever the network's own polarity.
        val: What the best epoch is chosen on, in the same form: the validation part of what is
            trained on is the study's way. Never a test set.
        recipe: The paper's for fine-tuning the detector's architecture by default; a network that
            is none of its five needs one.
        unfreeze: Which layers are trained. `paper`: as many of the last as the recipe's
            `last_layers` says (MesoNet, MesoInception, ShallowNet 4, Xception 5, EfficientNet 6);
            a number: so many of the last, as `model.layers` lists them; or the name of the first
            layer, which may be inside a nested model. Dropout right before them is theirs too.
        cache: Run the frozen layers once. False runs them in every step.
        trunk: How frozen layers compute while others are trained: as in scoring, or as in the
            study's `scripts`, with their dropout active, which takes `cache=False`. Their batch
            norm uses its stored statistics either way.
        cache_memory: Bytes of features (4 a number, all images of `train` and `val`) to hold in
            memory; beyond, they go to a private file in the temporary folder, removed at the end.
        seed: Of the order of the images and the dropout.
        name: The new detector's; the old one's and "-transfer" by default.
        **settings: As `models.train` takes them: instead of the recipe's `epochs`,
            `learning_rate`, `batch_size`, `dropout`, `weight_decay`, `pairing`, and with
            cache=False `augmentation`; and `checkpoint`, `precision` (cached features are float32),
            `strategy`, `early_stopping` and `progress`.

    Returns:
        A new detector with the weights of the best epoch. Its `training["parent"]` says what it
        came from: name, hash of the weights, recipe, seed, data, and that one's own parent.

    Raises:
        InputError: An argument is not as above, `train` and `val` share an image or a video, there
            is nothing to train or nothing to freeze, or training diverged.

    Reproduction notes:
        The study's scripts leave dropout active in the frozen layers (ShallowNet and EfficientNet
        have some there): `cache=False, trunk="scripts"`. A dataset's own order is kept but for its
        cached features, which `seed` orders as those of crops.

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import mesonet
        >>> detector = Detector(mesonet((32, 32, 3)), name="mesonet-celeb")
        >>> images = np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
        >>> few, check = (images[:12], np.arange(12) % 2), (images[12:], np.arange(4) % 2)
        >>> tuned = transfer(detector, few, check, epochs=2, progress=None)
        >>> tuned.name, tuned.training["parent"]["name"], tuned.training["trained_from"]
        ('mesonet-celeb-transfer', 'mesonet-celeb', 'dense1')
    """
    if not isinstance(cache, bool):
        raise InputError(f"expected cache to be True or False, received {cache!r}.")
    check_choice("trunk", trunk, ("inference", "scripts"))
    if cache and trunk == "scripts":
        raise InputError(
            "expected trunk='inference' with cache=True: dropout that is active gives other "
            "features each time.",
            hint="Pass cache=False for the scripts' way.",
        )
    check_whole("cache_memory", cache_memory, least=0, hint="In bytes: 2**30 for 1 GiB.")
    check_settings("transfer", settings, TrainSettings)
    options = options_for(detector, recipe, seed, **settings)
    head = choose_head(detector.model, unfreeze, options.recipe)
    return fine_tune(
        detector,
        train,
        val,
        options,
        partial(fit_cached, head=head, memory=cache_memory) if cache else fit,
        kind="transfer",
        name=name,
        first=head.first,
        noise=trunk == "scripts",
        trained_from=head.trained,
        layers_trained=len(flat_layers(detector.model)) - head.first,
        trunk=trunk,
        cached=cache,
    )


def merge(
    detector: Detector,
    train: LabelledImages,
    val: LabelledImages,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    name: str | None = None,
    **settings: Unpack[TrainSettings],
) -> Detector:
    """Train all layers of a copy of a detector.

    Source: "How Generalizable are Deepfake Detectors?", section III-C.

    Arguments, result and errors are those of `transfer`; the name ends in "-merge" by default, and
    any data may be augmented. Layers that were frozen in the given network are trained here, and
    frozen in the new one again.

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import mesonet
        >>> detector = Detector(mesonet((32, 32, 3)))
        >>> images = np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
        >>> few, check = (images[:12], np.arange(12) % 2), (images[12:], np.arange(4) % 2)
        >>> merge(detector, few, check, epochs=2, progress=None).training["kind"]
        'merge'
    """
    check_settings("merge", settings, TrainSettings)
    options = options_for(detector, recipe, seed, **settings)
    layers = len(flat_layers(detector.model))
    return fine_tune(
        detector, train, val, options, fit, kind="merge", name=name, layers_trained=layers
    )


def fine_tune(
    detector: Detector,
    train: LabelledImages,
    val: LabelledImages,
    options: TrainOptions,
    learn: Callable[[keras.Model, TrainingData, TrainingData, TrainOptions], Fit],
    *,
    kind: str,
    name: str | None,
    first: int = 0,
    noise: bool = True,
    **facts: object,
) -> Detector:
    """Let a copy of a detector `learn`, and return it as a new one that knows what it came from.

    The copy's flat layers before `first` are frozen, and without their dropout if there shall be no
    `noise`. `kind` is what the record and the name call it, `facts` are plain JSON for the record.
    """
    refuse_overlap(train, val)
    options = replace(options, fake_index=detector.fake_index, still=not noise)
    shape = (*detector.size, 3)
    for crops in (train, val):
        _refuse_resizing(detector, crops)
    opened = open_data(train, name="train", shape=shape), open_data(val, name="val", shape=shape)
    worker = trainable_copy(detector.model, first=first, noise=noise, seed=options.seed)
    # Made before anything is learnt: a network that cannot be copied must not cost a training.
    learned = twin_of(detector, options.seed)
    record = training_record(learn(worker, *opened, options), options, worker) | facts
    learned.set_weights(worker.get_weights())
    return child(detector, learned, record, kind=kind, name=name)


def _refuse_resizing(detector: Detector, crops: LabelledImages) -> None:
    """Raise where crops would be resized otherwise than the detector's images are."""
    if detector.resize == "bilinear" or not isinstance(crops, pd.DataFrame):
        return
    size = tuple(int(side) for side in open_data(crops, name="crops").shape[:2])
    if size != detector.size:
        raise InputError(
            f"expected crops of {detector.size} (height, width) for {detector.name}, whose images "
            f"are resized by resize={detector.resize!r}, received {size}; training resizes "
            "bilinearly.",
            hint="Extract crops of that size.",
        )


def twin_of(detector: Detector, seed: int) -> keras.Model:
    """Return the network that a fine-tuned detector will have, with the parent's weights."""
    with own_random_numbers(seed):
        return copy_network(detector.model)


def check_settings(function: str, given: Iterable[str], known: type) -> None:
    """Refuse names that are none of these settings, as Python does where they are spelt out."""
    for name in given:
        if name not in known.__annotations__:
            raise TypeError(
                f"{function}() got an unexpected keyword argument {name!r}; its settings are "
                f"{', '.join(known.__annotations__)}."
            )


def options_for(
    detector: Detector, recipe: Recipe | None, seed: int = 0, **settings: Unpack[TrainSettings]
) -> TrainOptions:
    """Return how to fine-tune a detector: the paper's recipe by default, and what is asked for."""
    check_detector(detector)
    architecture = architecture_of(detector)
    default = RECIPES[architecture].fine_tuning if architecture else None
    others: dict[str, Any] = {**settings}
    known = RecipeSettings.__annotations__
    asked = {key: others.pop(key) for key in known if key in others}
    return TrainOptions(recipe_or_default(recipe, default, **asked), seed, **others)


def check_detector(detector: Detector) -> None:
    """Raise unless this can be fine-tuned: a `models.Detector` of a network that can be copied."""
    hint = (
        "Wrap a Keras model: Detector(model, fake_index=...). Functions and PyTorch models can be "
        "scored, not fine-tuned."
    )
    if not is_graph(check_type("a models.Detector", detector, Detector, hint=hint).model):
        raise InputError(
            f"expected a functional or Sequential Keras model in {detector.name}, received "
            f"{describe(detector.model)}.",
            hint="A subclassed model cannot be copied: rebuild it with the functional API.",
        )


def architecture_of(detector: Detector) -> str | None:
    """Return which of the study's architectures a detector's network is, or None.

    Its training record is asked first, then the name of its network; either is believed only if
    the network ends in the layers of that architecture.
    """
    recorded = (detector.training or {}).get("recipe") or {}
    kinds = tuple(type(layer).__name__ for layer in detector.model.layers)
    for name in (recorded.get("architecture"), detector.model.name):
        ends_in = LAST_LAYERS.get(str(name))
        if ends_in and kinds[-len(ends_in) :] == ends_in:
            return str(name)
    return None


def child(
    parent: Detector, model: keras.Model, record: Mapping[str, Any], *, kind: str, name: str | None
) -> Detector:
    """Return a detector of what a `twin_of` its parent has become, with how that came about."""
    finalize(model)
    known = parent.training or {}
    lineage = {"name": parent.name, "sha256": weights_sha256(parent.model)} | {
        key: known.get(key) for key in ("kind", "recipe", "seed", "data", "parent")
    }
    architecture = architecture_of(parent) or str(parent.model.name)
    return Detector(
        model,
        fake_index=parent.fake_index,
        name=f"{parent.name}-{kind}" if name is None else name,
        training={**record, "kind": kind, "architecture": architecture, "parent": lineage},
        resize=parent.resize,
    )


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
