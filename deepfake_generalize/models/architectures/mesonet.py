"""MesoNet (Meso-4): four convolutions and two dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import layers

from deepfake_generalize.models.architectures.parts import classifier, image_input

if TYPE_CHECKING:
    from pathlib import Path

    import keras

MINIMUM_SIDE = 8


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
        class is fake is not the network's business but the `Detector`'s: 1 in the detectors trained
        here; the public weights give P(real).

    Raises:
        InputError: A shape or number of classes that cannot be built, or a file that does not fit.

    Reproduction notes:
        The dense part has the LeakyReLU of slope 0.1 of the study's scripts. The order of layers is
        that of the public weights, which load by it.

    Examples:
        >>> mesonet((64, 64, 3)).output_shape
        (None, 1)
    """
    x = inputs = image_input(input_shape, network="MesoNet", minimum=MINIMUM_SIDE)
    for number, (filters, kernel, pool) in enumerate(
        [(8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4)], start=1
    ):
        x = convolution(x, filters, kernel, f"conv{number}")
        x = normalised_pool(x, number, pool)
    return classifier(inputs, dense_part(x), name="mesonet", classes=classes, weights=weights)


def convolution(
    x: keras.KerasTensor, filters: int, kernel: int, name: str, *, dilation: int = 1
) -> keras.KerasTensor:
    """Add a convolution that keeps height and width, with ReLU."""
    return layers.Conv2D(
        filters, kernel, padding="same", activation="relu", dilation_rate=dilation, name=name
    )(x)


def normalised_pool(x: keras.KerasTensor, number: int, pool: int) -> keras.KerasTensor:
    """Add the batch norm and the pooling that end a block."""
    x = layers.BatchNormalization(name=f"norm{number}")(x)
    return layers.MaxPooling2D(pool, padding="same", name=f"pool{number}")(x)


def dense_part(x: keras.KerasTensor) -> keras.KerasTensor:
    """Add the dense layers that MesoNet and MesoInception share, up to the last."""
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="dropout1")(x)
    x = layers.Dense(16, name="dense1")(x)
    x = layers.LeakyReLU(negative_slope=0.1, name="leaky_relu")(x)
    return layers.Dropout(0.5, name="dropout2")(x)
