"""What every kind of fine-tuning shares: its checks, the copy that learns, the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras
import pandas as pd

from deepfake_generalize.augment.unfreezing import trainable_copy
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import Detector, weights_sha256
from deepfake_generalize.models.surgery import finalize, is_graph
from deepfake_generalize.models.training import (
    LAST_LAYERS,
    RECIPES,
    Fit,
    LabelledImages,
    Recipe,
    TrainingData,
    TrainOptions,
    copy,
    open_data,
    own_random_numbers,
    recipe_or_default,
    refuse_overlap,
    training_record,
)
from deepfake_generalize.validation import describe


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
    """Let a copy of a detector learn, and return it as a new one that knows what it came from.

    Another kind of fine-tuning is a function that calls this one with its own way to `learn`: in
    place, from a copy of the network (whose flat layers before `first` are frozen, and without
    their dropout if there shall be no `noise`), the opened data and the options. `kind` is what
    the record and the name call it, `facts` are further values for the record, plain JSON ones.
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
    return child(detector, learned, worker.get_weights(), record, kind=kind, name=name)


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
        return copy(detector.model)


def recipe_for(detector: Detector, recipe: Recipe | None, **asked: float | None) -> Recipe:
    """Return the recipe given, or the paper's for fine-tuning a detector that can be fine-tuned.

    `asked` are values instead of the recipe's, by name; None is none.
    """
    check_detector(detector)
    architecture = architecture_of(detector)
    default = RECIPES[architecture].fine_tuning if architecture else None
    return recipe_or_default(recipe, default, **asked)


def check_detector(detector: object) -> None:
    """Raise unless this can be fine-tuned: a `models.Detector` of a network that can be copied."""
    if not isinstance(detector, Detector):
        raise InputError(
            f"expected a models.Detector, received {describe(detector)}.",
            hint="Wrap a Keras model: Detector(model, fake_index=...). Functions and PyTorch "
            "models can be scored, not fine-tuned.",
        )
    if not is_graph(detector.model):
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
    for name in (recorded.get("architecture"), detector.model.name):
        ends_in = LAST_LAYERS.get(str(name), ())
        last = detector.model.layers[-len(ends_in) :] if ends_in else []
        if ends_in and tuple(type(layer).__name__ for layer in last) == ends_in:
            return str(name)
    return None


def child(
    parent: Detector,
    model: keras.Model,
    weights: list[Any],
    record: Mapping[str, Any],
    *,
    kind: str,
    name: str | None,
) -> Detector:
    """Return a new detector with a `twin_of` its parent, its own weights, and its lineage.

    The weights are in the order of the parent's network; `record` is how they came about.
    """
    model.set_weights(weights)
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
