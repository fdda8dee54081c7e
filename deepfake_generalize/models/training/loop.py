"""What happens around each epoch: random numbers, the best weights, the checkpoint, the end.

Everything random in an epoch is a function of the seed and of the epoch's number, so that a run
that goes on after a kill needs no generator's state to come out as if it had not been killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.training import checkpoints

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deepfake_generalize.models.training.progress import Reporter
    from deepfake_generalize.models.training.recipes import Recipe
    from deepfake_generalize.types import AnyArray

COMPLETE, STOPPED, PERFECT, PLATEAU = "complete", "stopped early", "perfect", "plateau"


@dataclass
class State:
    """How far a run is.

    Attributes:
        epochs: Finished ones.
        history: Name -> one value an epoch.
        best_epoch: From 1; 0 before the first.
        best_weights: Those of the best epoch.
        seconds: Spent in epochs.
        ended: Why no further epoch follows, or an empty word.
    """

    epochs: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    best_weights: list[AnyArray] = field(default_factory=list)
    seconds: float = 0.0
    ended: str = ""

    def facts(self) -> dict[str, Any]:
        """Return all but the weights as plain JSON values."""
        names = ("epochs", "history", "best_epoch", "seconds", "ended")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Plan:
    """What decides about a run.

    Attributes:
        recipe: Its recipe.
        seed: What its random numbers come from.
        fake_index: Which of the network's classes is fake.
        early_stopping: Epochs without a better one after which it ends; None: it never does.
        may_restart: Whether it ends where the recipe says that another beginning is due.
        checkpoint: The file written after each epoch, or None.
        reporter: Is told of each epoch, or None.
        steps_per_call: Steps that TensorFlow takes before it returns to Python.
    """

    recipe: Recipe
    seed: int = 0
    fake_index: int = 1
    early_stopping: int | None = None
    may_restart: bool = False
    checkpoint: Path | None = None
    reporter: Reporter | None = None
    steps_per_call: int = 1


class EpochLoop(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keeps the state of a run while Keras trains."""

    def __init__(self, plan: Plan, state: State, settings: Mapping[str, Any]) -> None:
        """Go on from `state`.

        Args:
            plan: What decides about the run.
            state: How far it is; changed in place.
            settings: Plain JSON values that a checkpoint must have in common with the run.
        """
        super().__init__()
        self.state = state
        self._plan = plan
        self._settings = settings
        self._epoch = state.epochs
        self._start = 0.0

    def draw_order(self, count: int) -> AnyArray:
        """Return the order of the current epoch, (count,) int64."""
        return _generator(self._plan.seed, self._epoch, 0).permutation(count)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Give dropout the random numbers of this epoch."""
        self._epoch = epoch
        self._start = time.perf_counter()
        for index, state in enumerate(random_states(self.model), start=1):
            drawn = _generator(self._plan.seed, epoch, index).integers(2**31, size=state.shape)
            state.assign(drawn.astype(state.dtype))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Keep what the epoch brought, and decide whether another follows."""
        state = self.state
        values = {name: float(value) for name, value in (logs or {}).items()}
        self._refuse_divergence(values, epoch + 1)
        for name, value in values.items():
            state.history.setdefault(name, []).append(value)
        state.epochs = epoch + 1
        chosen = state.history[self._plan.recipe.selection]
        if not state.best_epoch or chosen[-1] > chosen[state.best_epoch - 1]:
            state.best_epoch, state.best_weights = epoch + 1, self.model.get_weights()
        state.ended = self._reason_to_end()
        seconds = time.perf_counter() - self._start
        state.seconds += seconds
        self._save()
        if self._plan.reporter is not None:
            self._plan.reporter.epoch(epoch + 1, values, best=state.best_epoch, seconds=seconds)
        self.model.stop_training = bool(state.ended)

    def _refuse_divergence(self, values: Mapping[str, float], number: int) -> None:
        bad = sorted(name for name, value in values.items() if not np.isfinite(value))
        if bad:
            raise InputError(
                f"expected finite values after epoch {number}, received NaN or infinity for "
                f"{', '.join(bad)}: training has diverged.",
                hint="Lower the recipe's learning_rate, and check the scale of the images.",
            )

    def _reason_to_end(self) -> str:
        state, recipe, patience = self.state, self._plan.recipe, self._plan.early_stopping
        stuck = (
            self._plan.may_restart
            and recipe.restart_below is not None
            and state.epochs == recipe.restart_after
            and state.history["accuracy"][-1] < recipe.restart_below
        )
        if stuck:
            return PLATEAU
        if state.epochs >= recipe.epochs:
            return COMPLETE
        if patience is None:
            return ""
        # The earliest of equals is kept, so nothing can follow that would replace a perfect one.
        if state.history[recipe.selection][-1] >= 1.0:
            return PERFECT
        return STOPPED if state.epochs - state.best_epoch >= patience else ""

    def _save(self) -> None:
        if self._plan.checkpoint is None:
            return
        state = self.state
        arrays = {"weights": self.model.get_weights(), "optimizer": _optimizer_arrays(self.model)}
        if state.best_epoch != state.epochs:
            arrays["best"] = state.best_weights
        facts = {"settings": dict(self._settings), "state": state.facts()}
        checkpoints.write(self._plan.checkpoint, arrays, facts)


class BatchReports(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Tells a reporter of each batch; apart, because Keras is slower where batches are heard."""

    def __init__(self, reporter: Reporter, batches: int) -> None:
        """Report to `reporter` on epochs of `batches` batches."""
        super().__init__()
        self._reporter = reporter
        self._batches = max(batches, 1)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Report the part of the epoch that is done."""
        self._reporter.batch(min((batch + 1) / self._batches, 1.0))


def resume(model: keras.Model, checkpoint: Path | None, settings: Mapping[str, Any]) -> State:
    """Bring a compiled model to where a checkpoint left it.

    Args:
        model: Compiled; its weights and its optimizer are set.
        checkpoint: The file, or None.
        settings: What the checkpoint must have in common with this run.

    Returns:
        How far the run is; a new state where there is no checkpoint.

    Raises:
        InputError: The file is damaged.
        DataMismatchError: It belongs to another run.
    """
    stored = None if checkpoint is None else checkpoints.read(checkpoint)
    if checkpoint is None or stored is None:
        return State()
    arrays, facts = stored
    try:
        checkpoints.require_same(checkpoint, facts["settings"], settings)
        state = State(**facts["state"])
        model.set_weights(arrays["weights"])
        for variable, value in zip(
            model.optimizer.variables, arrays.get("optimizer", []), strict=True
        ):
            variable.assign(value)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected a checkpoint at {checkpoint}, something in it is missing: {error}.",
            hint="Remove it to begin again, or name another.",
        ) from error
    state.best_weights = arrays.get("best", arrays["weights"])
    return state


def random_states(model: keras.Model) -> list[Any]:
    """Return the variables that hold the states of a model's random generators (dropout)."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _optimizer_arrays(model: keras.Model) -> list[AnyArray]:
    return [variable.numpy() for variable in model.optimizer.variables]


def _generator(seed: int, epoch: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, epoch, stream])
