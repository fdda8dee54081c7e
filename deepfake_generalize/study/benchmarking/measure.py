"""What is measured on each set of a benchmark: frames and videos, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize.data.manifests import text_column
from deepfake_generalize.metrics import Interval, Resampling
from deepfake_generalize.metrics.resampling import Replicates, Scored, resample
from deepfake_generalize.metrics.weighted import (
    LIMITS,
    METRICS,
    WeightedScores,
    available,
    is_correct,
)
from deepfake_generalize.study.benchmarking.inputs import ORIGINAL, ScoredSet
from deepfake_generalize.study.benchmarking.missing_scores import Policy, counted
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.scores import as_scored, by_video, unit_of
from deepfake_generalize.study.tables import published_degradations

THRESHOLD = 0.5
_UNITS = ("frame", "video")


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured on all sets: accuracies and replicates of images (percent), a table."""

    accuracies: Mapping[str, float]
    table: pd.DataFrame
    replicates: Replicates | None
    notes: tuple[str, ...]


def measure_sets(
    sets: Sequence[ScoredSet], policy: Policy, resampling: Resampling | None
) -> Measured:
    """Measure every set, all resampled together; no intervals without `resampling`."""
    frames = {of.name: counted(of.frame, policy) for of in sets}
    named = {of.name: by_video(of.frame) for of in sets}
    videos = {name: counted(of, policy) for name, of in named.items() if of is not None}
    rows: dict[str, dict[str, Any]] = {
        name: {"set": name, "n_frames": _frame_count(of)} for name, of in frames.items()
    }
    for name, of in videos.items():
        people = set(text_column(of, "target_identity")) - {""}
        rows[name] |= {"n_videos": len(of), "n_people": len(people) or None}
    replicates = []
    for unit, tables in zip(_UNITS, (frames, videos), strict=True):
        scored = {name: as_scored(of) for name, of in tables.items()}
        found = None
        if resampling is not None and scored:
            given = {name: {"": of} for name, of in scored.items()}
            found = resample(given, METRICS, resampling, threshold=THRESHOLD, scale=100.0)
        for name, own in scored.items():
            rows[name] |= _measure(unit, name, own, found)
        replicates.append(found)
    accuracies = {name: clean(100.0 * row["frame_accuracy"]) for name, row in rows.items()}
    unnamed = [name for name in frames if name not in videos]
    notes = _notes(replicates[0], unnamed)
    return Measured(accuracies, _in_order([*rows.values()]), replicates[0], notes)


def _frame_count(rows: pd.DataFrame) -> int:
    if unit_of(rows) == "image":
        return len(rows)
    return int(pd.to_numeric(rows["n_frames"], errors="coerce").sum())


def _notes(replicates: Replicates | None, unnamed: Sequence[str]) -> tuple[str, ...]:
    if replicates is None:
        return ()
    notes = []
    if unnamed:
        notes.append(
            f"{', '.join(unnamed)}: no videos are named, so intervals are over single images; "
            "frames of one video are alike, which makes them too narrow"
        )
    few: dict[str, list[str]] = {}
    for name in replicates.units:
        note = replicates.interval(np.zeros((1, 2)), [name]).note
        few.setdefault(note, []).append(name)
    return (*notes, *(f"{', '.join(names)}: {note}" for note, names in few.items() if note))


def row_intervals(
    measured: Measured, unseen: Sequence[str], specialized: Sequence[str]
) -> tuple[dict[str, Interval], tuple[int, int] | None]:
    """Return the interval of every number of the row, in percent, and the ranks it reaches."""
    values = measured.replicates
    if values is None:
        return {}, None
    base = values["", ORIGINAL]
    found = {
        name: values.interval(values["", name], [name], within=(0.0, 100.0))
        for name in (*unseen, *specialized)
    }
    found["original_accuracy"] = values.interval(base, [ORIGINAL], within=(0.0, 100.0))
    for sets, prefix in ((unseen, ""), (specialized, "specialized_")):
        if sets:
            lost = values.degradation("", ORIGINAL, sets)
            if prefix == "" or len(sets) > 1:
                mean = values.interval(base - lost, sets, within=(0.0, 100.0))
                found[f"{prefix}average"] = mean
            found[f"{prefix}degradation"] = values.interval(lost, (ORIGINAL, *sets))
    if specialized:
        gained = values.degradation("", ORIGINAL, unseen)
        gained = gained - values.degradation("", ORIGINAL, specialized)
        found["degradation_difference"] = values.interval(gained, (*unseen, *specialized))
    known = {
        name: replace(of, estimate=clean(of.estimate), low=clean(of.low), high=clean(of.high))
        for name, of in found.items()
        if not np.isnan(of.low)
    }
    if set(unseen) != set(UNSEEN_SETS) or "degradation" not in known:
        return known, None
    theirs = np.sort(published_degradations())
    reached = [known["degradation"].low, known["degradation"].high]
    low, high = 1 + np.searchsorted(theirs, np.round(reached, 6), side="left")
    return known, (int(low), int(high))


def clean(percent: float) -> float:
    """Take off the noise of float arithmetic: 57.99999999999999 is 58."""
    return round(percent, 10)


def _measure(
    unit: str, name: str, scored: Scored, replicates: Replicates | None
) -> dict[str, float]:
    """Return every metric that exists, as UNIT_NAME, with _low and _high where it varies."""
    labels, scores = np.asarray(scored.labels), np.asarray(scored.scores)
    exist = available(labels, METRICS)
    if replicates is None:
        right = is_correct(labels, scores, threshold=THRESHOLD, tie=scored.tie)
        codes = np.arange(len(labels))
        weighted = WeightedScores(labels, scores, right, codes, len(labels))
        return {f"{unit}_{metric}": weighted.itself(metric) for metric in exist}
    row = {}
    for metric in exist:
        numbers = replicates.numbers["", name, metric]
        found = replicates.interval(numbers, [name], within=LIMITS[metric])
        row[f"{unit}_{metric}"] = found.estimate
        row |= {f"{unit}_{metric}_low": found.low, f"{unit}_{metric}_high": found.high}
    return row


def _in_order(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = ["set", "n_frames", "n_videos", "n_people"]
    columns += [
        f"{unit}_{name}{end}"
        for unit in _UNITS
        for name in METRICS
        for end in ("", "_low", "_high")
    ]
    found = pd.DataFrame(rows).reindex(columns=columns)
    return found.astype({"n_videos": "Int64", "n_people": "Int64"})
