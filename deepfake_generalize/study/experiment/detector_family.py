"""Families of congenetic detectors: their names, and the steps of the work on each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from deepfake_generalize.study.experiment.config import StudyConfig
from deepfake_generalize.study.experiment.schedules import Schedule, epochs_of
from deepfake_generalize.study.protocol import (
    FINE_TUNINGS,
    NULL_SET,
    ORIGINAL,
    SOURCES,
    UNSEEN_SETS,
    architecture_facts,
)

_PAPER_EPOCHS, _PAPER_FINE_TUNING_EPOCHS = 100, 50


@dataclass(frozen=True)
class Step:
    """One piece of work with one record.

    Kind ("detector", "evaluation", "similarity", "maps", "causal" or "control") and key, what it is
    about, name its record. The weight is its share of the work, roughly, for the time left.
    """

    kind: str
    key: str
    weight: float


@dataclass(frozen=True)
class DetectorFamily:
    """An architecture and a source: an original detector and the two fine-tuned from it.

    Attributes:
        architecture: A name of `models.ARCHITECTURES`.
        source: "CELEB" or "F2F".
        retrained: The seed of a further training; None of a study's first one, whose detectors bear
            the paper's names alone.

    Examples:
        >>> family = DetectorFamily("xception", "F2F")
        >>> family.name, [family.detector(kind) for kind in FINE_TUNINGS]
        ('xception-f2f', ['XceptionNet4', 'XceptionNet5', 'XceptionNet6'])
    """

    architecture: str
    source: str
    retrained: int | None = None

    @property
    def name(self) -> str:
        """What its file of records is called."""
        return f"{self.architecture}-{self.source.lower()}{self._suffix}"

    @property
    def first(self) -> DetectorFamily:
        """The same of the first training."""
        return DetectorFamily(self.architecture, self.source)

    @property
    def _suffix(self) -> str:
        return "" if self.retrained is None else f"-seed{self.retrained}"

    def detector(self, fine_tuning: str) -> str:
        """Return the name of one of the three: the paper's (Table IV), and a retraining's seed."""
        before = len(FINE_TUNINGS) * list(SOURCES).index(self.source)
        number = before + FINE_TUNINGS.index(fine_tuning) + 1
        return f"{architecture_facts(self.architecture).title}{number}{self._suffix}"

    @property
    def analysed(self) -> tuple[str, ...]:
        """The sets that Figures 3 and 5 show: its own test set and the unseen ones."""
        return (self.source, *UNSEEN_SETS)

    def test_sets(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """Return the sets its detectors are measured on, its own test set first."""
        wanted = (self.source, *UNSEEN_SETS, *SOURCES[self.source].specialized, NULL_SET)
        return tuple(name for name in wanted if name in available)


def all_families(config: StudyConfig) -> list[DetectorFamily]:
    """Return the families of a study, those of its first training first."""
    retrained = (None, *config.trainings[1:])
    return [DetectorFamily(*pair, seed) for seed in retrained for pair in config.families]


def plan_steps(
    config: StudyConfig, family: DetectorFamily, available: tuple[str, ...]
) -> list[Step]:
    """Return all steps of a family in the order of their doing; `available` are the sets' names."""
    network, analysis = architecture_facts(family.architecture), config.analysis
    cost, analysed = network.cost, family.analysed
    looked_at, fakes = cost / 3, analysis.heat_map_fakes
    names = {kind: family.detector(kind) for kind in FINE_TUNINGS}
    steps = []
    for kind, name in names.items():
        images = _images_trained_on(config, family.architecture, kind)
        steps.append(Step("detector", name, cost * images))
        steps += [
            Step("evaluation", f"{name}/{key}", looked_at * config.sizes.test)
            for key in family.test_sets(available)
        ]
    steps += [Step("similarity", f"{family.name}/{key}", (cost + 1) * fakes) for key in analysed]
    if family.retrained is None:  # Figure 2 shows one training.
        steps.append(Step("maps", family.name, cost * analysis.shown_fakes * len(UNSEEN_SETS)))
    if network.has_hidden_neurons:
        steps += [
            Step("causal", f"{name}/{key}", looked_at * analysis.causal_images)
            for name in names.values()
            for key in analysed
        ]
        if family.retrained is None:  # All trainings are held against the same controls.
            steps += _control_steps(config, family)
    return steps


def _control_steps(config: StudyConfig, family: DetectorFamily) -> list[Step]:
    cost, analysis = architecture_facts(family.architecture).cost, config.analysis
    measured = cost / 3 * analysis.causal_images * len(family.analysed)
    short = (analysis.shuffled_epochs or 0) * config.sizes.train
    trained = cost * (short or _images_trained_on(config, family.architecture, ORIGINAL))
    return [
        Step("control", f"{family.name}/{kind}/{number}", weight)
        for kind, count, weight in (
            ("untrained", analysis.controls, measured),
            ("shuffled labels", analysis.shuffled_controls, measured + trained),
        )
        for number in range(count)
    ]


def _images_trained_on(config: StudyConfig, architecture: str, fine_tuning: str) -> float:
    """Return how many images a training goes through, over all its epochs."""
    sizes, schedule = config.sizes, config.schedules.get(architecture, Schedule())
    epochs = epochs_of(schedule, fine_tuning)
    if fine_tuning == ORIGINAL:
        return sizes.train * (epochs or _PAPER_EPOCHS)
    mix = sizes.few_shot_original + sizes.few_shot_unseen
    if fine_tuning == "transfer":
        return mix  # Once, through the frozen part; what is trained costs little.
    return mix * (epochs or _PAPER_FINE_TUNING_EPOCHS)


def derived_seed(seed: int, purpose: str) -> int:
    """Return a seed for one purpose, unlike that for any other, from the study's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big") >> 1
