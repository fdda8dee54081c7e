"""What every kind of fine-tuning shares: its checks, the copy that learns, the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from deepfake_generalize.augment.unfreezing import trainable_copy
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import Detector, weights_sha256
from deepfake_generalize.models.surgery import finalize, is_graph
from deepfake_generalize.models.training import (
    LAST_LAYERS,
    RECIPES,
    Recipe,
    TrainOptions,
    copy,
    open_data,
    own_random_numbers,
    refuse_overlap,
    training_record,
)
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras

    from deepfake_generalize.models.training import Fit, LabelledImages, TrainingData


class Learn(Protocol):
    """How a copy of a detector's network learns, in place: `models.training.fit` is one way."""

    def __call__(
        self, model: keras.Model, train: TrainingData, val: TrainingData, options: TrainOptions
    ) -> Fit:
        """Train what is trainable in the model, and say what came of it."""
        ...


def fine_tune(
    detector: Detector,
    train: LabelledImages,
    val: LabelledImages,
    options: TrainOptions,
    learn: Learn,
    *,
    kind: str,
    name: str | None,
    first: int = 0,
    noise: bool = True,
    **facts: object,
) -> Detector:
    """Let a copy of a detector learn, and return it as a new one that knows what it came from.

    Another kind of fine-tuning is a function that calls this one with its own way to learn.

    Args:
        detector: What was trained before; not changed.
        train: What is learnt from.
        val: What the best epoch is chosen on.
        options: From `options_for`.
        learn: Is given the copy, the opened data and the options.
        kind: What the record and the name call it.
        name: The new detector's; the old one's and the kind by default.
        first: Index among the copy's flat layers of the first that can be trained.
        noise: Keep the dropout of the frozen layers.
        **facts: Further values for the record, plain JSON ones.
    """
    refuse_overlap(train, val)
    opened = open_for(detector, train, "train"), open_for(detector, val, "val")
    worker = trainable_copy(detector.model, first=first, noise=noise, seed=options.seed)
    record = training_record(learn(worker, *opened, options), options) | facts
    return child(detector, worker.get_weights(), record, kind=kind, name=name)


def options_for(detector: Detector, recipe: Recipe | None, **options: Any) -> TrainOptions:
    """Return the options by which a detector is fine-tuned; `recipe` None means the paper's.

    Raises:
        InputError: What cannot be fine-tuned, an option that is wrong, or no recipe for a network
            that is none of the study's architectures.
    """
    check_detector(detector)
    if recipe is None:
        architecture = architecture_of(detector)
        recipe = None if architecture is None else RECIPES[architecture].fine_tuning
    if not isinstance(recipe, Recipe):
        raise InputError(
            f"expected a Recipe for {detector.name}, received {describe(recipe)}; its network "
            f"{detector.model.name!r} is none of the study's five, for which there are defaults.",
            hint="Pass one, such as RECIPES['mesonet'].fine_tuning, or a Recipe of your own.",
        )
    return TrainOptions(recipe, fake_index=detector.fake_index, **options)


def check_detector(detector: object) -> None:
    """Raise unless this can be fine-tuned: a `models.Detector` of a network that can be copied."""
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


def architecture_of(detector: Detector) -> str | None:
    """Return which of the study's architectures a detector's network is, or None.

    Its training record is asked first, then the name of its network; either is believed only if
    the network ends in the layers of that architecture.
    """
    recorded = (detector.training or {}).get("recipe") or {}
    for name in (recorded.get("architecture"), detector.model.name):
        ends_in = LAST_LAYERS.get(str(name), ())
        last = detector.model.layers[-len(ends_in) :] if ends_in else []
        if ends_in and tuple(type(layer).__name__ for layer in last) == ends_in:
            return str(name)
    return None


def open_for(detector: Detector, data: LabelledImages, name: str) -> TrainingData:
    """Open training data at a detector's input size; crops are resized to it.

    Raises:
        InputError: As `models.train`, or images of another size.
    """
    opened = open_data(data, name=name, size=detector.size)
    if tuple(opened.shape) != (*detector.size, 3):
        raise InputError(
            f"expected images of shape {(*detector.size, 3)} in {name} for {detector.name}, "
            f"received {tuple(opened.shape)}.",
            hint="Crops are resized; resize arrays and datasets first.",
        )
    return opened


def child(
    parent: Detector,
    weights: list[Any],
    record: Mapping[str, Any],
    *,
    kind: str,
    name: str | None,
) -> Detector:
    """Return a new detector with its parent's network, its own weights, and its lineage.

    The weights are in the order of the parent's network; `record` is how they came about.
    """
    with own_random_numbers(record["seed"]):
        model = copy(parent.model)
    model.set_weights(weights)
    finalize(model)
    known = parent.training or {}
    lineage = {"name": parent.name, "sha256": weights_sha256(parent.model)} | {
        key: known.get(key) for key in ("kind", "recipe", "seed", "data", "parent")
    }
    architecture = architecture_of(parent) or str(parent.model.name)
    return Detector(
        model,
        fake_index=parent.fake_index,
        name=f"{parent.name}-{kind}" if name is None else name,
        training={**record, "kind": kind, "architecture": architecture, "parent": lineage},
    )
