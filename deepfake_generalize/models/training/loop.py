"""What happens around each epoch: random numbers, the best weights, the checkpoint, the end.

Everything random in an epoch is a function of the seed and of the epoch's number, so that a run
that goes on after a kill needs no generator's state to come out as if it had not been killed.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize._system.keras_settings import require_tensorflow
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.training import checkpoints
from deepfake_generalize.models.training.pairing import paired_order
from deepfake_generalize.models.training.progress import SILENT, Progress, Reporter
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
