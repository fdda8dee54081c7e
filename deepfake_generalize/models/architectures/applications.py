"""The two networks built on Keras's: Xception and EfficientNet-B0."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from keras import layers

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.errors import MissingAssetError
from deepfake_generalize.models.architectures.parts import classifier, image_input
from deepfake_generalize.models.surgery import finalize

# What Keras calls a layer without a name: its kind, and how many of them this process has built.
_AUTOMATIC = re.compile(r"(conv2d|batch_normalization|add|rescaling|normalization)(_\d+)?")


@standard_settings()
def xception(
    input_shape: tuple[int, int, int] = (256, 256, 3),
    *,
    classes: int = 1,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build Xception: Keras's application, global average pooling and one dense layer.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", figure 5.
    20,865,578 parameters with two classes, at any size.

    Args:
        input_shape: (H, W, 3) in pixels, each side at least 71.
        classes: 1 for one sigmoid unit, P(class 1); more for that many softmax columns.
        weights: None for random ones, a weights file of Keras 1, 2 or 3 (HDF5), or
            `"imagenet"` for Keras's own below a random dense layer.

    Returns:
        A flat Keras model from (N, H, W, 3) float32 RGB in [0, 1] to (N, classes) in [0, 1].

    Raises:
        InputError: A shape or number of classes that cannot be built, or a file that does not fit.
        MissingAssetError: The ImageNet weights are neither cached nor to be had.

    Reproduction notes:
        As in the study, random weights see [0, 1]. The ImageNet weights expect [-1, 1]: with them a
        `Rescaling` layer follows the input. A weights file is taken to belong to the network
        without it, so keep a network that began from ImageNet with `Detector.save`.

    Examples:
        >>> xception((71, 71, 3)).output_shape
        (None, 1)
    """
    inputs = image_input(input_shape, network="Xception", minimum=71)
    imagenet = str(weights) == "imagenet"
    scaling = layers.Rescaling(2.0, offset=-1.0, name="to_minus_1_1") if imagenet else None
    trunk = _trunk(keras.applications.Xception, inputs, scaling, imagenet=imagenet)
    x = layers.GlobalAveragePooling2D(name="average_pool")(trunk.output)
    file = None if imagenet else weights
    return classifier(trunk.inputs[0], x, name="xception", classes=classes, weights=file)


@standard_settings()
def efficientnet_b0(
    input_shape: tuple[int, int, int] = (256, 256, 3),
    *,
    classes: int = 1,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build EfficientNet-B0: Keras's application, average pooling, dropout and one dense layer.

    Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    table 1. 4,052,133 parameters with two classes, at any size, among them the 7 statistics of
    the application's normalization layer, which are not trained.

    Args:
        input_shape: (H, W, 3) in pixels, each side at least 32.
        classes: As for `xception`.
        weights: As for `xception`.

    Returns:
        A flat Keras model from (N, H, W, 3) float32 RGB in [0, 1] to (N, classes) in [0, 1].

    Raises:
        InputError, MissingAssetError: As `xception`.

    Reproduction notes:
        Keras's application takes 0 to 255 and divides by 255 itself: a `Rescaling` layer by 255
        stands before it. With ImageNet weights the application adds a layer that scales the
        channels; a weights file is taken to belong to the network without it.

    Examples:
        >>> efficientnet_b0((32, 32, 3)).output_shape
        (None, 1)
    """
    inputs = image_input(input_shape, network="EfficientNet-B0", minimum=32)
    imagenet = str(weights) == "imagenet"
    scaling = layers.Rescaling(255.0, name="to_0_255")
    trunk = _trunk(keras.applications.EfficientNetB0, inputs, scaling, imagenet=imagenet)
    x = layers.GlobalAveragePooling2D(name="average_pool")(trunk.output)
    x = layers.Dropout(0.2, name="dropout")(x)
    file = None if imagenet else weights
    return classifier(trunk.inputs[0], x, name="efficientnet_b0", classes=classes, weights=file)


def _trunk(
    application: Callable[..., keras.Model],
    inputs: keras.KerasTensor,
    scaling: keras.layers.Layer | None,
    *,
    imagenet: bool,
) -> keras.Model:
    """Build one of `keras.applications` without its classifier, over symbolic images."""
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
            f"expected the ImageNet weights of {application.__name__}, Keras could not get them: "
            f"{error}.",
            hint="Go online once, copy them to ~/.keras/models from a machine that has them, or "
            "pass weights=None or a weights file.",
        ) from error
    counts: Counter[str] = Counter()

    def renamed(layer: keras.layers.Layer) -> keras.layers.Layer:
        name = str(layer.name)
        if match := _AUTOMATIC.fullmatch(name):
            counts[match[1]] += 1
            name = f"{match[1]}_{counts[match[1]]}"
        elif isinstance(layer, keras.layers.Conv2D) and "conv" not in name:
            name += "_conv"
        return layer.__class__.from_config({**layer.get_config(), "name": name})

    trunk = keras.models.clone_model(original, clone_function=renamed)
    if imagenet:
        trunk.set_weights(original.get_weights())
        finalize(trunk)
    return trunk
