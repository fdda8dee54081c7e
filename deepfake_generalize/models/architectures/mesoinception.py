"""MesoInception-4: MesoNet with two inception blocks in place of the first two convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from deepfake_generalize.models.architectures.mesonet import MINIMUM_SIDE, mesonet_head
from deepfake_generalize.models.surgery import check_classes, check_input_shape, load_weights

if TYPE_CHECKING:
    from pathlib import Path


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
        classes: 1 for one sigmoid unit, P(class 1); more for that many softmax columns.
        weights: None for random ones, or a weights file (see `models.weights.load_weights`).

    Returns:
        A flat Keras model from (N, H, W, 3) float32 RGB in [0, 1] to (N, classes) in [0, 1]. Which
        class is fake is the `Detector`'s business; the public weights give P(real).

    Raises:
        InputError: A shape or number of classes that cannot be built, or a file that does not fit.

    Reproduction notes:
        The branches of a block end in ReLU, and their 3x3 convolutions have dilation 1, 2 and 3, as
        in the study's scripts. The order of layers is that of the public weights.

    Examples:
        >>> mesoinception((64, 64, 3)).output_shape
        (None, 1)
    """
    shape = check_input_shape(input_shape, network="MesoInception", minimum=MINIMUM_SIDE)
    units, activation = check_classes(classes)
    inputs = keras.Input(shape, name="image")
    x = inputs
    for number, filters in enumerate([(1, 4, 4, 2), (2, 4, 4, 2)], start=1):
        x = _inception(x, filters, f"block{number}")
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
    for number, pool in [(3, 2), (4, 4)]:
        x = layers.Conv2D(16, 5, padding="same", activation="relu", name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.MaxPooling2D(pool, padding="same", name=f"pool{number}")(x)
    model = keras.Model(inputs, mesonet_head(x, units, activation), name="mesoinception")
    if weights is not None:
        load_weights(model, weights)
    return model


def _inception(
    x: keras.KerasTensor, filters: tuple[int, int, int, int], name: str
) -> keras.KerasTensor:
    """Add one block: a 1x1 branch, and three of 1x1 then 3x3 with dilation 1, 2 and 3."""

    def convolution(
        y: keras.KerasTensor, count: int, kernel: int, branch: str, dilation: int = 1
    ) -> keras.KerasTensor:
        return layers.Conv2D(
            count,
            kernel,
            padding="same",
            activation="relu",
            dilation_rate=dilation,
            name=f"{name}_conv_{branch}",
        )(y)

    branches = [convolution(x, filters[0], 1, "a")]
    for letter, count, dilation in zip("bcd", filters[1:], (1, 2, 3), strict=True):
        reduced = convolution(x, count, 1, f"{letter}1")
        branches.append(convolution(reduced, count, 3, f"{letter}2", dilation))
    return layers.Concatenate(name=f"{name}_join")(branches)
