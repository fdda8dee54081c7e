"""Which recipe a detector is fine-tuned by, and the record of what it came from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import Detector
from deepfake_generalize.models.surgery import finalize, is_graph
from deepfake_generalize.models.training import (
    RECIPES,
    Recipe,
    copy,
    own_random_numbers,
    training_record,
)
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    import keras

    from deepfake_generalize.models.training import Fit

# A network of this name that ends otherwise is somebody's own, whatever it is called.
_LAST_LAYERS = {
    "mesonet": ("Dense", "LeakyReLU", "Dropout", "Dense"),
    "mesoinception": ("Dense", "LeakyReLU", "Dropout", "Dense"),
    "shallownet": ("Dense", "BatchNormalization", "Dropout", "Dense"),
    "xception": (
        "SeparableConv2D",
        "BatchNormalization",
        "Activation",
        "GlobalAveragePooling2D",
        "Dense",
    ),
    "efficientnet_b0": (
        "Conv2D",
        "BatchNormalization",
        "Activation",
        "GlobalAveragePooling2D",
        "Dropout",
        "Dense",
    ),
}


def check_detector(detector: object) -> Detector:
    """Return what can be fine-tuned, raise otherwise.

    Args:
        detector: Expected: a `models.Detector`.

    Raises:
        InputError: Something else.
    """
    if not isinstance(detector, Detector):
        raise InputError(
            f"expected a models.Detector, received {describe(detector)}.",
            hint="Wrap a Keras model: Detector(model, fake_index=...). Functions and PyTorch "
            "models can be scored, not fine-tuned.",
        )
    if not is_graph(detector.model):
        raise InputError(
            f"expected a functional or Sequential Keras model in {detector.name}, received "
            f"{describe(detector.model)}.",
            hint="A subclassed model cannot be copied: rebuild it with the functional API.",
        )
    return detector


def architecture_of(detector: Detector) -> str | None:
    """Return which of the study's architectures a detector's network is, or None.

    Args:
        detector: Its training record is asked first, then the name of its network; either is
            believed only if the network ends in the layers of that architecture.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> architecture_of(Detector(mesonet((32, 32, 3)), name="mine"))
        'mesonet'
    """
    recorded = (detector.training or {}).get("recipe") or {}
    for name in (recorded.get("architecture"), detector.model.name):
        ends_in = _LAST_LAYERS.get(str(name), ())
        last = detector.model.layers[-len(ends_in) :] if ends_in else []
        if ends_in and tuple(type(layer).__name__ for layer in last) == ends_in:
            return str(name)
    return None


def recipe_for(detector: Detector, recipe: object) -> Recipe:
    """Return the recipe given, or the paper's for fine-tuning the detector's architecture.

    Args:
        detector: What is fine-tuned.
        recipe: A recipe, or None.

    Raises:
        InputError: No recipe, and none of the study's architectures.
    """
    if recipe is None:
        architecture = architecture_of(detector)
        if architecture is not None:
            return RECIPES[architecture].fine_tuning
    if not isinstance(recipe, Recipe):
        raise InputError(
            f"expected a Recipe for {detector.name}, received {describe(recipe)}; its network "
            f"{detector.model.name!r} is none of the study's five, for which there are defaults.",
            hint="Pass one, such as RECIPES['mesonet'].fine_tuning, or a Recipe of your own.",
        )
    return recipe


def weights_sha256(model: keras.Model) -> str:
    """Hash the weights of a network, with their shapes, in its own order.

    Args:
        model: Any built Keras model.

    Returns:
        64 hexadecimal digits; the same for a network that was saved and loaded.
    """
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def child(
    parent: Detector,
    weights: list[Any],
    fitted: Fit | None,
    recipe: Recipe | None,
    *,
    kind: str,
    seed: int,
    name: str | None,
    **more: object,
) -> Detector:
    """Return a new detector with its parent's network, its own weights, and its lineage.

    Args:
        parent: What was fine-tuned; not changed.
        weights: In the order of the parent's network.
        fitted: What came of the training, or None where nothing was trained.
        recipe: What it was trained by, or None.
        kind: `transfer`, `merge` or `focus`.
        seed: What the caller gave.
        name: The new detector's; the parent's and the kind by default.
        **more: Further values for the record, plain JSON ones.
    """
    with own_random_numbers(seed):
        model = copy(parent.model)
    model.set_weights(weights)
    finalize(model)
    more = {
        "kind": kind,
        "architecture": architecture_of(parent) or str(parent.model.name),
        **more,
    }
    lineage = _parent_of(parent)
    record: dict[str, Any] = {"recipe": None, "seed": seed, "parent": lineage, **more}
    if fitted is not None and recipe is not None:
        record = training_record(fitted, recipe, seed=seed, parent=lineage, **more)
    return Detector(
        model,
        fake_index=parent.fake_index,
        name=f"{parent.name}-{kind}" if name is None else name,
        training=record,
    )


def _parent_of(detector: Detector) -> dict[str, Any]:
    known = detector.training or {}
    kept = {key: known.get(key) for key in ("kind", "recipe", "seed", "data", "parent")}
    return {"name": detector.name, "sha256": weights_sha256(detector.model), **kept}
