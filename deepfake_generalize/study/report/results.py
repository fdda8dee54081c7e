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

from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.metrics.resampling import Accuracies, resample_jointly
from deepfake_generalize.study.experiment import (
    RECORDS,
    DetectorFamily,
    StudyConfig,
    all_families,
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
from deepfake_generalize.study.report import findings, seeds
from deepfake_generalize.study.report.findings import Finding
from deepfake_generalize.study.scores import read_scores
from deepfake_generalize.study.tables import CAPTIONS, check_table, table
from deepfake_generalize.types import DoubleArray
from deepfake_generalize.validation import check_unit

_FINDING_4_FRACTION = 1 / 16


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
        """The study's families in the order of Table IV, as its first training has them."""
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
    def trainings(self) -> list[Accuracies]:
        """Accuracies in percent of each training, under the first one's names, resampled alike."""
        found = resample_jointly(
            self.scored,
            n_resamples=self.config.analysis.resamples,
            seed=derived_seed(derived_seed(self.config.seed, "intervals"), "resampling"),
        )
        names: dict[int | None, dict[str, str]] = {}
        for family in all_families(self.config):
            own = {family.detector(kind): family.first.detector(kind) for kind in FINE_TUNINGS}
            names.setdefault(family.retrained, {}).update(own)
        return [seeds.renamed(found, own) for own in names.values()]

    @cached_property
    def accuracies(self) -> Accuracies:
        """Accuracies in percent, with their resamples: means over the trainings."""
        return seeds.mean_accuracies(self.trainings)

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
            effects = np.asarray(record["contribution"], float)
            what = f"the contributions of {record['detector']} on {record['set']}"
            of_detector[record["set"]] = check_unit(what, effects)
        return found

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
        ends = self.between_trainings.set_index("detector")[["lowest", "highest"]]
        return self.table("V").join(ends, on="detector")

    @cached_property
    def between_trainings(self) -> pd.DataFrame:
        """How the degradation of each detector varies, in points; over_videos: a standard error."""
        rows = []
        for name, family, _ in self.detectors:
            lost = [each.degradation(name, family.source, UNSEEN_SETS) for each in self.trainings]
            found, error = seeds.over_trainings(lost), np.std(np.mean(lost, axis=0)[1:], ddof=1)
            apart = (seeds.between_trainings(lost), error)
            rows.append((name, len(lost), found.estimate, *apart, found.low, found.high))
        columns = ("detector", "trainings", "degradation", "between_trainings", "over_videos")
        return pd.DataFrame(rows, columns=[*columns, "lowest", "highest"])

    @cached_property
    def findings(self) -> list[Finding]:
        """The paper's four findings, checked."""
        unseen = {
            key: values
            for key, values in self.similarities.items()
            if key.split("/")[1] in UNSEEN_SETS
        }
        return [
            findings.zero_shot_failure(
                self.families, self.trainings, self.config.analysis.smallest_loss
            ),
            findings.unwanted_properties(self.families, self.trainings, self.scored),
            findings.undiscriminating_features(
                unseen,
                n_resamples=self.config.analysis.resamples,
                seed=derived_seed(self.config.seed, "similarity interval"),
            ),
            findings.universal_neurons(self.contributions, _FINDING_4_FRACTION),
        ]
