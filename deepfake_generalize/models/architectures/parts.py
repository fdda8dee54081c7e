"""What architectures begin and end with: an input of images, and a last layer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import keras

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import load_weights
from deepfake_generalize.validation import check_whole, is_whole


def image_input(
    input_shape: tuple[int, int, int], *, network: str, minimum: int
) -> keras.KerasTensor:
    """Return symbolic images (N, H, W, 3), float32 in [0, 1], of sides from `minimum` pixels."""
    sides = tuple(input_shape) if isinstance(input_shape, Iterable) else ()
    whole = len(sides) == 3 and all(map(is_whole, sides))
    if not whole or sides[2] != 3 or min(sides[:2]) < minimum:
        raise InputError(
            f"expected input_shape (H, W, 3) with sides of at least {minimum} for {network}, "
            f"received {input_shape!r}.",
            hint="The sides must be fixed whole numbers of pixels.",
        )
    return keras.Input((int(sides[0]), int(sides[1]), 3), name="image")


def classifier(
    inputs: keras.KerasTensor,
    features: keras.KerasTensor,
    *,
    name: str,
    classes: int,
    weights: str | Path | None,
) -> keras.Model:
    """Return the network from `inputs` over `features` (N, F) to its classes (N, classes)."""
    units = check_whole("classes", classes, least=1)
    activation = "sigmoid" if units == 1 else "softmax"
    outputs = keras.layers.Dense(units, activation=activation, name="output")(features)
    model = keras.Model(inputs, outputs, name=name)
    if weights is not None:
        load_weights(model, weights)
    return model
