"""ShallowNet (version 3): eight convolutions without padding and one very wide dense layer."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.models.architectures.parts import classifier, image_input

PENALTY = 1e-4
DROPOUT = 0.25


@standard_settings()
def shallownet(
    input_shape: tuple[int, int, int] = (256, 256, 3),
    *,
    classes: int = 1,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build ShallowNet: eight convolutions in three groups, then dense layers of 1024 and 1.

    Source: Tariq et al., "Detecting Both Machine and Human Created Fake Face Images In the Wild"
    (ShallowNet V3). 118,080,289 parameters at 256x256, or 470 MB, nearly all between the last
    convolution and the first dense layer.

    Args:
        input_shape: (H, W, 3) in pixels, each side at least 20.
        classes: 1 for one sigmoid unit, P(class 1); more for that many softmax columns.
        weights: None for random ones, or a weights file of Keras 1, 2 or 3 (HDF5).

    Returns:
        A flat Keras model from (N, H, W, 3) float32 RGB in [0, 1] to (N, classes) in [0, 1].

    Raises:
        InputError: A shape or number of classes that cannot be built, or a file that does not fit.

    Reproduction notes:
        Filters, kernels, penalty (L2 of 1e-4 on the kernels) and dropout (.25) are those of the
        study's scripts, with a dropout after every convolution.

    Examples:
        >>> shallownet((20, 20, 3)).output_shape
        (None, 1)
    """
    inputs = image_input(input_shape, network="ShallowNet", minimum=20)
    x = _group(inputs, [(32, 5), (32, 1), (32, 1)], "block1")
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = _group(x, [(64, 3), (64, 1), (64, 1)], "block2")
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = _group(x, [(128, 3), (32, 1)], "block3")
    x = layers.Flatten(name="flatten")(x)
    penalty = keras.regularizers.L2(PENALTY)
    x = layers.Dense(1024, activation="relu", kernel_regularizer=penalty, name="dense1")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)
    return classifier(inputs, x, name="shallownet", classes=classes, weights=weights)


def _group(x: keras.KerasTensor, sizes: list[tuple[int, int]], name: str) -> keras.KerasTensor:
    """Add convolutions of (filters, kernel), each followed by dropout."""
    for number, (filters, kernel) in enumerate(sizes, start=1):
        penalty = keras.regularizers.L2(PENALTY)
        options = {"activation": "relu", "kernel_regularizer": penalty}
        x = layers.Conv2D(filters, kernel, name=f"{name}_conv{number}", **options)(x)
        x = layers.Dropout(DROPOUT, name=f"{name}_dropout{number}")(x)
    return x
