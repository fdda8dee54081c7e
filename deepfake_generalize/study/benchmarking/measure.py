"""What is measured on each set of a benchmark: frames and videos, with intervals."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize.data.manifests import video_keys
from deepfake_generalize.errors import UndefinedMetricError
from deepfake_generalize.metrics import Interval, Resampling
from deepfake_generalize.metrics.degradation import Scored, resampled_accuracy, streams
from deepfake_generalize.metrics.intervals import METRICS, is_correct
from deepfake_generalize.study.benchmarking.inputs import ORIGINAL, ScoredSet
from deepfake_generalize.study.benchmarking.missing_scores import Policy, counted
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.tables import published_degradations
from deepfake_generalize.types import DoubleArray

THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured on all sets.

    Attributes:
        accuracies: Set to its accuracy over images, in percent.
        table: One row a set; see `Benchmark.metrics`.
        resampled: Set to (1 + resamples,), its accuracy (a fraction) and that of every resample;
            only sets that can be resampled.
        notes: What a reader of the intervals must know.
    """

    accuracies: Mapping[str, float]
    table: pd.DataFrame
    resampled: Mapping[str, DoubleArray]
    notes: tuple[str, ...]


def measure_sets(
    sets: Sequence[ScoredSet], policy: Policy, resampling: Resampling | None
) -> Measured:
    """Measure every set, each with a random stream of its own; no intervals without `resampling`.

    `policy` says what counts for images without a score, and for videos of which no image has one.
    """
    own = [None] * len(sets) if resampling is None else streams(resampling, len(sets))
    accuracies, rows, resampled = {}, [], {}
    unnamed = []
    for scored_set, stream in zip(sets, own, strict=True):
        name, frames = scored_set.name, counted(scored_set.frame, policy)
        videos = video_keys(frames)
        scored = _scored(frames, videos)
        accuracies[name] = clean(100.0 * float(_right(scored).mean()))
        row: dict[str, Any] = {"set": name, "n_frames": len(frames)}
        row |= _measure("frame", scored, stream)
        if videos is None:
            unnamed.append(name)
        else:
            by_video = _videos(scored_set.frame, policy)
            row |= {"n_videos": len(by_video)}
            row |= _measure("video", _scored(by_video, None), stream)
        rows.append(row)
        if stream is not None:
            with contextlib.suppress(UndefinedMetricError):
                found = resampled_accuracy(scored, threshold=THRESHOLD, resampling=stream)
                resampled[name] = np.array([found.estimate, *found.values])  # noqa: PD011
    note = (
        f"{', '.join(unnamed)}: no videos are named, so intervals are over single images; frames "
        "of one video are alike, which makes them too narrow"
    )
    notes = (note,) if unnamed and resampling is not None else ()
    return Measured(accuracies, _in_order(rows), resampled, notes)


def row_intervals(
    measured: Measured,
    unseen: Sequence[str],
    specialized: Sequence[str],
    resampling: Resampling | None,
) -> tuple[dict[str, Interval], tuple[int, int] | None]:
    """Return the interval of every number of the row, in percent, and the ranks it reaches.

    Empty where a set has no interval; None where there is no rank.
    """
    values = measured.resampled
    if resampling is None or len(values) < 1 + len(unseen) + len(specialized):
        return {}, None
    base = values[ORIGINAL]
    average = np.mean([values[name] for name in unseen], axis=0)
    columns = {"original_accuracy": base, **{name: values[name] for name in unseen}}
    columns |= {"average": average, "degradation": base - average}
    if specialized:
        near = np.mean([values[name] for name in specialized], axis=0)
        columns |= {name: values[name] for name in specialized}
        if len(specialized) > 1:
            columns["specialized_average"] = near
        columns |= {"specialized_degradation": base - near}
        columns |= {"degradation_difference": near - average}
    percent = {}
    for name, numbers in columns.items():
        found = resampling.interval(float(numbers[0]), numbers[1:])
        ends = (found.estimate, found.low, found.high)
        percent[name] = metrics.Interval(*(clean(100.0 * end) for end in ends))
    if set(unseen) != set(UNSEEN_SETS):
        return percent, None
    theirs = np.sort(published_degradations())
    lost = [percent["degradation"].low, percent["degradation"].high]
    low, high = 1 + np.searchsorted(theirs, np.round(lost, 6), side="left")
    return percent, (int(low), int(high))


def clean(percent: float) -> float:
    """Take off the noise of float arithmetic: 57.99999999999999 is 58."""
    return round(percent, 10)


def _videos(frame: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return one row a video: the mean over its scored frames, else what the policy says."""
    keyed = frame.assign(dataset="", method="", video=video_keys(frame))
    scored = keyed[keyed["status"] == "ok"]
    videos = metrics.to_videos(scored).assign(status="ok")
    silent = keyed[~keyed["video"].isin(scored["video"])].drop_duplicates("video")
    columns = ["label", "score", "status"]
    if len(silent):
        videos = pd.concat([videos[columns], silent[columns]], ignore_index=True)
    return counted(videos[columns], policy)


def _scored(rows: pd.DataFrame, groups: pd.Series[str] | None) -> Scored:
    return Scored(
        rows["label"].to_numpy(),
        rows["score"].to_numpy(),
        groups=None if groups is None else groups.to_numpy(),
        tie=rows["tie"].to_numpy(),
    )


def _right(scored: Scored) -> DoubleArray:
    labels, scores = np.asarray(scored.labels), np.asarray(scored.scores)
    return is_correct(labels, scores, threshold=THRESHOLD, tie=scored.tie)


def _measure(prefix: str, scored: Scored, resampling: Resampling | None) -> dict[str, float]:
    """Return every metric that exists, as PREFIX_NAME, with _low and _high where it varies."""
    labels = np.asarray(scored.labels)
    if resampling is not None:
        with contextlib.suppress(UndefinedMetricError):
            found = metrics.bootstrap_interval(
                METRICS,
                labels,
                scored.scores,
                groups=scored.groups,
                threshold=THRESHOLD,
                tie=scored.tie,
                level=resampling.level,
                n_resamples=resampling.n_resamples,
                seed=resampling.seed,
            )
            return {
                f"{prefix}_{name}{end}": value
                for name, of in found.items()
                for end, value in (("", of.estimate), ("_low", of.low), ("_high", of.high))
            }
    right = _right(scored)
    estimates = {"accuracy": float(right.mean())}
    for label, name in enumerate(("real", "fake")):
        if (labels == label).any():
            estimates[f"accuracy_{name}"] = float(right[labels == label].mean())
    if len(set(labels)) > 1:
        ranked = [name for name in METRICS if name in metrics.__all__ and name not in estimates]
        estimates |= {name: getattr(metrics, name)(labels, scored.scores) for name in ranked}
    return {f"{prefix}_{name}": value for name, value in estimates.items()}


def _in_order(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = ["set", "n_frames", "n_videos"]
    columns += [
        f"{unit}_{name}{end}"
        for unit in ("frame", "video")
        for name in METRICS
        for end in ("", "_low", "_high")
    ]
    return pd.DataFrame(rows).reindex(columns=columns).astype({"n_videos": "Int64"})
