"""What a study found, read back from its records and score files alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.study import findings
from deepfake_generalize.study.family import (
    DISPLAY,
    FINE_TUNINGS,
    SPECIALIZED,
    UNSEEN,
    Family,
    derived_seed,
)
from deepfake_generalize.study.records import RECORDS, of_kind, read_all
from deepfake_generalize.study.resampling import Accuracies, interval, resample
from deepfake_generalize.study.score_files import read_scores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from deepfake_generalize.study.config import StudyConfig
    from deepfake_generalize.study.findings import Finding
    from deepfake_generalize.types import DoubleArray

_DESCRIPTIONS = {
    "xception": "2-Conv 12-SeparableConv 1-SeparableConv 1-Dense",
    "mesoinception": "2-Inception 2-Conv 2-Dense",
    "mesonet": "4-Conv 2-Dense",
    "efficientnet_b0": "1-Conv 7-MBConv 1-Conv 1-Dense",
    "shallownet": "8-Conv 2-Dense",
}
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
        """Read the records of a run folder.

        Raises:
            DataMismatchError: Records of another configuration.
        """
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
    def families(self) -> list[Family]:
        """The study's families in the order of Table IV."""
        return [
            Family(architecture, source)
            for architecture in DISPLAY
            if architecture in self.config.architectures
            for source in self.config.sources
        ]

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
        return resample(
            self.scored,
            n_resamples=self.config.analysis.resamples,
            seed=derived_seed(self.config.seed, "intervals"),
        )

    @cached_property
    def similarities(self) -> dict[str, DoubleArray]:
        """Family and set, joined by a slash, to the similarity of each fake's heat maps."""
        return {each["key"]: np.asarray(each["values"]) for each in self.of("similarity")}

    @cached_property
    def contributions(self) -> dict[str, dict[str, DoubleArray]]:
        """Detector to set to the contribution of each neuron."""
        found: dict[str, dict[str, DoubleArray]] = {}
        for each in self.of("causal"):
            found.setdefault(each["detector"], {})[each["set"]] = np.asarray(each["contribution"])
        return found

    @cached_property
    def detectors(self) -> list[tuple[str, Family, str]]:
        """(name, family, fine-tuning) of every detector in the order of Table IV."""
        return [
            (family.detector(kind), family, kind)
            for family in self.families
            for kind in FINE_TUNINGS
        ]

    def accuracy(self, detector: str, name: str) -> float:
        """Return the accuracy in percent of a detector on a set."""
        return round(float(self.accuracies[detector, name][0]), 10)

    @cached_property
    def table_iv(self) -> pd.DataFrame:
        """The detectors and their original accuracies, columns as `published("IV")`."""
        rows = [
            {
                "detector": name,
                "architecture": _DESCRIPTIONS[family.architecture],
                "training_dataset": family.source,
                "fine_tuning": kind,
                "original_accuracy": self.accuracy(name, family.source),
            }
            for name, family, kind in self.detectors
        ]
        table = pd.DataFrame(rows)
        by_architecture = table.groupby("architecture")["original_accuracy"]
        return table.assign(average_accuracy=by_architecture.transform("mean"))

    @cached_property
    def table_v(self) -> pd.DataFrame:
        """Unseen sets, ranked by degradation, columns as `published("V")`."""
        table = pd.DataFrame([self._row(name, family) for name, family, _ in self.detectors])
        return _ranked(table, "degradation", ascending=True)

    @cached_property
    def table_v_with_intervals(self) -> pd.DataFrame:
        """Table V with the 95 % interval of each degradation, for readers on a screen."""
        source = {name: family.source for name, family, _ in self.detectors}
        found = [
            interval(self.accuracies.degradation(name, source[name], UNSEEN))
            for name in self.table_v["detector"]
        ]
        return self.table_v.assign(
            lowest=[each.low for each in found], highest=[each.high for each in found]
        )

    def _row(self, name: str, family: Family) -> dict[str, Any]:
        unseen = {key: self.accuracy(name, key) for key in UNSEEN}
        average = float(np.mean(list(unseen.values())))
        original = self.accuracy(name, family.source)
        return {
            "detector": name,
            "original_accuracy": original,
            **unseen,
            "average": average,
            "degradation": original - average,
        }

    @cached_property
    def table_vi(self) -> pd.DataFrame:
        """CELEB-M for CELEB-trained detectors that degrade by more than 30 points."""
        return self._specialized("CELEB")

    @cached_property
    def table_vii(self) -> pd.DataFrame:
        """FS-I and NT-I for F2F-trained detectors that degrade by more than 30 points."""
        return self._specialized("F2F")

    def _specialized(self, source: str) -> pd.DataFrame:
        sets = SPECIALIZED[source]
        rows = []
        for name, family, _ in self.detectors:
            row = self._row(name, family)
            if family.source != source or row["degradation"] <= findings.POOR:
                continue
            special = {key: self.accuracy(name, key) for key in sets}
            average = float(np.mean(list(special.values())))
            lost = row["original_accuracy"] - average
            row |= special
            if len(sets) > 1:
                row["specialized_average"] = average
            row["specialized_degradation"] = lost
            row["degradation_difference"] = row["degradation"] - lost
            rows.append(row)
        columns = ["detector", "original_accuracy", *UNSEEN, "average", "degradation", *sets]
        columns += ["specialized_average"] if len(sets) > 1 else []
        columns += ["specialized_degradation", "degradation_difference"]
        return _ranked(pd.DataFrame(rows, columns=columns), "degradation_difference")

    @cached_property
    def findings(self) -> list[Finding]:
        """The paper's four findings, checked."""
        unseen = {
            key: values for key, values in self.similarities.items() if key.split("/")[1] in UNSEEN
        }
        return [
            findings.zero_shot_failure(self.families, self.accuracies),
            findings.unwanted_properties(self.families, self.accuracies),
            findings.undiscriminating_features(
                unseen,
                n_resamples=self.config.analysis.resamples,
                seed=derived_seed(self.config.seed, "similarity interval"),
            ),
            findings.universal_neurons(self.contributions, _FINDING_4_FRACTION),
        ]


def _ranked(table: pd.DataFrame, column: str, *, ascending: bool = False) -> pd.DataFrame:
    ordered = table.sort_values(column, ascending=ascending, kind="stable").reset_index(drop=True)
    ordered.insert(0, "rank", range(1, len(ordered) + 1))
    return ordered
