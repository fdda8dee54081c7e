"""Transfer learning: the last layers of a trained detector learn from a few-shot mix."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import tensorflow as tf

from deepfake_generalize.augment.features import CACHE_MEMORY, fit_cached
from deepfake_generalize.augment.fine_tuning import fine_tune, recipe_for
from deepfake_generalize.augment.unfreezing import choose_head
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import Detector
from deepfake_generalize.models.surgery import flat_layers
from deepfake_generalize.models.training import LabelledImages, Progress, Recipe, TrainOptions, fit
from deepfake_generalize.validation import check_choice, check_whole


def transfer(  # noqa: PLR0913  (each is a choice of its own)
    detector: Detector,
    train: LabelledImages,
    val: LabelledImages,
    *,
    recipe: Recipe | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    unfreeze: int | str = "paper",
    cache: bool = True,
    trunk: Literal["inference", "scripts"] = "inference",
    cache_memory: int = CACHE_MEMORY,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    precision: str = "float32",
    strategy: tf.distribute.Strategy | None = None,
    early_stopping: int | None = None,
    progress: Progress = "auto",
    name: str | None = None,
) -> Detector:
    """Train the last layers of a copy of a detector; the others stay as they are.

    The frozen layers run once over the images, in inference mode, and the last ones are trained on
    the features they gave. That is the same computation as running all layers in every epoch, in a
    small part of the time.

    Source: "How Generalizable are Deepfake Detectors?", section III-C.

    Args:
        detector: What was trained before; not changed.
        train: What is learnt from, usually a `few_shot_mix`: crops, (images, labels) as arrays, or
            a dataset, as `models.train` takes them; label 1 = fake, whatever the network's own
            polarity.
        val: What the best epoch is chosen on, in the same form: the validation part of what is
            trained on is the study's way. Never a test set.
        recipe: The paper's for fine-tuning the detector's architecture by default; a network that
            is none of its five needs one.
        epochs: Instead of the recipe's.
        learning_rate: Instead of the recipe's.
        batch_size: Instead of the recipe's.
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
        checkpoint: As `models.train` takes it.
        precision: As `models.train` takes it; the cached features are float32.
        strategy: As `models.train` takes it.
        early_stopping: As `models.train` takes it.
        progress: As `models.train` takes it.
        name: The new detector's; the old one's and "-transfer" by default.

    Returns:
        A new detector with the weights of the best epoch. Its `training["parent"]` says what it
        came from: name, hash of the weights, recipe, seed, data, and that one's own parent.

    Raises:
        InputError: An argument is not as above, `train` and `val` share an image or a video, there
            is nothing to train or nothing to freeze, or training diverged.

    Reproduction notes:
        The study's scripts leave dropout active in the frozen layers (ShallowNet and EfficientNet
        have some there): `cache=False, trunk="scripts"`. A dataset has an order of its own; cached,
        its features are ordered by `seed` as those of crops are.

    Examples:
        >>> import numpy as np
        >>> from deepfake_generalize.models import Detector, mesonet
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
    asked = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    recipe = recipe_for(detector, recipe, **asked)
    options = TrainOptions(recipe, seed, checkpoint, precision, strategy, early_stopping, progress)
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
