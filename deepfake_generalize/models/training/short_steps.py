"""Epochs of very short steps, without the iterators that Keras makes four of in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.models.training.data import TrainingData
from deepfake_generalize.models.training.loop import EpochLoop
from deepfake_generalize.models.training.recipes import Recipe


def fit_short_steps(
    compiled: keras.Model,
    train: TrainingData,
    val: TrainingData,
    loop: EpochLoop,
    recipe: Recipe,
    *,
    prepared: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
) -> None:
    """Do what a compiled model's `fit` does with data that can be read by row, to the last bit.

    Keras's own steps run in its order, a pass through the data in one call of TensorFlow. Only
    `loop` is told of epochs, and nobody of batches.
    """
    size = recipe.batch_size
    batches: list[Any] = [
        lambda rows, data=data: prepared(*data.row(rows)) for data in (train, val)
    ]
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
