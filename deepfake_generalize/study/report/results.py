"""What a study found, read back from its records and score files alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize import causal
from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.metrics.resampling import Accuracies, percentile_interval, resample_jointly
from deepfake_generalize.study.experiment import (
    RECORDS,
    DetectorFamily,
    StudyConfig,
    derived_seed,
    of_kind,
    read_all,
    read_facts,
)
from deepfake_generalize.study.protocol import (
    FINE_TUNINGS,
    SOURCES,
    SPECIALIZED_SETS,
    UNSEEN_SETS,
    architecture_facts,
    in_table_order,
)
from deepfake_generalize.study.report import findings
from deepfake_generalize.study.report.findings import Finding
from deepfake_generalize.study.scores import read_scores
from deepfake_generalize.study.tables import CAPTIONS, check_table, table
from deepfake_generalize.types import DoubleArray
from deepfake_generalize.validation import check_unit

_FINDING_4_FRACTIONS = (1 / 4, 1 / 2)
"""The sizes of top at which the paper has no detector without universal neurons."""


@dataclass(frozen=True)
class RunResults:
    """A finished study's numbers.

    Attributes:
        folder: The run folder.
        config: What was run.
        records: All of them, in the order of the files' names.
    """

    folder: Path
    config: StudyConfig
    records: Sequence[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path, config: StudyConfig) -> RunResults:
        """Read the records of a run folder, or refuse those of another configuration."""
        records = read_all(folder / RECORDS)
        for record in records:
            if record.get("config_sha256") != config.sha256:
                raise DataMismatchError(
                    f"expected records of this configuration, {record['kind']} {record['key']} "
                    f"in {str(folder)!r} is of another one.",
                    hint="The folder's config.toml was altered: put it back, or begin anew.",
                )
        return cls(folder, config, records)

    @cached_property
    def families(self) -> list[DetectorFamily]:
        """The study's families in the order of Table IV."""
        return [
            DetectorFamily(architecture, source)
            for architecture in in_table_order(self.config.architectures)
            for source in self.config.sources
        ]

    @cached_property
    def synthetic(self) -> bool:
        """Whether the faces are synthetic, as crops or as videos."""
        return bool(self.data["synthetic"])

    @property
    def data(self) -> dict[str, Any]:
        """The record of the sets."""
        return read_facts(self.folder)

    @cached_property
    def splits_sha256(self) -> str:
        """One hash of all sets: of their names and the content hashes of their splits."""
        splits = self.data["splits"]
        lines = "".join(f"{name} {splits[name]['sha256']}\n" for name in sorted(splits))
        return hashlib.sha256(lines.encode()).hexdigest()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of one kind."""
        return of_kind(self.records, kind)

    @cached_property
    def scored(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Set to detector to the scores on the set."""
        tables: dict[str, dict[str, pd.DataFrame]] = {}
        for record in self.of("evaluation"):
            frame = read_scores(self.folder / record["scores"]).frame
            tables.setdefault(record["set"], {})[record["detector"]] = frame
        return tables

    @cached_property
    def accuracies(self) -> Accuracies:
        """Accuracies in percent, with their resamples."""
        return resample_jointly(
            self.scored,
            n_resamples=self.config.analysis.resamples,
            seed=derived_seed(derived_seed(self.config.seed, "intervals"), "resampling"),
        )

    @cached_property
    def similarities(self) -> dict[str, DoubleArray]:
        """Family and set, joined by a slash, to the similarity of each fake's heat maps.

        NaN where two or more of the maps are empty.
        """
        found = {}
        for record in self.of("similarity"):
            values = np.asarray(record["values"], float)
            values = check_unit(f"the similarities of {record['key']}", values, least=-1.0)
            found[record["key"]] = np.where(record["comparable"], values, np.nan)
        return found

    @cached_property
    def contributions(self) -> dict[str, dict[str, DoubleArray]]:
        """Detector to set to the contribution of each neuron."""
        found: dict[str, dict[str, DoubleArray]] = {}
        for record in self.of("causal"):
            of_detector = found.setdefault(record["detector"], {})
            of_detector[record["set"]] = _contribution(record["key"], record["contribution"])
        return found

    @cached_property
    def controls(self) -> dict[str, dict[str, list[dict[str, DoubleArray]]]]:
        """Detector to kind of control to the contributions of each network, by set."""
        found: dict[str, dict[str, list[dict[str, DoubleArray]]]] = {}
        for name, family, _ in self.detectors:
            own = {each["set"]: each for each in self.of("causal") if each["detector"] == name}
            kinds = found.setdefault(name, {})
            for record in self.of("control"):
                if record["key"].split("/")[0] != family.name:
                    continue
                sets = record["sets"]
                if any(sets[key]["images_sha256"] != own[key]["images_sha256"] for key in own):
                    raise DataMismatchError(
                        f"expected control {record['key']} on the images of {name}, has others.",
                        hint="The records were altered: run the study again in a new folder.",
                    )
                network = {key: _contribution(key, sets[key]["contribution"]) for key in own}
                kinds.setdefault(record["control"], []).append(network)
            kinds["new head"] = [
                {key: _contribution(key, own[key]["new_heads"][i]) for key in own}
                for i in range(self.config.analysis.controls)
            ]
        return found

    def overlaps(self, detector: str, fractions: Sequence[float]) -> list[causal.Overlap]:
        """Return how many of its top neurons a detector shares over the sets, and its controls."""
        effects, controls = self.contributions[detector], self.controls[detector]
        return [causal.overlap(effects, part, controls=controls) for part in fractions]

    @cached_property
    def detectors(self) -> list[tuple[str, DetectorFamily, str]]:
        """(name, family, fine-tuning) of every detector in the order of Table IV."""
        return [
            (family.detector(kind), family, kind)
            for family in self.families
            for kind in FINE_TUNINGS
        ]

    def accuracy(self, detector: str, name: str) -> float:
        """Return the accuracy in percent of a detector on a set, NaN where it was not measured."""
        if (detector, name) not in self.accuracies:
            return nan
        return round(float(self.accuracies[detector, name][0]), 10)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a detector in the order of Table IV: what it is, and its accuracy on each set."""
        sets = [name for name in self.scored if name not in SOURCES]
        return pd.DataFrame(
            [
                {
                    "detector": name,
                    "architecture": architecture_facts(family.architecture).layers,
                    "training_dataset": family.source,
                    "fine_tuning": kind,
                    "original_accuracy": self.accuracy(name, family.source),
                    **{key: self.accuracy(name, key) for key in sets},
                }
                for name, family, kind in self.detectors
            ]
        ).assign(**{key: nan for key in SPECIALIZED_SETS if key not in self.scored})

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {number: table(number, self.rows) for number in CAPTIONS}

    def table(self, number: str) -> pd.DataFrame:
        """Return one of the paper's tables of this study's detectors, as `study.table` makes it."""
        return self._tables[check_table(number)]

    @cached_property
    def table_v_with_intervals(self) -> pd.DataFrame:
        """Table V with the 95 % interval of each degradation, for readers on a screen."""
        source = {name: family.source for name, family, _ in self.detectors}
        found = [
            percentile_interval(self.accuracies.degradation(name, source[name], UNSEEN_SETS))
            for name in self.table("V")["detector"]
        ]
        return self.table("V").assign(
            lowest=[value.low for value in found], highest=[value.high for value in found]
        )

    @cached_property
    def findings(self) -> list[Finding]:
        """The paper's four findings, checked."""
        unseen = {
            key: values
            for key, values in self.similarities.items()
            if key.split("/")[1] in UNSEEN_SETS
        }
        return [
            findings.zero_shot_failure(self.families, self.accuracies),
            findings.unwanted_properties(self.families, self.accuracies),
            findings.undiscriminating_features(
                unseen,
                n_resamples=self.config.analysis.resamples,
                seed=derived_seed(self.config.seed, "similarity interval"),
            ),
            findings.universal_neurons(
                {name: self.overlaps(name, _FINDING_4_FRACTIONS) for name in self.contributions}
            ),
        ]


def _contribution(key: str, values: list[float]) -> DoubleArray:
    return check_unit(f"the contributions of {key}", np.asarray(values, float))
