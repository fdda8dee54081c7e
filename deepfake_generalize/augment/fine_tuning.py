"""Transfer and merge learning, and what every kind of fine-tuning shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Unpack

import keras
import pandas as pd

from deepfake_generalize.augment.frozen import CACHE_MEMORY, choose_head, fit_cached, trainable_copy
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import Detector, weights_sha256
from deepfake_generalize.models.surgery import copy_network, finalize, flat_layers, is_graph
from deepfake_generalize.models.training import (
    LAST_LAYERS,
    RECIPES,
    Fit,
    LabelledImages,
    Recipe,
    RecipeSettings,
    TrainingData,
    TrainOptions,
    TrainSettings,
    fit,
    open_data,
    own_random_numbers,
    recipe_or_default,
    refuse_overlap,
    training_record,
)
from deepfake_generalize.validation import check_choice, check_type, check_whole, describe


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
    the features they gave. That is the same computation as running all layers in every epoch, in a
    small part of the time.

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
        trunk: How frozen layers compute while others are trained. `inference`: as in scoring.
            `scripts`: with their dropout active, as in the study's scripts, which takes
            `cache=False`. Their batch norm uses its stored statistics either way.
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

    Args:
        detector: What was trained before; not changed.
        train: What is learnt from, as `transfer` takes it.
        val: What the best epoch is chosen on, as `transfer` takes it. Never a test set.
        recipe: As `transfer` takes it.
        seed: Of the order of the images and the dropout.
        name: The new detector's; the old one's and "-merge" by default.
        **settings: As `transfer` takes them.

    Returns:
        A new detector, as `transfer` returns it. Layers that were frozen in the given network are
        trained here, and frozen in the new one again.

    Raises:
        InputError: An argument is not as above, `train` and `val` share an image or a video, or
            training diverged.

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import mesonet
        >>> detector = Detector(mesonet((32, 32, 3)))
        >>> images = np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
        >>> few, check = (images[:12], np.arange(12) % 2), (images[12:], np.arange(4) % 2)
        >>> merge(detector, few, check, epochs=2, progress=None).training["kind"]
        'merge'
    """
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
