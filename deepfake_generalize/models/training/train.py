"""Train a detector by a recipe: the best epoch's weights, a record of how they came about."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize._system.processes import cpu_model, processors
from deepfake_generalize._version import __version__
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.architectures import ARCHITECTURES
from deepfake_generalize.models.detectors import Detector
from deepfake_generalize.models.surgery import copy_network, every_layer
from deepfake_generalize.models.training import checkpoints
from deepfake_generalize.models.training.augmentation import Augmentation
from deepfake_generalize.models.training.data import LabelledImages, open_data, refuse_overlap
from deepfake_generalize.models.training.fitting import Fit, TrainOptions, fit, own_random_numbers
from deepfake_generalize.models.training.progress import Progress
from deepfake_generalize.models.training.recipes import RECIPES, Recipe, recipe_or_default
from deepfake_generalize.validation import check_choice, check_type, is_whole

Architecture: TypeAlias = "str | Callable[..., keras.Model] | keras.Model"


def train(  # noqa: PLR0913  (each is a choice of its own)
    architecture: Architecture,
    train: LabelledImages,
    val: LabelledImages,
    *,
    recipe: Recipe | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    dropout: float | None = None,
    weight_decay: float | None = None,
    augmentation: str | Augmentation | None = None,
    pairing: bool | None = None,
    seed: int = 0,
    input_shape: tuple[int, int, int] | None = None,
    checkpoint: str | Path | None = None,
    precision: str = "float32",
    strategy: tf.distribute.Strategy | None = None,
    early_stopping: int | None = None,
    progress: Progress = "auto",
    name: str | None = None,
) -> Detector:
    """Train a detector.

    Source: the paper, section III-C: Adam, and the best epoch's weights instead of the last's.

    Args:
        architecture: A name of `ARCHITECTURES`; a builder, called with `input_shape`; or a Keras
            model, whose copy is trained from the weights it has.
        train: What is learnt from: crops (`data.read_crops`, a part of `Splits`); a pair of arrays,
            images (N, H, W, 3) uint8, or float in [0, 1], and labels (N,), 1 = fake; or a dataset
            as `data.to_dataset` returns. Crops are read batch by batch.
        val: What the best epoch is chosen on, in the same form. It must be of the training's source
            and is never a test set.
        recipe: The paper's of that architecture by default.
        epochs: Instead of the recipe's.
        learning_rate: Instead of the recipe's.
        batch_size: Instead of the recipe's.
        dropout: Instead of the recipe's, the rate of every dropout while training.
        weight_decay: Instead of the recipe's, decoupled as in AdamW.
        augmentation: Instead of the recipe's (see `Recipe` and `AUGMENTATIONS`). Draws depend on
            the seed, the epoch and the image's row, never on its label; floats are rounded to 256
            levels first.
        pairing: Instead of the recipe's; it takes crops. The record counts the `pairs`, and a note
            says how many images are in none.
        seed: Of the first weights, the order of the images and the dropout. Two runs with the same
            seed are equal where versions, processor, number of threads and oneDNN are too, and no
            GPU computes; the record holds all of these. Global random states are left as they were.
        input_shape: (H, W, 3) in pixels. Crops are resized to it; the images' own by default.
        checkpoint: A folder, or a file ending in `.npz`, written after each epoch. The same call
            after a kill goes on from there and ends in the same weights, where two runs are equal.
        precision: `float32` leaves layers as they are: the five networks compute in it whatever
            Keras is set to. `bfloat16` is for the arithmetic of all layers but the last, and speeds
            Xception up on CPUs that have it; the detector is of the same kind.
        strategy: A `tf.distribute.MirroredStrategy`; a batch is divided among its devices.
        early_stopping: Epochs without a better one after which training ends; it then also ends
            when an epoch is perfect on `val`. None goes through all epochs.
        progress: `auto` shows a bar in a terminal or a notebook and a line an epoch elsewhere;
            `bar`, `lines`, or None for silence. All goes to stderr.
        name: The detector's; the architecture's by default.

    Returns:
        A detector with the weights of the best epoch, whose `.training` says how it was trained;
        its `notes` say where the validation accuracy was never better than chance.

    Raises:
        InputError: An argument is not as above, `train` and `val` share an image or a video, or
            training diverged.
        DataMismatchError: The checkpoint is of another training.
        MissingDependencyError: Keras runs on something else than TensorFlow.

    Reproduction notes:
        The paper does not say on what the best parameters were chosen; the study's scripts use a
        validation folder, as here. The order of a dataset is its own: only crops and arrays are
        ordered by `seed`, and only they can be told apart in a checkpoint.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> images, labels = rng.random((16, 16, 16, 3), np.float32), np.arange(16) % 2
        >>> detector = train(
        ...     "mesonet", (images, labels), (images[::-1], labels), epochs=2, progress=None
        ... )
        >>> detector.training["recipe"]["name"], len(detector.training["history"]["loss"])
        ('mesonet-paper, epochs 2', 2)
    """
    known_as = _name_of(architecture)
    asked: dict[str, Any] = {"epochs": epochs, "learning_rate": learning_rate}
    asked |= {"batch_size": batch_size, "dropout": dropout, "weight_decay": weight_decay}
    asked |= {"augmentation": augmentation, "pairing": pairing}
    recipe = recipe_or_default(recipe, RECIPES.get(known_as), **asked)
    options = TrainOptions(recipe, seed, checkpoint, precision, strategy, early_stopping, progress)
    refuse_overlap(train, val)
    shape = _wanted_shape(architecture, input_shape)
    opened = open_data(train, name="train", shape=shape)
    opened_val = open_data(val, name="val", shape=opened.shape)
    discarded: list[dict[str, Any]] = []
    while True:
        attempt = _attempt(options, len(discarded))
        with own_random_numbers(attempt.seed):
            model = build(architecture, shape or opened.shape, classes=recipe.classes)
        # Before the first epoch: what is no detector must not cost a training.
        detector = Detector(model, name=name or known_as)
        fitted = fit(model, opened, opened_val, attempt)
        if fitted.ended != "plateau":
            break
        discarded.append({"seed": attempt.seed, "accuracy": fitted.history["accuracy"]})
    facts = {"architecture": known_as, "input_shape": list(opened.shape), "restarts": discarded}
    detector.training = training_record(fitted, options, model) | facts
    return detector


def _name_of(architecture: Architecture) -> str:
    """Return the name by which records call an architecture, or refuse what is none."""
    if isinstance(architecture, keras.Model):
        return str(architecture.name)
    if callable(architecture):
        own = getattr(architecture, "__name__", type(architecture).__name__)
        return next((x for x, builder in ARCHITECTURES.items() if builder is architecture), own)
    hint = "Or pass a builder or a Keras model."
    return check_choice("architecture", architecture, ARCHITECTURES, hint=hint)


def build(architecture: Architecture, input_shape: tuple[int, ...], *, classes: int) -> keras.Model:
    """Build a network that nobody else holds: a model is copied with its weights.

    A builder is asked for the number of `classes` only where it is not one.
    """
    if isinstance(architecture, keras.Model):
        return copy_network(architecture)
    builder = ARCHITECTURES[architecture] if isinstance(architecture, str) else architecture
    model = builder(input_shape, **({} if classes == 1 else {"classes": classes}))
    hint = "A builder takes input_shape (H, W, 3) and returns a keras.Model."
    return check_type("a Keras model from the builder", model, keras.Model, hint=hint)


def training_record(fitted: Fit, options: TrainOptions, model: keras.Model) -> dict[str, Any]:
    """Return what a detector keeps of its training, plain JSON values."""
    recipe, strategy = options.recipe, options.strategy
    layers = (x for x in every_layer(model) if not isinstance(x, keras.layers.InputLayer))
    computes_in = ", ".join(sorted({layer.dtype_policy.name for layer in layers}))
    return {
        "recipe": recipe.values(),
        "sources": recipe.sources,
        "seed": options.seed,
        "parent": None,  # It began from nothing; fine-tuning says from what.
        "selection": f"highest {recipe.selection} on the validation data, the earliest of equals",
        "best_epoch": fitted.best_epoch,
        "ended": fitted.ended,
        "history": {name: list(values) for name, values in fitted.history.items()},
        "data": {name: dict(facts) for name, facts in fitted.data.items()},
        "seconds": fitted.seconds,
        "precision": computes_in if options.precision == "float32" else options.precision,
        "notes": list(fitted.notes),
        "replicas": 1 if strategy is None else strategy.num_replicas_in_sync,
        "early_stopping": options.early_stopping,
        "computation": _computation(),
        "versions": {
            "deepfake_generalize": __version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _computation() -> dict[str, Any]:
    """Return what TensorFlow computes on, in whose hands the last digits of sums are."""
    threads = tf.config.threading

    def chosen(kind: str, set_here: int) -> int:
        asked = os.environ.get(f"TF_NUM_{kind}OP_THREADS", "")
        # TensorFlow passes over what is no number, and so must a record, written after hours.
        return set_here or (int(asked) if asked.isdecimal() else 0) or processors()

    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower()
    return {
        "device": "GPU" if tf.config.get_visible_devices("GPU") else "CPU",
        "cpu": cpu_model(),
        "intra_op_threads": chosen("INTRA", threads.get_intra_op_parallelism_threads()),
        "inter_op_threads": chosen("INTER", threads.get_inter_op_parallelism_threads()),
        # By default TensorFlow goes by what the processor can do.
        "onednn": {"0": "off", "false": "off", "1": "on", "true": "on"}.get(onednn, "default"),
    }


def _attempt(options: TrainOptions, number: int) -> TrainOptions:
    """Return the options of the first beginning (0) or of a later one."""
    seed, file = options.seed, options.checkpoint
    if number:
        seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if number and file is not None:
        first = checkpoints.locate(file)
        file = first.with_stem(f"{first.stem}-{number + 1}")
    may_restart = number < options.recipe.max_restarts
    return replace(options, seed=seed, checkpoint=file, may_restart=may_restart)


def _wanted_shape(architecture: Architecture, input_shape: object) -> tuple[int, int, int] | None:
    if isinstance(architecture, keras.Model):
        takes = (*Detector(architecture).size, 3)
        if input_shape is not None and tuple(input_shape) != takes:  # type: ignore[arg-type]
            raise InputError(
                f"expected no input_shape beside a model, which has its own {takes}, received "
                f"{input_shape!r}."
            )
        return takes
    if input_shape is None:
        return None
    sides = tuple(input_shape) if isinstance(input_shape, tuple | list) else ()
    if len(sides) != 3 or sides[2] != 3 or not all(is_whole(side, least=1) for side in sides):
        raise InputError(
            f"expected input_shape as (height, width, 3) in pixels, received {input_shape!r}."
        )
    return int(sides[0]), int(sides[1]), 3
