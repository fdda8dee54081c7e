"""What architectures are built of: an input of images, Keras's own networks, a last layer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from deepfake_generalize.errors import InputError, MissingAssetError
from deepfake_generalize.models.surgery import finalize, load_weights
from deepfake_generalize.validation import check_whole, is_whole

# What Keras calls a layer without a name: its kind, and how many of them this process has built.
_AUTOMATIC = re.compile(r"(conv2d|batch_normalization|add|rescaling|normalization)(_\d+)?")


def image_input(
    input_shape: tuple[int, int, int], *, network: str, minimum: int
) -> keras.KerasTensor:
    """Return symbolic images (N, H, W, 3), float32 in [0, 1], of sides from `minimum` pixels."""
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
    """
    units = check_whole("classes", classes, least=1)
    activation = "sigmoid" if units == 1 else "softmax"
    outputs = keras.layers.Dense(units, activation=activation, name="output")(features)
    model = keras.Model(inputs, outputs, name=name)
    if weights is not None:
        load_weights(model, weights)
    return model


def build_trunk(
    application: Callable[..., keras.Model],
    inputs: keras.KerasTensor,
    *,
    network: str,
    scaling: keras.layers.Layer | None = None,
    imagenet: bool = False,
) -> keras.Model:
    """Build one of `keras.applications` without its classifier, over symbolic images.

    The trunk is flat and its layers keep the application's names. Those that it leaves to chance
    are counted from 1 within the model, and every convolution has `conv` in its name. `scaling` is
    a layer between the input and the application; with `imagenet` Keras's weights are loaded, from
    its cache or from its address. Messages call it `network`.

    Raises:
        MissingAssetError: The ImageNet weights are neither cached nor to be had.
    """
    options: dict[str, Any] = {
        "include_top": False,
        "input_tensor": inputs if scaling is None else scaling(inputs),
        "input_shape": tuple(inputs.shape[1:]),
    }
    try:
        original = application(weights="imagenet" if imagenet else None, **options)
    except Exception as error:  # Keras raises a bare Exception where a download fails
        if not imagenet:
            raise
        raise MissingAssetError(
            f"expected the ImageNet weights of {network}, Keras could not get them: {error}.",
            hint="Go online once, copy them to ~/.keras/models from a machine that has them, or "
            "pass weights=None or a weights file.",
        ) from error
    counts: Counter[str] = Counter()

    def renamed(layer: keras.layers.Layer) -> keras.layers.Layer:
        return layer.__class__.from_config({**layer.get_config(), "name": _name(layer, counts)})

    trunk = keras.models.clone_model(original, clone_function=renamed)
    if imagenet:
        trunk.set_weights(original.get_weights())
        finalize(trunk)
    return trunk


def _name(layer: keras.layers.Layer, counts: Counter[str]) -> str:
    name = str(layer.name)
    match = _AUTOMATIC.fullmatch(name)
    if match:
        counts[match[1]] += 1
        return f"{match[1]}_{counts[match[1]]}"
    if isinstance(layer, keras.layers.Conv2D) and "conv" not in name:
        return f"{name}_conv"
    return name
