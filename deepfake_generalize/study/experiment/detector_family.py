"""Families of congenetic detectors: their names, and the steps of the work on each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from deepfake_generalize.study.experiment.config import StudyConfig
from deepfake_generalize.study.experiment.schedules import Schedule, epochs_of
from deepfake_generalize.study.facts import ORIGINAL, architecture_facts, fine_tuning, short_name
from deepfake_generalize.study.protocol import PAPER, Protocol

_PAPER_EPOCHS, _PAPER_FINE_TUNING_EPOCHS = 100, 50
_BEGINNING = 400
"""Images that a network learns from in the time that it takes to be built and begun with."""


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
    """An architecture and a source: an original detector and those fine-tuned from it.

    Or a finished detector and a source, whose sets it is measured on.

    Attributes:
        architecture: A name of `models.ARCHITECTURES`, a builder by reference, or a finished
            detector's name.
        source: A set of the protocol, such as "CELEB" or "F2F".
        retrained: The seed of a further training; None of a study's first one, whose detectors bear
            the paper's names alone.
        protocol: The study's.
        reference: The finished detector's.

    Examples:
        >>> family = DetectorFamily("xception", "F2F")
        >>> family.name, list(family.names.values())
        ('xception-f2f', ['XceptionNet4', 'XceptionNet5', 'XceptionNet6'])
    """

    architecture: str
    source: str
    retrained: int | None = None
    protocol: Protocol = field(default=PAPER, compare=False, repr=False)
    reference: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """What its file of records is called."""
        return f"{short_name(self.architecture)}-{self.source.lower()}{self._suffix}"

    @property
    def first(self) -> DetectorFamily:
        """The same of the first training."""
        return replace(self, retrained=None)

    @property
    def _suffix(self) -> str:
        return "" if self.retrained is None else f"-seed{self.retrained}"

    @property
    def title(self) -> str:
        """What figures and tables call its network."""
        if self.reference is not None:
            return self.architecture
        return architecture_facts(self.architecture).title

    @property
    def layers(self) -> str:
        """What Table IV says of its network."""
        if self.reference is not None:
            return self.architecture
        return architecture_facts(self.architecture).layers

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its detectors, the original's first."""
        return self.protocol.fine_tunings if self.reference is None else (ORIGINAL,)

    @property
    def congenetic(self) -> dict[str, str]:
        """Kind to detector: the original and those fine-tuned from it."""
        tuned = self.protocol.tuned
        return {k: name for k, name in self.names.items() if k == ORIGINAL or k in tuned}

    @property
    def names(self) -> dict[str, str]:
        """Kind to detector."""
        return {kind: self.detector(kind) for kind in self.kinds}

    def detector(self, kind: str) -> str:
        """Return the name of one of them: the paper's (Table IV), and a retraining's seed.

        What sees the source alone is called after the original.
        """
        sources = list(self.protocol.sources)
        if self.reference is not None:
            return self.architecture if len(sources) == 1 else f"{self.architecture}-{self.source}"
        kinds = (ORIGINAL, *self.protocol.tuned)
        before = len(kinds) * sources.index(self.source) + 1
        if kind in kinds:
            return f"{self.title}{before + kinds.index(kind)}{self._suffix}"
        return f"{self.title}{before}-{short_name(kind)}{self._suffix}"

    @property
    def unseen(self) -> tuple[str, ...]:
        """The unseen sets of its source."""
        return self.protocol.sources[self.source].unseen

    @property
    def few_shot(self) -> tuple[str, ...]:
        """Those of which fine-tuning is shown a few images."""
        return self.protocol.sources[self.source].few_shot

    @property
    def analysed(self) -> tuple[str, ...]:
        """The sets that Figures 3 and 5 show: its own test set and the unseen ones."""
        return (self.source, *self.unseen)

    def test_sets(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """Return the sets its detectors are measured on, its own test set first."""
        return tuple(name for name in self.protocol.test_sets(self.source) if name in available)


def all_families(config: StudyConfig) -> list[DetectorFamily]:
    """Return the families of a study, those of its first training first."""
    retrained = (None, *config.trainings[1:])
    trained = [
        DetectorFamily(name, source, seed, _protocol(config, name))
        for seed in retrained
        for name, source in config.families
    ]
    finished = [
        DetectorFamily(name, source, None, config.protocol, reference)
        for name, reference in config.detectors.items()
        for source in config.sources
    ]
    return trained + finished


def _protocol(config: StudyConfig, architecture: str) -> Protocol:
    """Return what is asked of an architecture: perhaps without the zero-shot kinds."""
    protocol = config.protocol
    if architecture in (config.zero_shot or config.architectures):
        return protocol
    return replace(protocol, fine_tunings=(ORIGINAL, *protocol.tuned))


def plan_steps(
    config: StudyConfig, family: DetectorFamily, available: tuple[str, ...]
) -> list[Step]:
    """Return all steps of a family in the order of their doing; `available` are the sets' names."""
    analysis, analyses = config.analysis, config.protocol.analyses
    finished, analysed = family.reference is not None, family.analysed
    cost = 1.0 if finished else architecture_facts(family.architecture).cost
    looked_at, fakes = cost / 3, analysis.heat_map_fakes
    steps = []
    for kind, name in family.names.items():
        if not finished:
            images = _images_trained_on(config, family.architecture, kind)
            steps.append(Step("detector", name, cost * (_BEGINNING + images)))
        steps += [
            Step("evaluation", f"{name}/{key}", looked_at * config.protocol.sizes.test)
            for key in family.test_sets(available)
        ]
    if "heat maps" in analyses:
        if len(family.congenetic) > 1:
            weight = (cost + 1) * fakes
            steps += [Step("similarity", f"{family.name}/{key}", weight) for key in analysed]
        if family.retrained is None:  # Figure 2 shows one training.
            weight = cost * analysis.shown_fakes * len(family.unseen)
            steps.append(Step("maps", family.name, weight))
    if "causal" in analyses and (
        finished or architecture_facts(family.architecture).has_hidden_neurons
    ):
        steps += [
            Step("causal", f"{name}/{key}", looked_at * analysis.causal_images)
            for name in family.congenetic.values()
            for key in analysed
        ]
        if family.retrained is None and not finished:
            # All trainings are held against the same controls.
            steps += _control_steps(config, family)
    return steps


def _control_steps(config: StudyConfig, family: DetectorFamily) -> list[Step]:
    cost, analysis = architecture_facts(family.architecture).cost, config.analysis
    measured = cost / 3 * analysis.causal_images * len(family.analysed)
    short = (analysis.shuffled_epochs or 0) * config.protocol.sizes.train
    images = short or _images_trained_on(config, family.architecture, ORIGINAL)
    trained = cost * (_BEGINNING + images)
    return [
        Step("control", f"{family.name}/{kind}/{number}", weight)
        for kind, count, weight in (
            ("untrained", analysis.controls, measured),
            ("shuffled labels", analysis.shuffled_controls, measured + trained),
        )
        for number in range(count)
    ]


def _images_trained_on(config: StudyConfig, architecture: str, kind: str) -> float:
    """Return how many images a training goes through, over all its epochs."""
    sizes, schedule = config.protocol.sizes, config.schedules.get(architecture, Schedule())
    epochs = epochs_of(schedule, kind)
    if fine_tuning(kind).sees == "source":
        return sizes.train * (epochs or _PAPER_EPOCHS)
    mix = sizes.few_shot_original + sizes.few_shot_unseen
    if kind == "transfer":
        return mix  # Once, through the frozen part; what is trained costs little.
    return mix * (epochs or _PAPER_FINE_TUNING_EPOCHS)


def derived_seed(seed: int, purpose: str) -> int:
    """Return a seed for one purpose, unlike that for any other, from the study's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "big") >> 1
