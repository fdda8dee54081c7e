"""What a study found, read back from its records and score files alone."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize import causal
from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.metrics import Resampling, decompose_degradation
from deepfake_generalize.metrics.resampling import Replicates, resample, standard_error
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
from deepfake_generalize.study.scores import as_scored, read_scores
from deepfake_generalize.study.tables import (
    CAPTIONS,
    Unit,
    check_table,
    measure,
    table,
    table_in,
)
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
    def validation(self) -> dict[str, pd.DataFrame]:
        """Detector to its scores on its source's validation split."""
        return {
            record["detector"]: read_scores(self.folder / record["validation_scores"]).frame
            for record in self.of("evaluation")
            if "validation_scores" in record
        }

    @cached_property
    def trainings(self) -> list[Replicates]:
        """Accuracies in percent of each training, under the first one's names, resampled alike.

        As `benchmark` makes them: the same scores have the same interval there.
        """
        scored = {
            name: {key: as_scored(table[table["status"] == "ok"]) for key, table in tables.items()}
            for name, tables in self.scored.items()
        }
        resampling = Resampling(n_resamples=self.config.analysis.resamples)
        found = resample(scored, ["accuracy"], resampling, scale=100.0)
        names: dict[int | None, dict[str, str]] = {}
        for family in all_families(self.config):
            own = {family.detector(kind): family.first.detector(kind) for kind in FINE_TUNINGS}
            names.setdefault(family.retrained, {}).update(own)
        return [seeds.renamed(found, own) for own in names.values()]

    @cached_property
    def accuracies(self) -> Replicates:
        """Accuracies in percent, with their resamples: means over the trainings."""
        return seeds.mean_accuracies(self.trainings)

    @cached_property
    def similarities(self) -> dict[str, pd.DataFrame]:
        """Family and set, joined by a slash, to how alike each fake's heat maps are.

        Columns are what is compared and by which measure, such as ("floor", "ssim"), rows are named
        by the fakes' videos; NaN where two or more of the maps are empty.
        """
        found = {}
        for record in self.of("similarity"):
            columns = {
                (name, measure): values
                for name, compared in record["compared"].items()
                for measure, values in compared.items()
                if measure != "bins"
            }
            frame = pd.DataFrame(columns, index=record["videos"], dtype=float)
            numbers = frame.to_numpy()
            what = f"the similarities of {record['key']}"
            check_unit(what, numbers[~np.isnan(numbers)], least=-1.0)
            found[record["key"]] = frame
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
        everyone = all_families(self.config)
        for family, kind in itertools.product(everyone, FINE_TUNINGS):
            name = family.detector(kind)
            own = {each["set"]: each for each in self.of("causal") if each["detector"] == name}
            kinds = found.setdefault(name, {})
            for record in self.of("control"):
                if record["key"].split("/")[0] != family.first.name:
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
        return round(float(self.accuracies[detector, name][0, 0]), 10)

    def rows(self, value: Callable[[str, str], float]) -> pd.DataFrame:
        """Return a row a detector in the order of Table IV: what it is, its value on each set."""
        sets = [name for name in self.scored if name not in SOURCES]
        return pd.DataFrame(
            [
                {
                    "detector": name,
                    "architecture": architecture_facts(family.architecture).layers,
                    "training_dataset": family.source,
                    "fine_tuning": kind,
                    "original_accuracy": value(name, family.source),
                    **{key: value(name, key) for key in sets},
                }
                for name, family, kind in self.detectors
            ]
        ).assign(**{key: nan for key in SPECIALIZED_SETS if key not in self.scored})

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        rows = self.rows(self.accuracy)
        return {number: table(number, rows) for number in CAPTIONS}

    def table(self, number: str, metric: str = "accuracy", unit: Unit = "frame") -> pd.DataFrame:
        """Return one of the paper's tables of this study's detectors; see `Study.table`."""
        own = self._tables[check_table(number)]
        if (metric, unit) == ("accuracy", "frame"):
            return own

        def value(detector: str, name: str) -> float:
            scores = self.scored.get(name, {}).get(detector)
            return nan if scores is None else measure(scores, metric, unit)

        return table_in(number, self.rows(value), metric, unit, set(own["detector"]))

    @cached_property
    def thresholds(self) -> pd.DataFrame:
        """One row a detector and unseen set, in percent: what its ranking and threshold lost.

        The columns are those of `metrics.decompose_degradation`, the most moved threshold first.
        """
        found = []
        for name, family, _ in self.detectors:
            pairs = {key: _pair(self.scored[key][name]) for key in (family.source, *UNSEEN_SETS)}
            known = self.validation.get(name)
            parts = decompose_degradation(
                pairs.pop(family.source), pairs, validation=None if known is None else _pair(known)
            )
            found.append(parts.iloc[1:].assign(detector=name))
        table = pd.concat(found, ignore_index=True).sort_values(
            "threshold_moved", ascending=False, kind="stable", ignore_index=True
        )
        percent = table.select_dtypes("float").drop(columns="oracle_threshold").columns
        table[percent] = (100.0 * table[percent]).round(10)
        first = ["detector", "set", "auc", "accuracy", "validation_accuracy", "oracle_accuracy"]
        return table[[*first, "degradation", "ranking_lost", "threshold_moved"]].dropna(
            axis="columns", how="all"
        )

    @cached_property
    def table_v_with_intervals(self) -> pd.DataFrame:
        """Table V with each degradation's 95 % interval and its two parts, for a screen."""
        ends = self.between_trainings.set_index("detector")[["lowest", "highest"]]
        parts = self.thresholds.groupby("detector")[["ranking_lost", "threshold_moved"]].mean()
        return self.table("V").join(ends, on="detector").join(parts.round(10), on="detector")

    @cached_property
    def between_trainings(self) -> pd.DataFrame:
        """How the degradation of each detector varies, in points; over_videos: a standard error."""
        rows = []
        for name, family, _ in self.detectors:
            lost = [each.degradation(name, family.source, UNSEEN_SETS) for each in self.trainings]
            found = seeds.over_trainings(self.trainings, lost, (family.source, *UNSEEN_SETS))
            error = standard_error(np.mean(lost, axis=0), found.n) if found.n > 1 else nan
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
            findings.universal_neurons(
                {name: self.overlaps(name, _FINDING_4_FRACTIONS) for name in self.contributions}
            ),
        ]


def _pair(scores: pd.DataFrame) -> tuple[pd.Series[int], pd.Series[float]]:
    usable = scores[scores["status"] == "ok"]
    return usable["label"], usable["score"]


def _contribution(key: str, values: list[float]) -> DoubleArray:
    return check_unit(f"the contributions of {key}", np.asarray(values, float))
