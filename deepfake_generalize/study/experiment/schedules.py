"""How a study trains its networks, and how much its analyses look at."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from deepfake_generalize.study.facts import PASSABLE_POINTS, fine_tuning
from deepfake_generalize.validation import check_choice, check_number, check_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deepfake_generalize.models import Recipe

Precision = Literal["float32", "bfloat16"]

_STUCK = 0.6
"""Training accuracy under which a network has not got off the ground after a few epochs."""


_AUGMENTATIONS = ("deepfakebench", "selimsef")
"""Those of `models.AUGMENTATIONS`, told without TensorFlow."""
_COUNTS = {"epochs", "fine_tuning_epochs", "merge_epochs", "patience", "restarts"}
_COUNTS |= {"augmented_epochs", "self_blended_epochs", "batch_size", "fine_tuning_batch_size"}


@dataclass(frozen=True)
class Schedule:
    """Where an architecture's training leaves the paper's recipe; None keeps the paper's value.

    Attributes:
        epochs: Of original training.
        learning_rate: Of original training.
        batch_size: Of original training.
        fine_tuning_epochs: Of transfer.
        merge_epochs: Of merge; those of transfer where None.
        augmented_epochs: Of the kind "augmented", which then never restarts; the original's where
            None, as for the next.
        self_blended_epochs: The same of the kind "self-blended".
        fine_tuning_rate: Learning rate of both.
        fine_tuning_batch_size: Of both.
        patience: Epochs without a better validation accuracy after which training stops.
        restarts: How often original training may start again with fresh weights where it does not
            get off the ground.
        precision: "bfloat16" computes in half precision where the processor can.
        norm_momentum: Of the running statistics of batch normalization, in every stage.
        dropout: The rate of every dropout, in every stage.
        weight_decay: As in `Recipe`, in every stage.
        augmentation: As in `Recipe`, of original training: a name, or "path/to/file.py:name".
        pairing: Whether original training is paired, as in `Recipe`.
    """

    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    fine_tuning_epochs: int | None = None
    merge_epochs: int | None = None
    augmented_epochs: int | None = None
    self_blended_epochs: int | None = None
    fine_tuning_rate: float | None = None
    fine_tuning_batch_size: int | None = None
    patience: int | None = None
    restarts: int | None = None
    precision: Precision | None = None
    norm_momentum: float | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    augmentation: str | None = None
    pairing: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what no training can have."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        for name in given.keys() & _COUNTS:
            check_whole(name, given[name], least=0 if name == "restarts" else 1)
        for name in given.keys() & {"learning_rate", "fine_tuning_rate"}:
            check_number(name, given[name], above=0)
        for name in given.keys() & {"norm_momentum", "dropout"}:
            check_number(name, given[name], least=0, below=1)
        if self.weight_decay is not None:
            check_number("weight_decay", self.weight_decay, least=0)
        if self.augmentation is not None and ":" not in self.augmentation:
            hint = 'Or name a function of your own: "path/to/file.py:name".'
            check_choice("augmentation", self.augmentation, _AUGMENTATIONS, hint=hint)
        if self.precision is not None:
            check_choice("precision", self.precision, get_args(Precision))


# Shorter than the paper's by far: larger steps, and statistics that follow quickly, without which a
# deep network answers at random for longer than the whole training lasts.
_SHORT = Schedule(batch_size=16, fine_tuning_batch_size=16, norm_momentum=0.9)
_MESO = dataclasses.replace(
    _SHORT, learning_rate=2e-3, epochs=22, patience=22, restarts=1, fine_tuning_epochs=20
)
_DEEP = dataclasses.replace(_SHORT, learning_rate=1e-3, fine_tuning_epochs=8, fine_tuning_rate=5e-4)
DEMO_SCHEDULES: Mapping[str, Schedule] = {
    "mesonet": dataclasses.replace(
        _MESO, merge_epochs=10, augmented_epochs=28, self_blended_epochs=12
    ),
    "mesoinception": dataclasses.replace(_MESO, epochs=10, patience=10, merge_epochs=6),
    "shallownet": dataclasses.replace(
        _SHORT,
        epochs=4,
        learning_rate=3e-4,
        fine_tuning_epochs=3,
        merge_epochs=2,
        fine_tuning_rate=1e-4,
        patience=4,
        dropout=0.0,
    ),
    "xception": dataclasses.replace(
        _DEEP,
        epochs=2,
        merge_epochs=1,
        fine_tuning_rate=1e-4,
        patience=2,
        precision="bfloat16",
    ),
    "efficientnet_b0": dataclasses.replace(
        _DEEP, epochs=5, learning_rate=2e-3, merge_epochs=2, patience=5, dropout=0.0
    ),
}
"""Architecture to the schedule that fits its detectors of the demo into minutes."""


@dataclass(frozen=True)
class Analysis:
    """How much of each test set the analyses look at.

    Attributes:
        heat_map_fakes: Fakes of a set whose heat maps are compared (Figure 3; the paper's 1,000).
        shown_fakes: Fakes of a set that are drawn in Figure 2.
        causal_images: Images of a set, of both classes, for causal effects (the scripts' 1,920).
        causal_steps: Values that each neuron is set to.
        controls: Untrained networks beside each group of congenetic detectors, and copies with a
            new head of each detector, whose shared neurons are counted as well (Finding 4).
        shuffled_controls: Networks trained on shuffled labels beside each group; each costs a
            training.
        shuffled_epochs: Of their training; None: as many as of original training.
        top_fractions: Parts of the layer that count as contributing (Figure 5).
        resamples: Of every bootstrap interval.
        smallest_loss: Points of accuracy that originals must lose on unseen sets for Finding 1 to
            hold: the paper calls less than 20 passable.
    """

    heat_map_fakes: int = 1_000
    shown_fakes: int = 3
    causal_images: int = 1_920
    causal_steps: int = 4
    controls: int = 3
    shuffled_controls: int = 3
    shuffled_epochs: int | None = None
    top_fractions: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    resamples: int = 1_000
    smallest_loss: float = PASSABLE_POINTS

    def __post_init__(self) -> None:
        """Refuse what cannot be counted or sampled."""
        least = {"heat_map_fakes": 1, "shown_fakes": 1, "causal_images": 2, "causal_steps": 2}
        least |= {"controls": 0, "shuffled_controls": 0}
        if self.shuffled_epochs is not None:
            least["shuffled_epochs"] = 1
        for name, low in least.items():
            hint = "What Protocol(analyses=) leaves out is not done." if low else ""
            check_whole(name, getattr(self, name), least=low, hint=hint)
        check_whole("resamples", self.resamples, least=1, most=1_000_000)
        check_number("smallest_loss", self.smallest_loss, least=0, most=100)
        for fraction in self.top_fractions:
            check_number("top_fractions", fraction, above=0, most=1)


def epochs_of(schedule: Schedule, kind: str) -> int | None:
    """Return the epochs of a kind of detector: its own, or the original's or fine-tuning's."""
    if (own := _own_epochs(schedule, kind)) is not None:
        return own
    sees_source = fine_tuning(kind).sees == "source"
    return schedule.epochs if sees_source else schedule.fine_tuning_epochs


def _own_epochs(schedule: Schedule, kind: str) -> int | None:
    own: int | None = getattr(schedule, f"{kind.replace('-', '_')}_epochs", None)
    return own


def recipe_for(
    schedule: Schedule, architecture: str, kind: str, *, study: str, follows: str = "paper"
) -> Recipe:
    """Return the paper's recipe of a kind, or its scripts', as a study's schedule changes it.

    Examples:
        >>> recipe_for(Schedule(epochs=3), "mesonet", "none", study="mine").epochs
        3
    """
    from deepfake_generalize.models import RECIPES

    paper = RECIPES[architecture if architecture in RECIPES else "mesonet"]
    changes: dict[str, Any] = {
        "epochs": epochs_of(schedule, kind),
        "norm_momentum": schedule.norm_momentum,
        "dropout": schedule.dropout,
        "weight_decay": schedule.weight_decay,
    }
    trained_anew = fine_tuning(kind).sees == "source"
    if trained_anew:
        changes |= {"learning_rate": schedule.learning_rate, "batch_size": schedule.batch_size}
        changes |= {"augmentation": schedule.augmentation, "pairing": schedule.pairing}
        if schedule.restarts and _own_epochs(schedule, kind) is None:
            changes |= {"restart_below": _STUCK, "max_restarts": schedule.restarts}
    else:
        paper = paper.fine_tuning
        changes |= {
            "learning_rate": schedule.fine_tuning_rate,
            "batch_size": schedule.fine_tuning_batch_size,
        }
    if follows == "scripts":
        paper = paper.as_scripts
    if architecture not in RECIPES:  # As MesoNet's, but that no paper says so of this network.
        changes |= {"architecture": "", "last_layers": None if trained_anew else 1}
    made = {name: value for name, value in changes.items() if value is not None}
    if not made:
        return paper
    return dataclasses.replace(paper, **made, name=f"{paper.name}, as in {study}")
