"""Merge learning: all layers of a trained detector learn from a few-shot mix."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from deepfake_generalize.augment.fine_tuning import fine_tune, recipe_for
from deepfake_generalize.models.detectors import Detector
from deepfake_generalize.models.surgery import flat_layers
from deepfake_generalize.models.training import LabelledImages, Progress, Recipe, TrainOptions, fit


def merge(  # noqa: PLR0913  (each is a choice of its own)
    detector: Detector,
    train: LabelledImages,
    val: LabelledImages,
    *,
    recipe: Recipe | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    precision: str = "float32",
    strategy: tf.distribute.Strategy | None = None,
    early_stopping: int | None = None,
    progress: Progress = "auto",
    name: str | None = None,
) -> Detector:
    """Train all layers of a copy of a detector.

    Source: "How Generalizable are Deepfake Detectors?", section III-C.

    Args:
        detector: What was trained before; not changed.
        train: What is learnt from, as `transfer` takes it.
        val: What the best epoch is chosen on, as `transfer` takes it. Never a test set.
        recipe: The paper's for fine-tuning the detector's architecture by default; a network that
            is none of its five needs one.
        epochs: Instead of the recipe's.
        learning_rate: Instead of the recipe's.
        batch_size: Instead of the recipe's.
        seed: Of the order of the images and the dropout.
        checkpoint: As `models.train` takes it.
        precision: As `models.train` takes it.
        strategy: As `models.train` takes it.
        early_stopping: As `models.train` takes it.
        progress: As `models.train` takes it.
        name: The new detector's; the old one's and "-merge" by default.

    Returns:
        A new detector with the weights of the best epoch. Its `training["parent"]` says what it
        came from: name, hash of the weights, recipe, seed, data, and that one's own parent. Layers
        that were frozen in the given network are trained here, and frozen in the new one again.

    Raises:
        InputError: An argument is not as above, `train` and `val` share an image or a video, or
            training diverged.

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> detector = Detector(mesonet((32, 32, 3)), name="mesonet-celeb")
        >>> images = np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
        >>> few, check = (images[:12], np.arange(12) % 2), (images[12:], np.arange(4) % 2)
        >>> merge(detector, few, check, epochs=2, progress=None).training["kind"]
        'merge'
    """
    asked = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    recipe = recipe_for(detector, recipe, **asked)
    options = TrainOptions(recipe, seed, checkpoint, precision, strategy, early_stopping, progress)
    layers = len(flat_layers(detector.model))
    return fine_tune(
        detector, train, val, options, fit, kind="merge", name=name, layers_trained=layers
    )
