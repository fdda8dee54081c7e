"""The five networks of the study; `ARCHITECTURES` lists them by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
from keras import layers

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.errors import InputError, MissingAssetError
from deepfake_generalize.models.surgery import finalize
from deepfake_generalize.models.weights import load_weights
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


@standard_settings()
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
        class is fake only the `Detector` knows: the public weights give P(real).

    Raises:
        InputError: A shape or number of classes that cannot be built, or a file that does not fit.

    Reproduction notes:
        The dense part has the LeakyReLU of slope 0.1 of the study's scripts. The order of layers is
        that of the public weights, which load by it.

    Examples:
        >>> mesonet((64, 64, 3)).output_shape
        (None, 1)
    """
    x = inputs = image_input(input_shape, network="MesoNet", minimum=8)
    for number, (filters, kernel, pool) in enumerate(
        [(8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4)], start=1
    ):
        x = _convolution(x, filters, kernel, f"conv{number}")
        x = _normalised_pool(x, number, pool)
    return classifier(inputs, _dense_part(x), name="mesonet", classes=classes, weights=weights)


@standard_settings()
def mesoinception(
    input_shape: tuple[int, int, int] = (256, 256, 3),
    *,
    classes: int = 1,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build MesoInception: two inception blocks, two convolutions, then two dense layers.

    Source: Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network", section
    III-B (MesoInception-4). 28,725 parameters at 256x256.

    Arguments, result and errors are those of `mesonet`.

    Reproduction notes:
        The branches of a block end in ReLU, and their 3x3 convolutions have dilation 1, 2 and 3, as
        in the study's scripts. The order of layers is that of the public weights.

    Examples:
        >>> mesoinception((64, 64, 3)).output_shape
        (None, 1)
    """
    x = inputs = image_input(input_shape, network="MesoInception", minimum=8)
    for number, filters in enumerate([(1, 4, 4, 2), (2, 4, 4, 2)], start=1):
        x = _normalised_pool(_inception(x, filters, f"block{number}"), number, 2)
    for number, pool in [(3, 2), (4, 4)]:
        x = _normalised_pool(_convolution(x, 16, 5, f"conv{number}"), number, pool)
    x = _dense_part(x)
    return classifier(inputs, x, name="mesoinception", classes=classes, weights=weights)


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, name: str, *, dilation: int = 1
) -> keras.KerasTensor:
    """Add a convolution that keeps height and width, with ReLU."""
    options = {"padding": "same", "activation": "relu", "dilation_rate": dilation, "name": name}
    return layers.Conv2D(filters, kernel, **options)(x)


def _normalised_pool(x: keras.KerasTensor, number: int, pool: int) -> keras.KerasTensor:
    """Add the batch norm and the pooling that end a block."""
    x = layers.BatchNormalization(name=f"norm{number}")(x)
    return layers.MaxPooling2D(pool, padding="same", name=f"pool{number}")(x)


def _dense_part(x: keras.KerasTensor) -> keras.KerasTensor:
    """Add the dense layers that MesoNet and MesoInception share, up to the last."""
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="dropout1")(x)
    x = layers.Dense(16, name="dense1")(x)
    x = layers.LeakyReLU(negative_slope=0.1, name="leaky_relu")(x)
    return layers.Dropout(0.5, name="dropout2")(x)


def _inception(
    x: keras.KerasTensor, filters: tuple[int, int, int, int], name: str
) -> keras.KerasTensor:
    """Add one block: a 1x1 branch, and three of 1x1 then 3x3 with dilation 1, 2 and 3."""
    branches = [_convolution(x, filters[0], 1, f"{name}_conv_a")]
    for letter, count, dilation in zip("bcd", filters[1:], (1, 2, 3), strict=True):
        reduced = _convolution(x, count, 1, f"{name}_conv_{letter}1")
        wide = _convolution(reduced, count, 3, f"{name}_conv_{letter}2", dilation=dilation)
        branches.append(wide)
    return layers.Concatenate(name=f"{name}_join")(branches)


PENALTY = 1e-4
DROPOUT = 0.25


@standard_settings()
def shallownet(
    input_shape: tuple[int, int, int] = (256, 256, 3),
    *,
    classes: int = 1,
    weights: str | Path | None = None,
) -> keras.Model:
    """Build ShallowNet: eight convolutions in three groups, then dense layers of 1024 and 1.

    Source: Tariq et al., "Detecting Both Machine and Human Created Fake Face Images In the Wild"
    (ShallowNet V3). 118,080,289 parameters at 256x256, or 470 MB, nearly all between the last
    convolution and the first dense layer.

    Arguments, result and errors are those of `mesonet`, but sides are of at least 20 pixels.

    Reproduction notes:
        Filters, kernels, penalty (L2 of 1e-4 on the kernels) and dropout (.25) are those of the
        study's scripts, with a dropout after every convolution.

    Examples:
        >>> shallownet((20, 20, 3)).output_shape
        (None, 1)
    """
    inputs = image_input(input_shape, network="ShallowNet", minimum=20)
    x = _group(inputs, [(32, 5), (32, 1), (32, 1)], "block1")
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = _group(x, [(64, 3), (64, 1), (64, 1)], "block2")
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = _group(x, [(128, 3), (32, 1)], "block3")
    x = layers.Flatten(name="flatten")(x)
    penalty = keras.regularizers.L2(PENALTY)
    x = layers.Dense(1024, activation="relu", kernel_regularizer=penalty, name="dense1")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)
    return classifier(inputs, x, name="shallownet", classes=classes, weights=weights)


def _group(x: keras.KerasTensor, sizes: list[tuple[int, int]], name: str) -> keras.KerasTensor:
    """Add convolutions of (filters, kernel), each followed by dropout."""
    for number, (filters, kernel) in enumerate(sizes, start=1):
        penalty = keras.regularizers.L2(PENALTY)
        options = {"activation": "relu", "kernel_regularizer": penalty}
        x = layers.Conv2D(filters, kernel, name=f"{name}_conv{number}", **options)(x)
        x = layers.Dropout(DROPOUT, name=f"{name}_dropout{number}")(x)
    return x


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

    Arguments, result and errors are those of `xception`, but sides may be of 32 pixels and more.

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


ARCHITECTURES: Mapping[str, Callable[..., keras.Model]] = MappingProxyType(
    {
        "mesonet": mesonet,
        "mesoinception": mesoinception,
        "shallownet": shallownet,
        "xception": xception,
        "efficientnet_b0": efficientnet_b0,
    }
)
"""Name -> builder, `builder(input_shape, *, classes=1, weights=None)`."""
