"""Keras's own networks as trunks: flat, with names that do not depend on what was built before."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import keras

from deepfake_generalize.errors import MissingAssetError
from deepfake_generalize.models.surgery import finalize

if TYPE_CHECKING:
    from collections.abc import Callable

# What Keras calls a layer without a name: its kind, and how many of them this process has built.
_AUTOMATIC = re.compile(r"(conv2d|batch_normalization|add|rescaling|normalization)(_\d+)?")


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
    are counted from 1 within the model, and every convolution has `conv` in its name.

    Args:
        application: One of `keras.applications`.
        inputs: From `image_input`.
        network: What messages call it.
        scaling: A layer between the input and the application.
        imagenet: Load Keras's ImageNet weights, from its cache or from its address.

    Raises:
        MissingAssetError: The ImageNet weights are neither cached nor to be had.
    """
    options: dict[str, Any] = {
        "include_top": False,
        "input_tensor": inputs if scaling is None else scaling(inputs),
        "input_shape": tuple(inputs.shape[1:]),
    }
    if imagenet:
        original = _with_imagenet(application, options, network)
    else:
        original = application(weights=None, **options)
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


def _with_imagenet(
    application: Callable[..., keras.Model], options: dict[str, Any], network: str
) -> keras.Model:
    try:
        return application(weights="imagenet", **options)
    except Exception as error:  # Keras raises a bare Exception where a download fails
        raise MissingAssetError(
            f"expected the ImageNet weights of {network}, Keras could not get them: {error}.",
            hint="Go online once, copy them to ~/.keras/models from a machine that has them, or "
            "pass weights=None or a weights file.",
        ) from error
