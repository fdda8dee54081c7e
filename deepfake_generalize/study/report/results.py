"""What a study found, read back from its records and score files alone."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize import causal
from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.metrics import Resampling, decompose_degradation
from deepfake_generalize.metrics.resampling import Replicates, Scored, resample, standard_error
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
from deepfake_generalize.study.facts import in_table_order, short_name
from deepfake_generalize.study.paper_tables import CAPTIONS, Unit, measure, table, table_in
from deepfake_generalize.study.protocol import TABLE_SHARES, Protocol
from deepfake_generalize.study.published import check_table
from deepfake_generalize.study.report import findings, seeds
from deepfake_generalize.study.report.findings import Finding
from deepfake_generalize.study.report.intervals import with_intervals
from deepfake_generalize.study.report.what_helps import what_helps
from deepfake_generalize.study.scores import as_scored, by_video, read_scores
from deepfake_generalize.types import AnyArray, DoubleArray
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
                    hint="The folder's config.toml was altered (put it back), or the study is of "
                    "another version of the library: begin anew.",
                )
        return cls(folder, config, records)

    @cached_property
    def families(self) -> list[DetectorFamily]:
        """The study's families in the order of Table IV, as its first training has them."""
        order = in_table_order(self.config.architectures)
        return sorted(
            (family for family in all_families(self.config) if family.retrained is None),
            key=lambda family: (*order, family.architecture).index(family.architecture),
        )

    @property
    def trained(self) -> list[DetectorFamily]:
        """Those of them that the study has trained."""
        return [family for family in self.families if family.reference is None]

    @property
    def drawn(self) -> list[DetectorFamily]:
        """The families that have a Figure 2."""
        known = {record["key"] for record in self.of("maps")}
        return [family for family in self.families if family.name in known]

    @property
    def explained(self) -> list[DetectorFamily]:
        """The families that have a Figure 5."""
        known = self.contributions.keys()
        return [family for family in self.families if known & {*family.names.values()}]

    @property
    def protocol(self) -> Protocol:
        """What was asked."""
        return self.config.protocol

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
        """Return the records of one kind, but for what was left out."""
        return [record for record in of_kind(self.records, kind) if "left_out" not in record]

    @cached_property
    def left_out(self) -> dict[str, str]:
        """What no analysis could be made of, by name, to why."""
        found = {}
        for record in self.records:
            if "left_out" in record:
                what = {"maps": "heat maps", "similarity": "heat maps"}.get(
                    record["kind"], "neurons"
                )
                found[f"{record['key'].split('/')[0]}, {what}"] = record["left_out"]
        return found

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

        As `benchmark` makes them: the same scores have the same interval there. `of("auc")` gives
        the AUC, and that of the protocol's own metric where it is another.
        """
        return self._resampled(people=True)

    @cached_property
    def trainings_by_video(self) -> list[Replicates]:
        """The same over the mean scores of videos; none where these are not known."""
        return self._resampled(people=True, unit="video")

    def _resampled(self, *, people: bool, unit: Unit = "frame") -> list[Replicates]:
        """Resample videos, and with `people` who is in them, where that is known."""
        scored: dict[str, dict[str, Scored]] = {}
        for name, tables in self.scored.items():
            for key, rows in tables.items():
                table = rows if unit == "frame" else by_video(rows)
                if table is None:
                    return []
                of = as_scored(table[table["status"] == "ok"])
                scored.setdefault(name, {})[key] = (
                    of if people else dataclasses.replace(of, people=None)
                )
        resampling = Resampling(n_resamples=self.config.analysis.resamples)
        wanted = [*dict.fromkeys(("accuracy", "auc", self.protocol.metric))]
        found = resample(scored, wanted, resampling, scale=100.0)
        named = zip(*self._again.values(), strict=True)
        return [seeds.renamed(found, dict(zip(names, self._again, strict=True))) for names in named]

    @cached_property
    def _again(self) -> dict[str, list[str]]:
        """Detector to its names in all trainings; a finished one is the same in each."""
        found: dict[str, list[str]] = {}
        for family in all_families(self.config):
            for name, own in family.first.names.items():
                found.setdefault(own, []).append(family.detector(name))
        most = max(map(len, found.values()), default=1)
        return {name: names * (most // len(names)) for name, names in found.items()}

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
        named = [(each, name) for each in all_families(self.config) for name in each.names.values()]
        for family, name in named:
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
                for i in range(min((len(each["new_heads"]) for each in own.values()), default=0))
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
            (name, family, kind) for family in self.families for kind, name in family.names.items()
        ]

    def value(self, pair: tuple[str, str], metric: str, unit: Unit) -> float:
        """Return a metric in percent of (detector, set), NaN where it was not measured.

        With several trainings it is the mean over them.
        """
        detector, name = pair
        trainings = self.trainings if unit == "frame" else self.trainings_by_video
        each = [of.numbers.get((*pair, metric)) for of in trainings]
        if each and each[0] is not None:
            found = [100.0 * of[0, 0] for of in each if of is not None]
        else:
            scores = self.scored.get(name, {})
            known = [scores[again] for again in self._again[detector] if again in scores]
            found = [measure(scored, metric, unit) for scored in known]
        return round(float(np.mean(found)), 10) if found else nan

    def rows(self, value: Callable[[str, str], float]) -> pd.DataFrame:
        """Return a row a detector in the order of Table IV: what it is, its value on each set."""
        protocol = self.protocol
        asked = {name for source in protocol.sources for name in protocol.test_sets(source)[1:]}
        sets = [name for name in self.scored if name in asked]
        found = [
            {
                "detector": name,
                "architecture": family.layers,
                "training_dataset": family.source if family.reference is None else "elsewhere",
                "fine_tuning": short_name(kind) if family.reference is None else "finished",
                "source": family.source,
                "original_accuracy": value(name, family.source),
                **{key: value(name, key) for key in sets},
            }
            for name, family, kind in self.detectors
        ]
        missing = [key for key in protocol.names if key not in self.scored]
        return pd.DataFrame(found).assign(**dict.fromkeys(missing, nan))

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        rows = self.rows(lambda *of: self.value(of, "accuracy", "frame"))
        return {number: table(number, rows, protocol=self.protocol) for number in CAPTIONS}

    def table(self, number: str, metric: str = "accuracy", unit: Unit = "frame") -> pd.DataFrame:
        """Return one of the paper's tables of this study's detectors; see `Study.table`."""
        own = self._tables[check_table(number)]
        if (metric, unit) == ("accuracy", "frame"):
            return own
        rows = self.rows(lambda *of: self.value(of, metric, unit))
        return table_in(number, rows, metric, unit, set(own["detector"]), self.protocol)

    def with_intervals(
        self, number: str, metric: str = "accuracy", unit: Unit = "frame"
    ) -> pd.DataFrame:
        """Return the same with the 95 % interval of every number: NAME_low and NAME_high after it.

        Of accuracy, AUC and the protocol's own metric; NaN where there is none.
        """
        trainings = self.trainings if unit == "frame" else self.trainings_by_video
        return with_intervals(
            self.table(number, metric, unit),
            TABLE_SHARES.get(number, "nothing"),
            {name: family for name, family, _ in self.detectors},
            [each.of(metric) for each in trainings],
        )

    @cached_property
    def thresholds(self) -> pd.DataFrame:
        """One row a detector and unseen set, in percent: what its ranking and threshold lost.

        The columns are those of `metrics.decompose_degradation`, the most moved threshold first.
        """
        found = []
        for name, family, _ in self.detectors:
            pairs = {key: usable_pair(self.scored[key][name]) for key in family.analysed}
            known = self.validation.get(name)
            parts = decompose_degradation(
                pairs.pop(family.source),
                pairs,
                validation=None if known is None else usable_pair(known),
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
    def between_trainings(self) -> pd.DataFrame:
        """How the degradation of each detector varies, in points.

        over_videos is the standard error over videos, as if nobody were in two; over_people what
        it has to be increased by, as a root of sums of squares, for people who are.
        """
        rows = []
        several = len(self.trainings) > 1
        alone = self._resampled(people=False) if several else self.trainings
        for name, family, _ in self.detectors:
            lost, of_videos = (
                [each.degradation(name, family.source, family.unseen) for each in resampled]
                for resampled in (self.trainings, alone)
            )
            found = seeds.over_trainings(self.trainings, lost, family.analysed)
            whole = standard_error(np.mean(lost, axis=0), found.n) if found.n > 1 else nan
            n = min(alone[0].units[key].n for key in family.analysed)
            error = standard_error(np.mean(of_videos, axis=0), n) if n > 1 else nan
            known = any(self.trainings[0].units[key].unit == "people" for key in family.analysed)
            people = sqrt(max(0.0, whole**2 - error**2)) if known else nan
            apart = (seeds.between_trainings(lost), error, people)
            rows.append((name, len(lost), found.estimate, found.low, found.high, *apart))
        columns = ["detector", "trainings", "degradation", "degradation_low", "degradation_high"]
        parts = ["between_trainings", "over_videos", "over_people"]
        return pd.DataFrame(rows, columns=[*columns, *parts])

    @cached_property
    def what_helps(self) -> pd.DataFrame:
        """What each kind of detector gains over the originals."""
        return what_helps(self.families, self.trainings)

    @cached_property
    def findings(self) -> list[Finding]:
        """The paper's four findings, checked."""
        unseen = {
            key: values
            for key, values in self.similarities.items()
            if key.split("/")[1] in self.protocol.unseen
        }
        trained = {
            name
            for each in all_families(self.config)
            if not each.reference
            for name in each.names.values()
        }
        found = [
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
                {
                    name: self.overlaps(name, _FINDING_4_FRACTIONS)
                    for name in self.contributions
                    if name in trained
                }
            ),
        ]
        return [each.above_leaks() for each in found] if self.data["audit"]["leaks"] else found


def usable_pair(scores: pd.DataFrame) -> tuple[AnyArray, AnyArray]:
    """Return the labels and scores of the images that have a score."""
    usable = scores[scores["status"] == "ok"]
    return usable["label"].to_numpy(), usable["score"].to_numpy()


def _contribution(key: str, values: list[float]) -> DoubleArray:
    return check_unit(f"the contributions of {key}", np.asarray(values, float))
