"""Fit a network by a plan: what runs under `train`, and under every kind of fine-tuning.

Everything random in an epoch is a function of the seed and of the epoch's number, so that a run
that goes on after a kill needs no generator's state to come out as if it had not been killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize._system.keras_settings import require_tensorflow, standard_settings
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import on_gpu, weights_sha256
from deepfake_generalize.models.overrides import in_inference, quick_training
from deepfake_generalize.models.surgery import (
    NOISE,
    copy_network,
    every_layer,
    finalize,
    flat_layers,
    is_graph,
    remake,
    twin,
)
from deepfake_generalize.models.training import checkpoints
from deepfake_generalize.models.training.augmentation import Augmentation, augmented
from deepfake_generalize.models.training.data import (
    LabelledImages,
    TrainingData,
    open_data,
    paired_order,
    pairs_of,
    refusals,
)
from deepfake_generalize.models.training.progress import SILENT, Progress, Reporter, make_reporter
from deepfake_generalize.models.training.recipes import Recipe
from deepfake_generalize.types import AnyArray, IntArray
from deepfake_generalize.validation import check_choice, check_type, check_whole

Logs: TypeAlias = Mapping[str, Any] | None
_STORED = ("epochs", "history", "best_epoch", "seconds", "ended")


@dataclass
class Fit:
    """How far a network is fitted, and in the end what came of it.

    `epochs` are finished; the history has a value for each by name: loss, accuracy, val_loss and
    val_accuracy. `best_epoch` counts from 1, `seconds` were spent in epochs. `ended` is empty, or
    says why no further epoch follows: complete, stopped early, perfect or plateau. At the end
    `data` are the facts of what was learnt from, and `notes` sentences for people.
    """

    epochs: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    best_weights: list[AnyArray] = field(default_factory=list)
    seconds: float = 0.0
    ended: str = ""
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class RecipeSettings(TypedDict, total=False):
    """Values instead of a recipe's, as `models.train` takes them."""

    epochs: int | None
    learning_rate: float | None
    batch_size: int | None
    dropout: float | None
    weight_decay: float | None
    augmentation: str | Augmentation | None
    pairing: bool | None


class TrainSettings(RecipeSettings, total=False):
    """What every kind of training takes by name beside recipe and seed, as `models.train` does."""

    checkpoint: str | Path | None
    precision: str
    strategy: tf.distribute.Strategy | None
    early_stopping: int | None
    progress: Progress


@dataclass(frozen=True)
class TrainOptions:
    """How to train, checked once: seven options that `models.train` explains, and four of ours.

    Labels are turned where the network's `fake_index` is 0. With `may_restart` training ends where
    the recipe says that another beginning is due. More of `steps_per_call`, which TensorFlow takes
    before it returns to Python, are faster where a step is short. With `still` layers that are
    frozen do nothing random, even where they have no weights; dropout is left to the caller.
    """

    recipe: Recipe
    seed: int = 0
    checkpoint: str | Path | None = None
    precision: str = "float32"
    strategy: tf.distribute.Strategy | None = None
    early_stopping: int | None = None
    progress: Progress = "auto"
    fake_index: int = 1
    may_restart: bool = False
    steps_per_call: int = 1
    still: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        require_tensorflow()
        object.__setattr__(self, "seed", check_whole("seed", self.seed, least=0))
        if self.early_stopping is not None:
            check_whole("early_stopping", self.early_stopping, least=1, hint="None: all epochs.")
        check_choice("precision", self.precision, ("float32", "bfloat16"))
        if self.progress is not None:
            check_choice(
                "progress", self.progress, ("auto", "bar", "lines"), hint="None is silent."
            )
        if self.strategy is not None:
            hint = "Pass tf.distribute.MirroredStrategy()."
            check_type("a tf.distribute strategy", self.strategy, tf.distribute.Strategy, hint=hint)


class EpochLoop(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keeps the state of a run while Keras trains."""

    def __init__(
        self,
        options: TrainOptions,
        state: Fit,
        settings: Mapping[str, Any],
        reporter: Reporter = SILENT,
        pairs: IntArray | None = None,
    ) -> None:
        """Go on from `state`, changed in place; checkpoints hold `settings`, plain JSON values."""
        super().__init__()
        self.state = state
        self._options = options
        self._settings = settings
        self._reporter = reporter
        self._pairs = pairs
        self.epoch = state.epochs
        self._start = 0.0

    def on_test_begin(self, logs: Logs = None) -> None:  # noqa: ARG002
        """Refuse an epoch without a batch to train on, whose values would be zeros."""
        self._refuse_no_batch("train")

    def on_test_end(self, logs: Logs = None) -> None:  # noqa: ARG002
        """Refuse an epoch without a batch to validate on."""
        self._refuse_no_batch("val")

    def sample_order(self, count: int) -> AnyArray:
        """Return the order of the current epoch, (count,) int64."""
        rng = np.random.default_rng([self._options.seed, self.epoch, 0])
        pairs = self._pairs
        return rng.permutation(count) if pairs is None else paired_order(pairs, count, rng)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002
        """Give dropout the random numbers of this epoch."""
        self.epoch = epoch
        self._start = time.perf_counter()
        weights = {id(variable) for variable in self.model.weights}
        states = [variable for variable in self.model.variables if id(variable) not in weights]
        for index, state in enumerate(states, start=1):
            generator = np.random.default_rng([self._options.seed, epoch, index])
            state.assign(generator.integers(2**31, size=state.shape).astype(state.dtype))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Keep what the epoch brought, and decide whether another follows."""
        state = self.state
        values = {name: float(value) for name, value in (logs or {}).items()}
        if bad := sorted(name for name, value in values.items() if not np.isfinite(value)):
            raise InputError(
                f"expected finite values after epoch {epoch + 1}, received NaN or infinity for "
                f"{', '.join(bad)}: training has diverged.",
                hint="Lower the recipe's learning_rate, and check the scale of the images.",
            )
        for name, value in values.items():
            state.history.setdefault(name, []).append(value)
        state.epochs = epoch + 1
        chosen = state.history[self._options.recipe.selection]
        if not state.best_epoch or chosen[-1] > chosen[state.best_epoch - 1]:
            state.best_epoch, state.best_weights = epoch + 1, self.model.get_weights()
        state.ended = self._reason_to_end()
        seconds = time.perf_counter() - self._start
        state.seconds += seconds
        self._save()
        self._reporter.epoch(epoch + 1, values, best=state.best_epoch, seconds=seconds)
        self.model.stop_training = bool(state.ended)

    def _refuse_no_batch(self, name: str) -> None:
        # The first metric is the mean loss, and knows of how many examples. Keras counts a step
        # where it finds that there is no further one, so that its steps do not tell.
        if self.model.metrics[0].count.numpy():
            return
        again = "the data can be read once only" if self.epoch else "the data are empty"
        raise InputError(
            f"expected a batch from {name} in epoch {self.epoch + 1}, received none: {again}.",
            hint="A dataset from a generator begins anew each time only where its function makes a "
            "new generator; dataset.cache() keeps what was read.",
        )

    def _reason_to_end(self) -> str:
        state, recipe, patience = self.state, self._options.recipe, self._options.early_stopping
        stuck = (
            self._options.may_restart
            and recipe.restart_below is not None
            and state.epochs == recipe.restart_after
            and state.history["accuracy"][-1] < recipe.restart_below
        )
        if stuck:
            return "plateau"
        if state.epochs >= recipe.epochs:
            return "complete"
        if patience is None:
            return ""
        # The earliest of equals is kept, so nothing can follow that would replace a perfect one.
        if state.history[recipe.selection][-1] >= 1.0:
            return "perfect"
        return "stopped early" if state.epochs - state.best_epoch >= patience else ""

    def _save(self) -> None:
        if self._options.checkpoint is None:
            return
        file = checkpoints.locate(self._options.checkpoint)
        state = self.state
        optimizer = [variable.numpy() for variable in self.model.optimizer.variables]
        arrays = {"weights": self.model.get_weights(), "optimizer": optimizer}
        if state.best_epoch != state.epochs:
            arrays["best"] = state.best_weights
        known = {name: getattr(state, name) for name in _STORED}
        checkpoints.write(file, arrays, {"settings": dict(self._settings), "state": known})


def resume(model: keras.Model, checkpoint: str | Path | None, settings: Mapping[str, Any]) -> Fit:
    """Bring a compiled model to where a checkpoint, if any, left it, and say how far that is."""
    file = None if checkpoint is None else checkpoints.locate(checkpoint)
    stored = None if file is None else checkpoints.read(file)
    if file is None or stored is None:
        return Fit()
    arrays, facts = stored
    with checkpoints.readable(file):
        checkpoints.require_same(file, facts["settings"], settings)
        state = Fit(**facts["state"])
        model.set_weights(arrays["weights"])
        state.best_weights = arrays.get("best", arrays["weights"])
        variables, values = model.optimizer.variables, arrays.get("optimizer", [])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    return state


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
            # Several devices, and GPUs, stay with Keras.
            alone = options.strategy is None and not (compiled.jit_compile or on_gpu())
            # A frozen layer is told that nobody trains before a norm asks whether somebody does.
            with (
                _adjusted(model, recipe),
                quick_training(compiled) if alone else contextlib.nullcontext(),
                in_inference(_frozen(model, options)),
                refusals(raised),
            ):
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
        state.notes = _notes(state, train.facts, val.facts)
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


class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]  # Keras ships no types
    """Keras's Adam, a step in one operation of TensorFlow a variable instead of some twenty.

    A step of a large network is 5 to 20 % shorter by it, and its first one, which TensorFlow makes
    ready, half as long. Rows that a sparse gradient names twice are added up first, and there is no
    amsgrad.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a step for one variable."""
        kind, index = variable.dtype, self._get_variable_index(variable)
        first, second = (tf.constant(rate, kind) for rate in (self.beta_1, self.beta_2))
        step = tf.cast(self.iterations + 1, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=first**step,
            beta2_power=second**step,
            lr=tf.cast(learning_rate, kind),
            beta1=first,
            beta2=second,
            epsilon=tf.constant(self.epsilon, kind),
            grad=tf.cast(tf.convert_to_tensor(gradient), kind),
        )


def compile_shared(model: keras.Model, options: TrainOptions) -> keras.Model:
    """Return a compiled model of the same layers, so that the optimizer is not saved with them."""
    compiled, recipe = model, options.recipe
    # Loss and accuracy are float32 numbers, whatever the layers compute in.
    with standard_settings():
        if model.inputs:
            compiled = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        steps = recipe.learning_rate, recipe.beta_1, recipe.beta_2, recipe.epsilon
        optimizer = FusedAdam(*steps, weight_decay=recipe.weight_decay)
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


def _notes(state: Fit, train: Mapping[str, Any], val: Mapping[str, Any]) -> tuple[str, ...]:
    """Say how many images are in no pair, and where a training was never better than guessing."""
    count = train["images"] - 2 * train["pairs"] if "pairs" in train else 0
    alone = (f"{count} of {train['images']} images are in no pair.",) if count else ()
    if not state.ended:
        return alone
    images, fakes = val["images"], val["fakes"]
    share = max(fakes, images - fakes) / images if images else 0.5
    luck = 2 * (share * (1 - share) / images) ** 0.5 if images else 0.0
    best = max(state.history["val_accuracy"])
    if best > share + luck:
        return alone
    found = f"{best:.4f} at best, and one class for all images gives {share:.4f}, guessing up to "
    chance = f"The validation accuracy never left chance: {found}{min(share + luck, 1):.4f}."
    return (*alone, chance)


def _summary(state: Fit, recipe: Recipe) -> str:
    if not state.ended:
        return f"not finished: {state.epochs} of {recipe.epochs} epochs"
    best = state.history[recipe.selection][state.best_epoch - 1]
    return f"{state.ended} after epoch {state.epochs}: best {state.best_epoch}, {best:.4f}"
