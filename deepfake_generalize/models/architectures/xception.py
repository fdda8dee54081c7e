"""Xception: depthwise separable convolutions in fourteen blocks, and one dense layer."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.models.architectures.parts import build_trunk, classifier, image_input

MINIMUM_SIDE = 71


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
        The study starts from random weights and feeds [0, 1] to the first convolution; so does this
        one. The ImageNet weights expect [-1, 1]: with them, and only with them, a `Rescaling` layer
        without parameters follows the input. A weights file does not say whether that layer was
        there and is taken to belong to the network without it, so keep a network that began from
        ImageNet with `Detector.save`, which keeps its layers.

    Examples:
        >>> xception((71, 71, 3)).output_shape
        (None, 1)
    """
    imagenet = str(weights) == "imagenet"
    trunk = build_trunk(
        keras.applications.Xception,
        image_input(input_shape, network="Xception", minimum=MINIMUM_SIDE),
        network="Xception",
        scaling=layers.Rescaling(2.0, offset=-1.0, name="to_minus_1_1") if imagenet else None,
        imagenet=imagenet,
    )
    x = layers.GlobalAveragePooling2D(name="average_pool")(trunk.output)
    file = None if imagenet else weights
    return classifier(trunk.inputs[0], x, name="xception", classes=classes, weights=file)
