"""The parts of a study's configuration: sizes, schedules of training, analyses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from deepfake_generalize.errors import InputError

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Sizes:
    """Images in each split, real and fake together, half of each.

    Attributes:
        train: Training split of CELEB and of F2F.
        val: Their validation split.
        test: Every test set.
        few_shot_original: Images of the source's training split in the few-shot mix.
        few_shot_unseen: Images of FS and NT together in it.
        few_shot_val: Images of the source, and of FS and NT together, that choose among the epochs
            of fine-tuning: so many each.
    """

    train: int = 16_000
    val: int = 2_000
    test: int = 2_000
    few_shot_original: int = 2_000
    few_shot_unseen: int = 2_000
    few_shot_val: int = 500


@dataclass(frozen=True)
class Schedule:
    """Where an architecture's training leaves the paper's recipe; None keeps the paper's value.

    Attributes:
        epochs: Of original training.
        learning_rate: Of original training.
        batch_size: Of original training.
        fine_tuning_epochs: Of transfer.
        merge_epochs: Of merge; those of transfer where None.
        fine_tuning_rate: Learning rate of both.
        fine_tuning_batch_size: Of both.
        patience: Epochs without a better validation accuracy after which training stops.
        restarts: How often original training may start again with fresh weights where it does not
            get off the ground.
        precision: "bfloat16" computes in half precision where the processor can.
        norm_momentum: Of the running statistics of batch normalization, in every stage.
        dropout: The rate of every dropout, in every stage.
    """

    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    fine_tuning_epochs: int | None = None
    merge_epochs: int | None = None
    fine_tuning_rate: float | None = None
    fine_tuning_batch_size: int | None = None
    patience: int | None = None
    restarts: int | None = None
    precision: Precision | None = None
    norm_momentum: float | None = None
    dropout: float | None = None

    def __post_init__(self) -> None:
        """Refuse a precision that there is not."""
        if self.precision is not None:
            check_choice("precision", self.precision, get_args(Precision))


@dataclass(frozen=True)
class Analysis:
    """How much of each test set the analyses look at.

    Attributes:
        heat_map_fakes: Fakes of a set whose heat maps are compared (Figure 3; the paper's 1,000).
        shown_fakes: Fakes of a set that are drawn in Figure 2.
        causal_images: Images of a set, of both classes, for causal effects (the scripts' 1,920).
        causal_steps: Values that each neuron is set to.
        top_fractions: Parts of the layer that count as contributing (Figure 5).
        resamples: Of every bootstrap interval.
    """

    heat_map_fakes: int = 1_000
    shown_fakes: int = 1
    causal_images: int = 1_920
    causal_steps: int = 4
    top_fractions: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    resamples: int = 1_000


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a word that is not one of the choices.

    Raises:
        InputError: It is not.
    """
    if value not in choices:
        raise InputError(f"expected {name} from {', '.join(choices)}, received {value!r}.")
