"""MesoInception-4: MesoNet with two inception blocks in place of the first two convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import layers

from deepfake_generalize.models.architectures.mesonet import (
    MINIMUM_SIDE,
    convolution,
    dense_part,
    normalised_pool,
)
from deepfake_generalize.models.architectures.parts import classifier, image_input

if TYPE_CHECKING:
    from pathlib import Path

    import keras


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
        weights: None for random ones, or a weights file of Keras 1, 2 or 3 (HDF5).

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
    x = inputs = image_input(input_shape, network="MesoInception", minimum=MINIMUM_SIDE)
    for number, filters in enumerate([(1, 4, 4, 2), (2, 4, 4, 2)], start=1):
        x = normalised_pool(_inception(x, filters, f"block{number}"), number, 2)
    for number, pool in [(3, 2), (4, 4)]:
        x = normalised_pool(convolution(x, 16, 5, f"conv{number}"), number, pool)
    return classifier(inputs, dense_part(x), name="mesoinception", classes=classes, weights=weights)


def _inception(
    x: keras.KerasTensor, filters: tuple[int, int, int, int], name: str
) -> keras.KerasTensor:
    """Add one block: a 1x1 branch, and three of 1x1 then 3x3 with dilation 1, 2 and 3."""
    branches = [convolution(x, filters[0], 1, f"{name}_conv_a")]
    for letter, count, dilation in zip("bcd", filters[1:], (1, 2, 3), strict=True):
        reduced = convolution(x, count, 1, f"{name}_conv_{letter}1")
        branches.append(convolution(reduced, count, 3, f"{name}_conv_{letter}2", dilation=dilation))
    return layers.Concatenate(name=f"{name}_join")(branches)
