"""EfficientNet-B0: inverted residual blocks with squeeze and excitation, and one dense layer."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.models.architectures.parts import build_trunk, classifier, image_input

MINIMUM_SIDE = 32


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
        classes: 1 for one sigmoid unit, P(class 1); more for that many softmax columns.
        weights: None for random ones, a weights file of Keras 1, 2 or 3 (HDF5), or
            `"imagenet"` for Keras's own below a random dense layer.

    Returns:
        A flat Keras model from (N, H, W, 3) float32 RGB in [0, 1] to (N, classes) in [0, 1].

    Raises:
        InputError: A shape or number of classes that cannot be built, or a file that does not fit.
        MissingAssetError: The ImageNet weights are neither cached nor to be had.

    Reproduction notes:
        Keras's application takes 0 to 255 and divides by 255 itself. A `Rescaling` layer by 255
        stands before it, so that this network takes [0, 1] as the others do and its first
        convolution sees what it would see in the application. With random weights the
        normalization changes nothing, and that is [0, 1], as in the study. With ImageNet weights
        the application adds a layer that scales the channels; a weights file is taken to belong to
        the network without it, so keep a network that began from ImageNet with `Detector.save`.

    Examples:
        >>> efficientnet_b0((32, 32, 3)).output_shape
        (None, 1)
    """
    imagenet = str(weights) == "imagenet"
    trunk = build_trunk(
        keras.applications.EfficientNetB0,
        image_input(input_shape, network="EfficientNet-B0", minimum=MINIMUM_SIDE),
        network="EfficientNet-B0",
        scaling=layers.Rescaling(255.0, name="to_0_255"),
        imagenet=imagenet,
    )
    x = layers.GlobalAveragePooling2D(name="average_pool")(trunk.output)
    x = layers.Dropout(0.2, name="dropout")(x)
    file = None if imagenet else weights
    return classifier(trunk.inputs[0], x, name="efficientnet_b0", classes=classes, weights=file)
