"""What is measured on each set of a benchmark: frames and videos, in whole and in groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from deepfake_generalize.data.manifests import text_column, video_keys
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Interval, Resampling
from deepfake_generalize.metrics.resampling import Replicates, Scored, resample
from deepfake_generalize.metrics.weighted import (
    LIMITS,
    METRICS,
    WeightedScores,
    available,
    is_correct,
)
from deepfake_generalize.study.benchmarking.inputs import (
    ORIGINAL,
    ScoredSet,
    SetInput,
    load_scored_set,
)
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.published import published_degradations
from deepfake_generalize.study.scores import as_scored, by_video, unit_of
from deepfake_generalize.types import DoubleArray
from deepfake_generalize.validation import check_choice, check_mapping

Policy = Literal["exclude", "as-real", "as-fake", "as-chance"]

COVERAGE_WANTED = 0.99
"""Below this share of scored images, numbers of two detectors compare badly."""

_FILLED = {"as-real": 0.0, "as-fake": 1.0, "as-chance": 0.5}
_SAID = {
    "exclude": "left out",
    "as-real": "counted as called real",
    "as-fake": "counted as called fake",
    "as-chance": "counted as half right",
}
_FAILURES_NAMED = 3
THRESHOLD = 0.5
_UNITS = ("frame", "video")
_ONE_CLASS = {"accuracy_real": [0], "accuracy_fake": [1]}
_BEST_IF_LOW = frozenset({"eer", "brier_score", "log_loss"})
_CLASSES = ("reals", "fakes")


def counted(frame: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return the rows that count, each with a score and whether a coin decides it (`tie`).

    "exclude" leaves out the rows without a score; "as-real" gives them the score 0, "as-fake" 1,
    "as-chance" one half, which in an accuracy counts half right whatever the threshold.
    """
    scored = frame["status"] == "ok"
    if policy == "exclude":
        return frame[scored].assign(tie=False)
    filled = frame["score"].where(scored, _FILLED[policy])
    return frame.assign(score=filled, tie=~scored & (policy == "as-chance"))


def coverage_notes(scored: ScoredSet, policy: Policy) -> list[str]:
    """Say how many images of a set have no score, what counts for them, and why for the first."""
    failed = scored.frame[scored.frame["status"] != "ok"]
    if failed.empty:
        return []
    of = "video" if unit_of(failed) == "video" and "video" in failed else "path"
    named = [
        f"{'row ' + str(index) if pd.isna(row[of]) else row[of]}: {row['status']}"
        + (f" ({row['reason']})" if row["reason"] else "")
        for index, row in failed.head(_FAILURES_NAMED).iterrows()
    ]
    more = len(failed) - len(named)
    named += [f"and {more} more, in scores[{scored.name!r}]"] if more else []
    what = f"{len(failed)} of {len(scored.frame)} {unit_of(scored.frame)}s have no score"
    done = f"are {_SAID[policy]} (policy {policy!r})"
    return [f"{scored.name}: {what} and {done}: {'; '.join(named)}"]


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


def breakdown(
    scores: Mapping[str, SetInput],
    by: str,
    metric: str = "auc",
    *,
    unit: Literal["frame", "video"] = "frame",
    policy: Policy = "exclude",
    resampling: Resampling | None = Resampling(),  # noqa: B008  (it is frozen)
) -> pd.DataFrame:
    """Measure each group of a set by itself: what the mean over the set hides.

    By "method" the fakes of each stand beside all reals of their data sets; by any other column a
    group is the rows with the same text there.

    Args:
        scores: Name to scores, as `benchmark` takes them; may be score files.
        by: Any column of the scores, a user's own too.
        metric: accuracy, accuracy_real, accuracy_fake, balanced_accuracy, auc, average_precision,
            eer, tpr_at_fpr_1, tpr_at_fpr_5, brier_score or log_loss.
        unit: "frame", or "video": the mean score of each.
        policy: What counts for images without a score, as in `benchmark`.
        resampling: How intervals are made; None leaves them out.

    Returns:
        One row a group, the worst first: set, the column, n_frames, n_videos, n_people, and
        UNIT_METRIC with _low and _high, as in `Benchmark.metrics`. `.attrs["notes"]` names the
        groups that were left out for want of a class, and images without a group.

    Raises:
        InputError: No such column, metric or unit, or videos that are not named.
        UndefinedMetricError: No group has the classes that the metric needs.

    Examples:
        >>> rows = pd.DataFrame({
        ...     "label": [0, 0, 1, 1], "score": [0.1, 0.4, 0.9, 0.3],
        ...     "method": ["real", "real", "FaceSwap", "NeuralTextures"],
        ... })
        >>> breakdown({"FF++": rows}, "method", resampling=None)[["method", "frame_auc"]]
                   method  frame_auc
        0  NeuralTextures        0.5
        1        FaceSwap        1.0
    """
    check_choice("metric", metric, METRICS)
    check_choice("unit", unit, ("frame", "video"))
    groups, notes = _groups(scores, by, policy, _ONE_CLASS.get(metric, [0, 1]))
    if unit == "video" and any(video_keys(of.frame) is None for *_, of in groups):
        raise InputError(
            "expected every score to name its video, some do not.", hint='Pass unit="frame".'
        )
    measured = measure_sets([of for *_, of in groups], policy, resampling)
    found = measured.table.drop(columns="set")
    found.insert(0, "set", [name for name, *_ in groups])
    found.insert(1, by, [value for _, value, _ in groups])
    number = f"{unit}_{metric}"
    columns = ["set", by, "n_frames", "n_videos", "n_people", number]
    columns += [f"{number}_low", f"{number}_high"]
    found = found[columns].sort_values(number, ascending=metric not in _BEST_IF_LOW, kind="stable")
    found.attrs["notes"] = [*notes, *measured.notes]
    return found.reset_index(drop=True)


def gaps(
    scores: Mapping[str, SetInput],
    by: str,
    *,
    policy: Policy = "exclude",
    resampling: Resampling | None = Resampling(),  # noqa: B008
) -> pd.DataFrame:
    """Measure how unequally a detector treats groups of images, at a threshold of 0.5.

    Args:
        scores: As in `breakdown`.
        by: The column of the groups, such as gender or method.
        policy: As in `benchmark`.
        resampling: As in `breakdown`.

    Returns:
        Six rows a set, with the columns set, gap, value, low, high (fractions), n_groups and
        groups. With TPR the share of fakes called fake and FPR that of reals:

        - equal_opportunity: the highest TPR of a group less the lowest.
        - F_FPR: the sum over groups of how far the FPR is from that of all.
        - F_EO: the same of FPR and TPR together (equalized odds).
        - F_OAE: the highest accuracy less the lowest (overall accuracy equality).
        - F_DP: the highest share of images called fake less the lowest (demographic parity).
        - F_MEO: the larger of the spreads of TPR and FPR (maximum equalized odds).

        `.attrs["notes"]` is as in `breakdown`.

    Raises:
        InputError: No such column.
        UndefinedMetricError: No set has two groups with both classes.

    Reproduction notes:
        The names and formulas are those of AI-Face-FairnessBench, which has no intervals. A gap is
        never negative, so chance alone makes one: the smaller the groups the larger.
    """
    groups, notes = _groups(scores, by, policy, [0, 1])
    sampling = resampling or Resampling(n_resamples=1)
    replicates = measure_sets([of for *_, of in groups], policy, sampling).replicates
    rows = []
    for name in scores:
        own = [(value, of) for key, value, of in groups if key == name]
        if replicates is None or len(own) < 2:
            notes.append(f"{name} has no gaps: {len(own)} groups by {by} have both classes")
            continue
        rates = [
            np.stack([replicates.numbers["", of.name, metric] for _, of in own])
            for metric in ("accuracy_fake", "accuracy_real", "accuracy")
        ]
        labels = [counted(of.frame, policy)["label"] for _, of in own]
        counts = [np.array([(of == label).sum() for of in labels]) for label in (1, 0)]
        told = ", ".join(value for value, _ in own)
        for gap, values in _gaps(*rates, *counts).items():
            found = replicates.interval(values, [of.name for _, of in own])
            ends = (max(found.low, 0.0), found.high) if resampling else (math.nan, math.nan)
            rows.append((name, gap, found.estimate, *ends, len(own), told))
    if not rows:
        raise UndefinedMetricError("gaps are undefined for every set.", hint="; ".join(notes))
    table = pd.DataFrame(rows, columns=["set", "gap", "value", "low", "high", "n_groups", "groups"])
    table.attrs["notes"] = notes
    return table


def _gaps(
    hits: DoubleArray,
    passes: DoubleArray,
    right: DoubleArray,
    fakes: DoubleArray,
    reals: DoubleArray,
) -> dict[str, DoubleArray]:
    """Return each gap, from rates (groups, ways, resamples) and counts (groups,)."""
    fakes, reals = (of[:, np.newaxis, np.newaxis] for of in (fakes, reals))
    alarms = 1.0 - passes
    called = (fakes * hits + reals * alarms) / (fakes + reals)
    of_alarms = np.abs(alarms - (reals * alarms).sum(axis=0) / reals.sum()).sum(axis=0)
    of_hits = np.abs(hits - (fakes * hits).sum(axis=0) / fakes.sum()).sum(axis=0)
    spread, spread_of_alarms = np.ptp(hits, axis=0), np.ptp(alarms, axis=0)
    return {
        "equal_opportunity": spread,
        "F_FPR": of_alarms,
        "F_EO": of_alarms + of_hits,
        "F_OAE": np.ptp(right, axis=0),
        "F_DP": np.ptp(called, axis=0),
        "F_MEO": np.maximum(spread, spread_of_alarms),
    }


def _groups(
    scores: Mapping[str, SetInput], by: str, policy: Policy, needed: list[int]
) -> tuple[list[tuple[str, str, ScoredSet]], list[str]]:
    """Return (set, value, its rows) of every group with the classes needed, and who is missing."""
    found, notes = [], []
    for name, given in check_mapping("scores", scores, of="the name of a set to scores").items():
        whole = load_scored_set(name, given, "scores")
        if by not in whole.frame:
            raise InputError(
                f"expected a column to group the set {name} by, received {by!r}.",
                hint=f"There are {', '.join(map(str, whole.frame))}.",
            )
        of_value = dict(_parts(whole.frame, by))
        for value, rows in of_value.items():
            there = set(counted(rows, policy)["label"])
            if missing := [_CLASSES[label] for label in needed if label not in there]:
                notes.append(
                    f"{name}: {by} {value} is left out: it has no {' and no '.join(missing)}"
                )
            else:
                found.append((name, value, replace(whole, name=f"{name}, {value}", frame=rows)))
        rest = len(whole.frame) - len(set().union(*(rows.index for rows in of_value.values())))
        if rest:
            notes.append(f"{name}: {rest} images are in no group by {by}")
    if not found:
        raise UndefinedMetricError(
            f"the metric is undefined for every group by {by}.", hint="; ".join(notes)
        )
    return found, notes


def _parts(frame: pd.DataFrame, by: str) -> Iterator[tuple[str, pd.DataFrame]]:
    values, families = text_column(frame, by), text_column(frame, "dataset")
    chosen = frame["label"] == 1 if by == "method" else values != ""
    for value in sorted(set(values[chosen]) - {""}):
        own = chosen & (values == value)
        # As `select` does: fakes of a method are measured beside reals.
        beside = ~chosen & families.isin(families[own]) & (by == "method")
        yield value, frame[own | beside]
