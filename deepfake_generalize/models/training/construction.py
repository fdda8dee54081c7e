"""Networks to be trained: from a name, a builder or a model, with random numbers of their own."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras
import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.architectures import ARCHITECTURES
from deepfake_generalize.models.surgery import copy_network, flat_layers, remake, twin
from deepfake_generalize.validation import check_choice, describe

Architecture: TypeAlias = "str | Callable[..., keras.Model] | keras.Model"

PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def architecture_name(architecture: Architecture) -> str:
    """Return the name by which records call an architecture, or refuse what is none."""
    if isinstance(architecture, keras.Model):
        return str(architecture.name)
    if callable(architecture):
        return next(
            (name for name, builder in ARCHITECTURES.items() if builder is architecture),
            getattr(architecture, "__name__", type(architecture).__name__),
        )
    hint = "Or pass a builder or a Keras model."
    return check_choice("architecture", architecture, ARCHITECTURES, hint=hint)


def build(
    architecture: Architecture, input_shape: tuple[int, ...], *, classes: int, seed: int
) -> keras.Model:
    """Build a network that nobody else holds, whose random weights are a function of the seed.

    A model is copied with its weights; a builder is called with (H, W, 3), and asked for the number
    of `classes` where it is not one.
    """
    with own_random_numbers(seed):
        if isinstance(architecture, keras.Model):
            return copy(architecture)
        builder = ARCHITECTURES[architecture] if isinstance(architecture, str) else architecture
        options: dict[str, Any] = {} if classes == 1 else {"classes": classes}
        model = builder(input_shape, **options)
    if not isinstance(model, keras.Model):
        raise InputError(
            f"expected a Keras model from the builder, received {describe(model)}.",
            hint="A builder takes input_shape (H, W, 3) and returns a keras.Model.",
        )
    return model


def copy(model: keras.Model, *, precision: str = "float32") -> keras.Model:
    """Return a copy of a built network with its weights.

    `float32` keeps each layer as it is; `bfloat16` lets all but the last compute in bfloat16, the
    weights staying float32.
    """
    if precision == "float32":
        return copy_network(model)
    last = flat_layers(model)[-1]

    def cast(layer: Any) -> Any:
        kept = isinstance(layer, keras.layers.InputLayer)
        policy = "float32" if layer is last else PRECISIONS[precision]
        return remake(layer) if kept else remake(layer, dtype=policy)

    return twin(model, cast)


@contextlib.contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Let Keras draw its seeds from `seed`, and leave Python's and NumPy's generators as they were.

    Keras seeds initializers and dropout from Python's global generator where they have no seed.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - kept, not used
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for builders that draw from it
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
