"""What every architecture begins and ends with: an input of images, a layer that classifies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import load_weights
from deepfake_generalize.validation import check_whole, is_whole

if TYPE_CHECKING:
    from pathlib import Path


def image_input(
    input_shape: tuple[int, int, int], *, network: str, minimum: int
) -> keras.KerasTensor:
    """Return the symbolic images (N, H, W, 3) that a network takes, float32 in [0, 1].

    Raises:
        InputError: `input_shape` is not (H, W, 3), or a side is under `minimum` pixels.
    """
    wanted = f"expected input_shape (H, W, 3) with sides of at least {minimum} for {network}"
    received = f"received {input_shape!r}."
    try:
        height, width, channels = input_shape
    except (TypeError, ValueError):
        raise InputError(f"{wanted}, {received}") from None
    if not all(map(is_whole, (height, width, channels))):
        raise InputError(f"{wanted}, {received}", hint="The sides must be fixed whole numbers.")
    if channels != 3 or min(height, width) < minimum:
        raise InputError(f"{wanted}, {received}", hint=f"The minimum is {minimum} pixels a side.")
    return keras.Input((int(height), int(width), 3), name="image")


def classifier(
    inputs: keras.KerasTensor,
    features: keras.KerasTensor,
    *,
    name: str,
    classes: int,
    weights: str | Path | None,
) -> keras.Model:
    """Return the network from `inputs` over `features` (N, F) to its classes (N, classes).

    One class is a sigmoid unit, several are softmax columns.

    Raises:
        InputError: `classes` is no whole number from 1, or the weights file does not fit.
    """
    units = check_whole("classes", classes, least=1)
    activation = "sigmoid" if units == 1 else "softmax"
    outputs = keras.layers.Dense(units, activation=activation, name="output")(features)
    model = keras.Model(inputs, outputs, name=name)
    if weights is not None:
        load_weights(model, weights)
    return model
