"""Who is who in a study: families of congenetic detectors, their names, and the steps of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from deepfake_generalize.study.experiment.schedules import Schedule
from deepfake_generalize.study.tables import (
    PAPER_UNSEEN_SETS,
    SPECIALIZED_SETS,
    SPECIALIZED_SOURCES,
)

if TYPE_CHECKING:
    from deepfake_generalize.study.experiment.config import StudyConfig

FineTuning = Literal["none", "transfer", "merge"]
FINE_TUNINGS: tuple[FineTuning, ...] = get_args(FineTuning)

UNSEEN = PAPER_UNSEEN_SETS
SPECIALIZED = {SPECIALIZED_SOURCES[number]: sets for number, sets in SPECIALIZED_SETS.items()}
"""Source to the sets that share its method (Table VI) or its people (Table VII)."""
NULL = "NULL"
"""Synthetic data only: reals and "fakes" that nothing was done to; nobody can tell them apart."""

DISPLAY = {
    "xception": "XceptionNet",
    "mesoinception": "MesoInception",
    "mesonet": "MesoNet",
    "efficientnet_b0": "EfficientNet",
    "shallownet": "ShallowNet",
}
"""Architecture to the paper's word for it, in the order of Table IV."""
CAUSAL = ("mesonet", "mesoinception", "shallownet")
"""Architectures with a dense layer of more than one neuron before the output (section IV-D)."""


@dataclass(frozen=True)
class Step:
    """One piece of work with one record.

    Attributes:
        kind: "detector", "evaluation", "similarity", "maps" or "causal".
        key: What it is about; together with the kind, its record's name.
        weight: Its share of the work, roughly; only the time left is guessed from it.
    """

    kind: str
    key: str
    weight: float


@dataclass(frozen=True)
class Family:
    """An architecture and a source: an original detector and the two fine-tuned from it.

    Examples:
        >>> family = Family("xception", "F2F")
        >>> family.name, [family.detector(kind) for kind in FINE_TUNINGS]
        ('xception-f2f', ['XceptionNet4', 'XceptionNet5', 'XceptionNet6'])
    """

    architecture: str
    source: str

    @property
    def name(self) -> str:
        """What its file of records is called."""
        return f"{self.architecture}-{self.source.lower()}"

    def detector(self, fine_tuning: FineTuning) -> str:
        """Return the paper's name of one of the three (Table IV)."""
        first = 1 if self.source == "CELEB" else 4
        return f"{DISPLAY[self.architecture]}{first + FINE_TUNINGS.index(fine_tuning)}"

    def test_sets(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """Return the sets its detectors are measured on, its own test set first."""
        wanted = (self.source, *UNSEEN, *SPECIALIZED[self.source], NULL)
        return tuple(name for name in wanted if name in available)

    def analysed_sets(self) -> tuple[str, ...]:
        """Return the five sets of Figures 3 and 5."""
        return (self.source, *UNSEEN)


# Relative times of one training image, as measured for the five at 256x256 on a processor.
_COST = {
    "mesonet": 1.0,
    "mesoinception": 2.0,
    "shallownet": 12.0,
    "efficientnet_b0": 10.0,
    "xception": 40.0,
}

_PAPER_EPOCHS, _PAPER_FINE_TUNING_EPOCHS = 100, 50


def steps(config: StudyConfig, family: Family, available: tuple[str, ...]) -> list[Step]:
    """Return all steps of a family in the order of their doing.

    Args:
        config: The study.
        family: One of its families.
        available: The names of the sets that exist.
    """
    cost = _COST[family.architecture]
    looked_at = cost / 3
    found = []
    for fine_tuning in FINE_TUNINGS:
        name = family.detector(fine_tuning)
        images = _images_trained_on(config, family.architecture, fine_tuning)
        found.append(Step("detector", name, cost * images))
        found += [
            Step("evaluation", f"{name}/{key}", looked_at * config.sizes.test)
            for key in family.test_sets(available)
        ]
    fakes = config.analysis.heat_map_fakes
    found += [
        Step("similarity", f"{family.name}/{key}", cost * fakes + fakes)
        for key in family.analysed_sets()
    ]
    found.append(Step("maps", family.name, cost * config.analysis.shown_fakes * len(UNSEEN)))
    if family.architecture in CAUSAL:
        found += [
            Step(
                "causal",
                f"{family.detector(each)}/{key}",
                looked_at * config.analysis.causal_images,
            )
            for each in FINE_TUNINGS
            for key in family.analysed_sets()
        ]
    return found


def _images_trained_on(config: StudyConfig, architecture: str, fine_tuning: FineTuning) -> float:
    """Return how many images a training goes through, over all its epochs."""
    sizes, schedule = config.sizes, config.schedules.get(architecture) or Schedule()
    if fine_tuning == "none":
        return sizes.train * (schedule.epochs or _PAPER_EPOCHS)
    mix = sizes.few_shot_original + sizes.few_shot_unseen
    if fine_tuning == "transfer":
        return mix  # Once, through the frozen part; what is trained costs little.
    epochs = schedule.merge_epochs or schedule.fine_tuning_epochs
    return mix * (epochs or _PAPER_FINE_TUNING_EPOCHS)


def derived_seed(seed: int, purpose: str) -> int:
    """Return a seed for one purpose, unlike that for any other, from the study's seed.

    Examples:
        >>> derived_seed(0, "MesoNet1") == derived_seed(0, "MesoNet1")
        True
        >>> derived_seed(0, "MesoNet1") == derived_seed(1, "MesoNet1")
        False
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big") >> 1
