"""The two networks of MesoNet's paper: Meso-4 and, with inception blocks, MesoInception-4."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.models.architectures.parts import classifier, image_input


@standard_settings()
def mesonet(
    input_shape: tuple[int, int, int] = (256, 256, 3),
    *,
    classes: int = 1,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build MesoNet: four blocks of convolution, batch norm and pooling, then two dense layers.

    Source: Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network", section
    III-A (Meso-4). 28,073 parameters at 256x256.

    Args:
        input_shape: (H, W, 3) in pixels, each side at least 8.
        classes: 1 for one sigmoid unit, P(class 1); more for that many softmax columns.
        weights: None for random ones, or a weights file of Keras 1, 2 or 3 (HDF5).

    Returns:
        A flat Keras model from (N, H, W, 3) float32 RGB in [0, 1] to (N, classes) in [0, 1]. Which
        class is fake only the `Detector` knows: the public weights give P(real).

    Raises:
        InputError: A shape or number of classes that cannot be built, or a file that does not fit.

    Reproduction notes:
        The dense part has the LeakyReLU of slope 0.1 of the study's scripts. The order of layers is
        that of the public weights, which load by it.

    Examples:
        >>> mesonet((64, 64, 3)).output_shape
        (None, 1)
    """
    x = inputs = image_input(input_shape, network="MesoNet", minimum=8)
    for number, (filters, kernel, pool) in enumerate(
        [(8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4)], start=1
    ):
        x = _convolution(x, filters, kernel, f"conv{number}")
        x = _normalised_pool(x, number, pool)
    return classifier(inputs, _dense_part(x), name="mesonet", classes=classes, weights=weights)


@standard_settings()
def mesoinception(
    input_shape: tuple[int, int, int] = (256, 256, 3),
    *,
    classes: int = 1,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build MesoInception: two inception blocks, two convolutions, then two dense layers.

    Source: Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network", section
    III-B (MesoInception-4). 28,725 parameters at 256x256.

    Args:
        input_shape: (H, W, 3) in pixels, each side at least 8.
        classes: As for `mesonet`.
        weights: As for `mesonet`.

    Returns:
        As `mesonet`.

    Raises:
        InputError: As `mesonet`.

    Reproduction notes:
        The branches of a block end in ReLU, and their 3x3 convolutions have dilation 1, 2 and 3, as
        in the study's scripts. The order of layers is that of the public weights.

    Examples:
        >>> mesoinception((64, 64, 3)).output_shape
        (None, 1)
    """
    x = inputs = image_input(input_shape, network="MesoInception", minimum=8)
    for number, filters in enumerate([(1, 4, 4, 2), (2, 4, 4, 2)], start=1):
        x = _normalised_pool(_inception(x, filters, f"block{number}"), number, 2)
    for number, pool in [(3, 2), (4, 4)]:
        x = _normalised_pool(_convolution(x, 16, 5, f"conv{number}"), number, pool)
    x = _dense_part(x)
    return classifier(inputs, x, name="mesoinception", classes=classes, weights=weights)


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, name: str, *, dilation: int = 1
) -> keras.KerasTensor:
    """Add a convolution that keeps height and width, with ReLU."""
    options = {"padding": "same", "activation": "relu", "dilation_rate": dilation, "name": name}
    return layers.Conv2D(filters, kernel, **options)(x)


def _normalised_pool(x: keras.KerasTensor, number: int, pool: int) -> keras.KerasTensor:
    """Add the batch norm and the pooling that end a block."""
    x = layers.BatchNormalization(name=f"norm{number}")(x)
    return layers.MaxPooling2D(pool, padding="same", name=f"pool{number}")(x)


def _dense_part(x: keras.KerasTensor) -> keras.KerasTensor:
    """Add the dense layers that MesoNet and MesoInception share, up to the last."""
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="dropout1")(x)
    x = layers.Dense(16, name="dense1")(x)
    x = layers.LeakyReLU(negative_slope=0.1, name="leaky_relu")(x)
    return layers.Dropout(0.5, name="dropout2")(x)


def _inception(
    x: keras.KerasTensor, filters: tuple[int, int, int, int], name: str
) -> keras.KerasTensor:
    """Add one block: a 1x1 branch, and three of 1x1 then 3x3 with dilation 1, 2 and 3."""
    branches = [_convolution(x, filters[0], 1, f"{name}_conv_a")]
    for letter, count, dilation in zip("bcd", filters[1:], (1, 2, 3), strict=True):
        reduced = _convolution(x, count, 1, f"{name}_conv_{letter}1")
        wide = _convolution(reduced, count, 3, f"{name}_conv_{letter}2", dilation=dilation)
        branches.append(wide)
    return layers.Concatenate(name=f"{name}_join")(branches)
