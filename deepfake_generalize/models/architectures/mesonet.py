"""MesoNet (Meso-4): four convolutions and two dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from deepfake_generalize.models.surgery import check_classes, check_input_shape, load_weights

if TYPE_CHECKING:
    from pathlib import Path

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
        weights: None for random ones, or a weights file (see `models.weights.load_weights`).

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
    shape = check_input_shape(input_shape, network="MesoNet", minimum=MINIMUM_SIDE)
    units, activation = check_classes(classes)
    inputs = keras.Input(shape, name="image")
    x = inputs
    for number, (filters, kernel, pool) in enumerate(
        [(8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4)], start=1
    ):
        x = layers.Conv2D(filters, kernel, padding="same", activation="relu", name=f"conv{number}")(
            x
        )
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.MaxPooling2D(pool, padding="same", name=f"pool{number}")(x)
    model = keras.Model(inputs, mesonet_head(x, units, activation), name="mesonet")
    if weights is not None:
        load_weights(model, weights)
    return model


def mesonet_head(features: keras.KerasTensor, units: int, activation: str) -> keras.KerasTensor:
    """Add the dense part that MesoNet and MesoInception share.

    Args:
        features: (N, h, w, C) symbolic output of the last pooling layer.
        units: Units of the last layer.
        activation: Its activation, `sigmoid` or `softmax`.

    Returns:
        The symbolic (N, units) output.
    """
    x = layers.Flatten(name="flatten")(features)
    x = layers.Dropout(0.5, name="dropout1")(x)
    x = layers.Dense(16, name="dense1")(x)
    x = layers.LeakyReLU(negative_slope=0.1, name="leaky_relu")(x)
    x = layers.Dropout(0.5, name="dropout2")(x)
    return layers.Dense(units, activation=activation, name="output")(x)
