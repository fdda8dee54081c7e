"""Fit a network by a plan: what runs under `train`, and under every augmentation."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize._system.keras_settings import standard_settings
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import weights_sha256
from deepfake_generalize.models.surgery import (
    NOISE,
    copy_network,
    every_layer,
    finalize,
    flat_layers,
    in_inference,
    is_graph,
    remake,
    twin,
)
from deepfake_generalize.models.training.augmentation import augmented
from deepfake_generalize.models.training.data import (
    LabelledImages,
    TrainingData,
    open_data,
    refusals,
)
from deepfake_generalize.models.training.loop import (
    EpochLoop,
    Fit,
    TrainOptions,
    own_random_numbers,
    resume,
)
from deepfake_generalize.models.training.pairing import pairs_of
from deepfake_generalize.models.training.progress import make_reporter
from deepfake_generalize.models.training.recipes import Recipe

_LOSSES = {"mse": keras.losses.MeanSquaredError, "bce": keras.losses.BinaryCrossentropy}


def fit(
    model: keras.Model,
    train: LabelledImages | TrainingData,
    val: LabelledImages | TrainingData,
    options: TrainOptions,
) -> Fit:
    """Fit the trainable layers of a network; in the end it has the best epoch's weights.

    The model leads from what `train` holds to one sigmoid unit (N, 1) or two softmax columns
    (N, 2). Where precision or strategy ask for layers of another making, a copy is trained and its
    weights are taken over. A recipe that restarts takes a network that can be made anew: see
    `train`.
    """
    shape = tuple(model.input_shape[1:])
    train = open_data(train, name="train", shape=shape)
    val = open_data(val, name="val", shape=shape)
    strategy = options.strategy
    if options.precision == "float32" and strategy is None:
        return _fit_in_place(model, train, val, options)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        with own_random_numbers(options.seed):
            worker = in_bfloat16(model) if options.precision != "float32" else copy_network(model)
        fitted = _fit_in_place(worker, train, val, options)
    model.set_weights(worker.get_weights())
    finalize(model)
    return fitted


def in_bfloat16(model: keras.Model) -> keras.Model:
    """Copy a network so that all layers but the last compute in bfloat16, on float32 weights."""
    last = flat_layers(model)[-1]

    def cast(layer: Any) -> Any:
        if isinstance(layer, keras.layers.InputLayer):
            return remake(layer)
        return remake(layer, dtype="float32" if layer is last else "mixed_bfloat16")

    return twin(model, cast)


def _fit_in_place(
    model: keras.Model, train: TrainingData, val: TrainingData, options: TrainOptions
) -> Fit:
    columns = _columns(model)
    refuse_odd_batches(train, val, options)
    pairs = pairs_of(train.crops) if options.recipe.pairing else None
    if pairs is not None:
        train = replace(train, facts={**train.facts, "pairs": len(pairs)})
    compiled = compile_shared(model, options)
    settings = _settings(model, train, val, options)
    state = resume(compiled, options.checkpoint, settings)
    recipe, reporter = options.recipe, make_reporter(options.progress)
    loop = EpochLoop(options, state, settings, reporter, pairs)
    raised: list[Exception] = []
    if recipe.augmentation is not None:
        train = augmented(train, recipe.augmentation, options.seed, lambda: loop.epoch, raised)
    given = {"columns": columns, "fake_index": options.fake_index}
    train, val = prepared(train, **given), prepared(val, **given)
    order = None if train.count is None else partial(loop.sample_order, train.count)
    batches = train.batches(recipe.batch_size, order, recipe.drop_last)
    callbacks: list[keras.callbacks.Callback] = [loop]
    reporter.begin(title=str(model.name), epochs=recipe.epochs, done=state.epochs)
    if reporter.hears_batches:
        steps = max(int(batches.cardinality()), 1)

        def tell(batch: int, logs: object) -> None:  # noqa: ARG001 - Keras calls it by these names
            reporter.batch(min((batch + 1) / steps, 1.0))

        callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=tell))
    try:
        if not state.ended:
            with _adjusted(model, recipe), in_inference(_frozen(model, options)), refusals(raised):
                # Several devices, and compiling for GPUs, stay with Keras.
                alone = options.strategy is None and not compiled.jit_compile
                if options.steps_per_call > 1 and train.row and val.row and alone:
                    _fit_short_steps(compiled, train, val, loop, recipe)
                else:
                    compiled.fit(
                        batches,
                        validation_data=val.batches(recipe.batch_size, None, False),
                        epochs=recipe.epochs,
                        initial_epoch=state.epochs,
                        callbacks=callbacks,
                        shuffle=False,
                        verbose=0,
                    )
    finally:
        state.notes = _alone(train.facts) + _notes(state, val.facts)
        reporter.end(" ".join((_summary(state, recipe), *state.notes)))
    model.set_weights(state.best_weights)
    finalize(model)
    state.data = {"train": train.facts, "val": val.facts}
    return state


def _fit_short_steps(
    compiled: keras.Model, train: TrainingData, val: TrainingData, loop: EpochLoop, recipe: Recipe
) -> None:
    """Do what a compiled model's `fit` does with data that can be read by row, to the last bit.

    Keras's own steps run in its order, a pass through the data in one call of TensorFlow, without
    the iterators that Keras makes four of in every epoch. Nobody is told of batches.
    """
    size = recipe.batch_size
    batches: list[Any] = [train.row, val.row]
    # Keras makes metrics at the first step, and inside a loop of TensorFlow it cannot.
    x, y = batches[0](tf.range(1, dtype=tf.int64))
    outputs = compiled(x, training=False)
    compiled.compute_loss(x=x, y=y, y_pred=outputs)
    compiled.compute_metrics(x, y, outputs)
    learn = _pass(compiled.train_step, batches[0], size)
    validate = _pass(compiled.test_step, batches[1], size)
    counts = [data.count or 0 for data in (train, val)]
    used = counts[0] - counts[0] % size if recipe.drop_last else counts[0]
    loop.set_model(compiled)
    compiled.stop_training = False
    for epoch in range(loop.state.epochs, recipe.epochs):
        loop.on_epoch_begin(epoch)
        values: dict[str, float] = {}
        for run, order, prefix in (
            (learn, loop.sample_order(counts[0])[:used], ""),
            (validate, np.arange(counts[1]), "val_"),
        ):
            compiled.reset_metrics()
            run(tf.constant(order, tf.int64))
            results = compiled.get_metrics_result()
            values |= {f"{prefix}{name}": float(results[name]) for name in sorted(results)}
        loop.on_epoch_end(epoch, values)
        if compiled.stop_training:
            break


def _pass(step: Callable[[Any], Any], batch: Callable[[tf.Tensor], Any], size: int) -> Any:
    """Return a compiled function from an order (N,) of rows: a step for each `size` of them."""

    def run(order: tf.Tensor) -> None:
        def body(start: tf.Tensor) -> tuple[tf.Tensor]:
            step(batch(order[start : start + size]))
            return (start + size,)

        tf.while_loop(lambda start: start < tf.size(order), body, (0,), parallel_iterations=1)

    signature = [tf.TensorSpec((None,), tf.int64)]
    return tf.function(run, input_signature=signature, autograph=False).get_concrete_function()


def refuse_odd_batches(train: TrainingData, val: TrainingData, options: TrainOptions) -> None:
    """Raise where an epoch would have no batch, or a batch fewer examples than devices."""
    size, drop_last = options.recipe.batch_size, options.recipe.drop_last
    if drop_last and train.count is not None and train.count < size:
        raise InputError(
            f"expected at least {size} images in train, one batch, received {train.count}: the "
            "recipe leaves out the last batch where it is smaller.",
            hint="Use a smaller batch_size, or drop_last=False.",
        )
    devices = 1 if options.strategy is None else options.strategy.num_replicas_in_sync
    for name, data in (("train", train), ("val", val)):
        left = 0 if data.count is None else data.count % size
        if 0 < left < devices and not (name == "train" and drop_last):
            raise InputError(
                f"expected batches of at least one image a device, {devices}, the last batch of "
                f"{size} of the {data.count} images in {name} has {left}.",
                hint="Use another batch_size, or leave out so many images.",
            )


def prepared(data: TrainingData, *, columns: int, fake_index: int) -> TrainingData:
    """Return data as a network learns from them: 1 column for a sigmoid unit, 2 for softmax."""

    def ready(x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ones = labels if fake_index == 1 else 1.0 - labels
        return x, tf.stack([1.0 - ones, ones], axis=1) if columns == 2 else ones[:, tf.newaxis]

    row = data.row
    return replace(
        data,
        batches=lambda *how: data.batches(*how).map(ready),
        row=None if row is None else lambda rows: ready(*row(rows)),
    )


@contextlib.contextmanager
def _adjusted(model: keras.Model, recipe: Recipe) -> Iterator[None]:
    """Give the layers what the recipe changes while training, and afterwards their own again."""
    changed = [
        (layer, name, getattr(layer, name), value)
        for layer in every_layer(model)
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


def _frozen(model: keras.Model, options: TrainOptions) -> list[Any]:
    """Return the layers that must compute as in scoring, because they do not learn.

    What Keras freezes keeps its variables from the optimizer alone: layers that assign to them in
    training go on. Without weights there is nothing to hold, but for what is random in a trunk.
    """
    frozen = (x for x in every_layer(model) if not x.trainable and not is_graph(x))
    return [x for x in frozen if x.weights or (options.still and not isinstance(x, NOISE))]


def compile_shared(model: keras.Model, options: TrainOptions) -> keras.Model:
    """Return a compiled model of the same layers, so that the optimizer is not saved with them."""
    compiled, recipe = model, options.recipe
    # Loss and accuracy are float32 numbers, whatever the layers compute in.
    with standard_settings():
        if model.inputs:
            compiled = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        steps = recipe.learning_rate, recipe.beta_1, recipe.beta_2, recipe.epsilon
        optimizer = keras.optimizers.Adam(*steps, weight_decay=recipe.weight_decay)
        if any(layer.compute_dtype == "float16" for layer in every_layer(model)):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        accuracy = "CategoricalAccuracy" if _columns(model) == 2 else "BinaryAccuracy"
        compiled.compile(
            optimizer=optimizer,
            loss=_LOSSES[recipe.loss](),
            metrics=[getattr(keras.metrics, accuracy)(name="accuracy")],
            steps_per_execution=options.steps_per_call,
            auto_scale_loss=False,
        )
    compiled.optimizer.build(compiled.trainable_variables)
    return compiled


def _settings(
    model: keras.Model, train: TrainingData, val: TrainingData, options: TrainOptions
) -> dict[str, Any]:
    """Return what a checkpoint must have in common with a run, plain JSON values."""
    layers = [
        [type(layer).__name__, layer.dtype_policy.name, bool(layer.trainable), layer.count_params()]
        for layer in model.layers
    ]
    return {
        **{f"recipe.{key}": value for key, value in options.recipe.values().items()},
        "seed": options.seed,
        "fake_index": options.fake_index,
        "early_stopping": options.early_stopping,
        "replicas": tf.distribute.get_strategy().num_replicas_in_sync,
        "network": hashlib.sha256(json.dumps(layers).encode()).hexdigest(),
        "first weights": weights_sha256(model),
        "train": train.facts["sha256"],
        "val": val.facts["sha256"],
    }


def _columns(model: keras.Model) -> int:
    """Return the number of output columns of a network that can be trained."""
    gives = model.output_shape
    if not isinstance(gives, tuple) or len(gives) != 2 or gives[1] not in (1, 2):
        raise InputError(
            "expected a network whose output is one sigmoid unit (None, 1) or two softmax columns "
            f"(None, 2), received {gives}.",
            hint="Build it with classes=1.",
        )
    return int(gives[1])


def _alone(train: Mapping[str, Any]) -> tuple[str, ...]:
    """Say how many images are in no pair, where they are paired."""
    count = train["images"] - 2 * train["pairs"] if "pairs" in train else 0
    return (f"{count} of {train['images']} images are in no pair.",) if count else ()


def _notes(state: Fit, val: Mapping[str, Any]) -> tuple[str, ...]:
    """Say where a whole training was never better on the validation data than guessing is."""
    if not state.ended:
        return ()
    images, fakes = val["images"], val["fakes"]
    share = max(fakes, images - fakes) / images if images else 0.5
    luck = 2 * (share * (1 - share) / images) ** 0.5 if images else 0.0
    best = max(state.history["val_accuracy"])
    if best > share + luck:
        return ()
    found = f"{best:.4f} at best, and one class for all images gives {share:.4f}, guessing up to "
    return (f"The validation accuracy never left chance: {found}{min(share + luck, 1):.4f}.",)


def _summary(state: Fit, recipe: Recipe) -> str:
    if not state.ended:
        return f"not finished: {state.epochs} of {recipe.epochs} epochs"
    best = state.history[recipe.selection][state.best_epoch - 1]
    return f"{state.ended} after epoch {state.epochs}: best {state.best_epoch}, {best:.4f}"
