"""Who is who in a study: families of congenetic detectors, their names, and the steps of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepfake_generalize.study.experiment.schedules import Schedule
from deepfake_generalize.study.protocol import (
    FINE_TUNINGS,
    NULL_SET,
    ORIGINAL,
    SOURCES,
    UNSEEN_SETS,
    architecture_facts,
)

if TYPE_CHECKING:
    from deepfake_generalize.study.experiment.config import StudyConfig


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
class DetectorFamily:
    """An architecture and a source: an original detector and the two fine-tuned from it.

    Examples:
        >>> family = DetectorFamily("xception", "F2F")
        >>> family.name, [family.detector(kind) for kind in FINE_TUNINGS]
        ('xception-f2f', ['XceptionNet4', 'XceptionNet5', 'XceptionNet6'])
    """

    architecture: str
    source: str

    @property
    def name(self) -> str:
        """What its file of records is called."""
        return f"{self.architecture}-{self.source.lower()}"

    def detector(self, fine_tuning: str) -> str:
        """Return the paper's name of one of the three (Table IV)."""
        place = len(FINE_TUNINGS) * list(SOURCES).index(self.source) + FINE_TUNINGS.index(
            fine_tuning
        )
        return f"{architecture_facts(self.architecture).title}{place + 1}"

    def test_sets(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """Return the sets its detectors are measured on, its own test set first."""
        wanted = (self.source, *UNSEEN_SETS, *SOURCES[self.source].specialized, NULL_SET)
        return tuple(name for name in wanted if name in available)

    def analysed_sets(self) -> tuple[str, ...]:
        """Return the five sets of Figures 3 and 5."""
        return (self.source, *UNSEEN_SETS)


_PAPER_EPOCHS, _PAPER_FINE_TUNING_EPOCHS = 100, 50


def steps(config: StudyConfig, family: DetectorFamily, available: tuple[str, ...]) -> list[Step]:
    """Return all steps of a family in the order of their doing.

    Args:
        config: The study.
        family: One of its families.
        available: The names of the sets that exist.
    """
    network = architecture_facts(family.architecture)
    cost = network.cost
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
    found.append(Step("maps", family.name, cost * config.analysis.shown_fakes * len(UNSEEN_SETS)))
    if network.has_hidden_neurons:
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


def _images_trained_on(config: StudyConfig, architecture: str, fine_tuning: str) -> float:
    """Return how many images a training goes through, over all its epochs."""
    sizes, schedule = config.sizes, config.schedules.get(architecture) or Schedule()
    if fine_tuning == ORIGINAL:
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
