"""Fit a network by a plan: what runs under `train`, and under every augmentation."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import finalize, flat_layers
from deepfake_generalize.models.training import construction
from deepfake_generalize.models.training.loop import BatchReports, EpochLoop, Plan, State, resume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deepfake_generalize.models.training.data import TrainingData
    from deepfake_generalize.models.training.recipes import Recipe

_LOSSES = {"mse": "mean_squared_error", "bce": "binary_crossentropy"}


@dataclass(frozen=True)
class Fit:
    """What came of fitting a network.

    Attributes:
        history: Name -> one value an epoch: loss, accuracy, val_loss, val_accuracy.
        best_epoch: The one whose weights the network has now, from 1.
        ended: `complete`, `stopped early`, `perfect` or `plateau`.
        seconds: Spent in epochs.
        data: `train` and `val`: what they were, as plain JSON values.
    """

    history: Mapping[str, list[float]]
    best_epoch: int
    ended: str
    seconds: float
    data: Mapping[str, Mapping[str, Any]]


def fit_copy(
    model: keras.Model,
    train: TrainingData,
    val: TrainingData,
    plan: Plan,
    precision: str,
    strategy: tf.distribute.Strategy | None,
) -> Fit:
    """Fit a network, through a copy where precision or strategy ask for layers of another making.

    Args:
        model: float32; in the end it has the best epoch's weights either way.
        train: What is learnt from.
        val: What the best epoch is chosen on.
        plan: What decides about the run.
        precision: A name of `construction.PRECISIONS`.
        strategy: Where the copy lives, or None.
    """
    if precision == "float32" and strategy is None:
        return fit_in_place(model, train, val, plan)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        with construction.own_random_numbers(plan.seed):
            worker = construction.copy(model, precision=precision)
        fitted = fit_in_place(worker, train, val, plan)
    model.set_weights(worker.get_weights())
    finalize(model)
    return fitted


def fit_in_place(model: keras.Model, train: TrainingData, val: TrainingData, plan: Plan) -> Fit:
    """Fit the trainable layers of a network.

    Args:
        model: In the end it has the best epoch's weights; it is not compiled, unless it is a
            subclassed model.
        train: What is learnt from.
        val: What the best epoch is chosen on.
        plan: What decides about the run.

    Raises:
        InputError: The network and the data do not fit, or training diverged.
        DataMismatchError: The checkpoint is of another run.
    """
    columns = _check_fit(model, train, val)
    compiled = compile_shared(model, plan)
    settings = _settings(model, train, val, plan)
    state = resume(compiled, plan.checkpoint, settings)
    loop = EpochLoop(plan, state, settings)
    data = {"train": train.facts, "val": val.facts}
    reporter, recipe = plan.reporter, plan.recipe
    if reporter is not None:
        reporter.begin(title=str(model.name), epochs=recipe.epochs, done=state.epochs)
    try:
        if not state.ended:
            with _adjusted(model, recipe):
                _go_through_epochs(compiled, train, val, plan, loop, columns)
    finally:
        if reporter is not None:
            reporter.end(_summary(state, recipe))
    model.set_weights(state.best_weights)
    finalize(model)
    return Fit(state.history, state.best_epoch, state.ended, state.seconds, data)


def _go_through_epochs(
    compiled: keras.Model,
    train: TrainingData,
    val: TrainingData,
    plan: Plan,
    loop: EpochLoop,
    columns: int,
) -> None:
    recipe = plan.recipe
    batches = prepared_batches(train, plan, loop, columns=columns)
    callbacks: list[keras.callbacks.Callback] = [loop]
    if plan.reporter is not None and plan.reporter.hears_batches:
        callbacks.append(BatchReports(plan.reporter, int(batches.cardinality())))
    compiled.fit(
        batches,
        validation_data=prepared_batches(val, plan, None, columns=columns),
        epochs=recipe.epochs,
        initial_epoch=loop.state.epochs,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )


def prepared_batches(
    data: TrainingData, plan: Plan, loop: EpochLoop | None, *, columns: int
) -> tf.data.Dataset:
    """Return data as a network with that many output columns learns from them.

    Args:
        data: Examples and labels.
        plan: Its recipe and which class is fake.
        loop: Draws the order of each epoch; None keeps the examples' own, and all of them.
        columns: 1 for a sigmoid unit, 2 for softmax columns.
    """

    def prepared(x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ones = labels if plan.fake_index == 1 else 1.0 - labels
        return x, tf.stack([1.0 - ones, ones], axis=1) if columns == 2 else ones[:, tf.newaxis]

    count, recipe = data.count, plan.recipe
    order = None
    if loop is not None and count is not None:
        order = partial(loop.draw_order, count)
    drop_last = recipe.drop_last and loop is not None
    return data.batches(recipe.batch_size, order, drop_last).map(prepared)


@contextlib.contextmanager
def _adjusted(model: keras.Model, recipe: Recipe) -> Iterator[None]:
    """Give the layers what the recipe changes while training, and afterwards their own again."""
    changed = [
        (layer, name, getattr(layer, name), value)
        for layer in flat_layers(model)
        for kind, name, value in (
            (keras.layers.BatchNormalization, "momentum", recipe.norm_momentum),
            (keras.layers.Dropout, "rate", recipe.dropout),
        )
        if isinstance(layer, kind) and value is not None
    ]
    try:
        for layer, name, _, value in changed:
            setattr(layer, name, value)
        yield
    finally:
        for layer, name, own, _ in changed:
            setattr(layer, name, own)


def compile_shared(model: keras.Model, plan: Plan) -> keras.Model:
    """Return a compiled model of the same layers, so that the optimizer is not saved with them."""
    compiled, recipe = model, plan.recipe
    if model.inputs:
        compiled = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    compiled.compile(
        optimizer=keras.optimizers.Adam(
            learning_rate=recipe.learning_rate,
            beta_1=recipe.beta_1,
            beta_2=recipe.beta_2,
            epsilon=recipe.epsilon,
        ),
        loss=_LOSSES[recipe.loss],
        metrics=["accuracy"],
        steps_per_execution=plan.steps_per_call,
    )
    compiled.optimizer.build(compiled.trainable_variables)
    return compiled


def _settings(
    model: keras.Model, train: TrainingData, val: TrainingData, plan: Plan
) -> dict[str, Any]:
    """Return what a checkpoint must have in common with a run, plain JSON values."""
    layers = [
        [type(one).__name__, one.dtype_policy.name, bool(one.trainable), one.count_params()]
        for one in model.layers
    ]
    weights = hashlib.sha256()
    for array in model.get_weights():
        weights.update(np.ascontiguousarray(array).data)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return {
        **{f"recipe.{key}": value for key, value in plan.recipe.values().items()},
        "seed": plan.seed,
        "fake_index": plan.fake_index,
        "early_stopping": plan.early_stopping,
        "replicas": replicas,
        "network": hashlib.sha256(json.dumps(layers).encode()).hexdigest(),
        "first weights": weights.hexdigest(),
        "train": train.facts["sha256"],
        "val": val.facts["sha256"],
    }


def _check_fit(model: keras.Model, train: TrainingData, val: TrainingData) -> int:
    """Return the number of output columns of a network that the data fit."""
    gives = model.output_shape
    if not isinstance(gives, tuple) or len(gives) != 2 or gives[1] not in (1, 2):
        raise InputError(
            "expected a network whose output is one sigmoid unit (None, 1) or two softmax columns "
            f"(None, 2), received {gives}.",
            hint="Build it with classes=1.",
        )
    takes = tuple(model.input_shape[1:])
    for name, data in (("train", train), ("val", val)):
        if tuple(data.shape) != takes:
            raise InputError(
                f"expected examples of shape {takes} in {name} for {model.name}, received "
                f"{tuple(data.shape)}.",
                hint="Crops are resized; resize arrays, or build the network for their size.",
            )
    return int(gives[1])


def _summary(state: State, recipe: Recipe) -> str:
    if not state.ended:
        return f"not finished: {state.epochs} of {recipe.epochs} epochs"
    best = state.history[recipe.selection][state.best_epoch - 1]
    return f"{state.ended} after epoch {state.epochs}: best {state.best_epoch}, {best:.4f}"
