"""What is measured on each set of a benchmark: frames and videos, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize.errors import UndefinedMetricError
from deepfake_generalize.metrics.degradation_intervals import (
    ResampledAccuracy,
    degradation_difference_from,
    degradation_from,
    resampled_accuracy,
    streams,
)
from deepfake_generalize.metrics.intervals import right_calls
from deepfake_generalize.study.benchmarking.missing_scores import counted
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.tables import published_degradations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deepfake_generalize.metrics import Interval, Resampling
    from deepfake_generalize.study.benchmarking.inputs import ScoredSet
    from deepfake_generalize.study.benchmarking.missing_scores import Policy

THRESHOLD = 0.5
_METRICS = ("accuracy", "accuracy_real", "accuracy_fake", "auc", "average_precision", "eer")
_VIDEO_KEY = ("dataset", "method", "video")


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured on all sets.

    Attributes:
        accuracies: Set to its accuracy over images, in percent.
        table: One row a set; see `Benchmark.metrics`.
        resampled: Set to its accuracy in every resample; empty without intervals.
        notes: What a reader of the intervals must know.
    """

    accuracies: Mapping[str, float]
    table: pd.DataFrame
    resampled: Mapping[str, ResampledAccuracy]
    notes: tuple[str, ...]


def measure_sets(
    sets: Sequence[ScoredSet], policy: Policy, resampling: Resampling | None
) -> Measured:
    """Measure every set, each with a random stream of its own.

    Args:
        sets: The scored sets.
        policy: What counts for images without a score, and for videos of which no image has one.
        resampling: How intervals are made; None makes none.
    """
    own = [None] * len(sets) if resampling is None else streams(resampling, len(sets))
    accuracies, rows, resampled = {}, [], {}
    unnamed = []
    for one, stream in zip(sets, own, strict=True):
        frames = counted(one.frame, policy)
        groups = video_names(frames)
        if groups is None:
            unnamed.append(one.name)
        scored = _scored(frames, groups)
        right = _right(scored)
        accuracies[one.name] = clean(100.0 * float(right.mean()))
        row: dict[str, Any] = {"set": one.name, "n_frames": len(frames)}
        row |= _prefixed("frame", scored, stream)
        if groups is not None:
            videos = _videos(one.frame, policy)
            row |= {"n_videos": len(videos)}
            row |= _prefixed("video", _scored(videos, None), stream)
        rows.append(row)
        if stream is not None:
            try:
                resampled[one.name] = resampled_accuracy(
                    scored, threshold=THRESHOLD, resampling=stream
                )
            except UndefinedMetricError:
                continue
    return Measured(accuracies, _in_order(rows), resampled, _notes(unnamed, resampling))


def row_intervals(
    measured: Measured,
    original: str,
    unseen: Sequence[str],
    specialized: Sequence[str],
    resampling: Resampling | None,
) -> tuple[dict[str, Interval], tuple[int, int] | None]:
    """Return the interval of every number of the row, in percent, and that of the rank.

    Args:
        measured: What was measured.
        original: The name of the original set.
        unseen: The names of the unseen sets.
        specialized: The names of the specialized sets.
        resampling: The same as for measuring; None gives nothing.

    Returns:
        Column to interval, empty where a set has no intervals; and the ranks that the interval of
        the degradation reaches, None where there is no rank.
    """
    if resampling is None or len(measured.resampled) < 1 + len(unseen) + len(specialized):
        return {}, None
    values = measured.resampled
    base, others = values[original], [values[name] for name in unseen]
    special = [values[name] for name in specialized]
    found = {"original_accuracy": _interval(base, resampling)}
    found |= {name: _interval(values[name], resampling) for name in unseen}
    found["average"] = _mean(others, resampling)
    found["degradation"] = degradation_from(base, others, resampling)
    if special:
        found |= {name: _interval(values[name], resampling) for name in specialized}
        if len(special) > 1:
            found["specialized_average"] = _mean(special, resampling)
        found["specialized_degradation"] = degradation_from(base, special, resampling)
        found["degradation_difference"] = degradation_difference_from(
            base, others, special, resampling
        )
    percent = {
        name: metrics.Interval(*(clean(100.0 * end) for end in (one.estimate, one.low, one.high)))
        for name, one in found.items()
    }
    if set(unseen) != set(UNSEEN_SETS):
        return percent, None
    theirs = np.sort(published_degradations())
    ends = [percent["degradation"].low, percent["degradation"].high]
    low, high = 1 + np.searchsorted(theirs, np.round(ends, 6), side="left")
    return percent, (int(low), int(high))


def clean(percent: float) -> float:
    """Take off the noise of float arithmetic: 57.99999999999999 is 58."""
    return round(percent, 10)


def video_names(frames: pd.DataFrame) -> pd.Series[str] | None:
    """Return a name for the video of every row, or None where a row has none.

    A video is known by its dataset, its method, its name and its label together.
    """
    if "video" not in frames or frames["video"].isna().any():
        return None
    names = frames["label"].astype(str)
    for column in _VIDEO_KEY:
        if column in frames:
            names = names + "\t" + frames[column].astype("string").fillna("").astype(str)
    return names


def _videos(frame: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return one row a video: the mean over its scored frames, else what the policy says."""
    keyed = frame.assign(dataset="", method="", video=video_names(frame))
    scored = keyed[keyed["status"] == "ok"]
    videos = metrics.to_videos(scored).assign(status="ok")
    silent = keyed[~keyed["video"].isin(scored["video"])].drop_duplicates("video")
    columns = ["label", "score", "status"]
    if len(silent):
        videos = pd.concat([videos[columns], silent[columns]], ignore_index=True)
    return counted(videos[columns], policy)


def _scored(rows: pd.DataFrame, groups: pd.Series[str] | None) -> metrics.Scored:
    return metrics.Scored(
        rows["label"].to_numpy(),
        rows["score"].to_numpy(),
        groups=None if groups is None else groups.to_numpy(),
        undecided=rows["undecided"].to_numpy(),
    )


def _right(scored: metrics.Scored) -> Any:
    return right_calls(
        np.asarray(scored.labels),
        np.asarray(scored.scores),
        threshold=THRESHOLD,
        undecided=scored.undecided,
    )


def _prefixed(
    prefix: str, scored: metrics.Scored, resampling: Resampling | None
) -> dict[str, float]:
    """Return every metric that exists, as PREFIX_NAME, with _low and _high where it varies."""
    if resampling is not None:
        try:
            found = metrics.bootstrap_intervals(
                scored.labels,
                scored.scores,
                groups=scored.groups,
                threshold=THRESHOLD,
                undecided=scored.undecided,
                level=resampling.level,
                n_resamples=resampling.n_resamples,
                seed=resampling.seed,
            )
        except UndefinedMetricError:
            return _estimates(prefix, scored)
        return {
            f"{prefix}_{name}{suffix}": value
            for name, one in found.items()
            for suffix, value in (("", one.estimate), ("_low", one.low), ("_high", one.high))
        }
    return _estimates(prefix, scored)


def _estimates(prefix: str, scored: metrics.Scored) -> dict[str, float]:
    right, labels = _right(scored), np.asarray(scored.labels)
    found = {"accuracy": float(right.mean())}
    for label, name in enumerate(("real", "fake")):
        if (labels == label).any():
            found[f"accuracy_{name}"] = float(right[labels == label].mean())
    if len(set(labels)) > 1:
        ranked = (metrics.auc, metrics.average_precision, metrics.eer)
        found |= {metric.__name__: metric(labels, scored.scores) for metric in ranked}
    return {f"{prefix}_{name}": value for name, value in found.items()}


def _in_order(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    columns = ["set", "n_frames", "n_videos"]
    columns += [
        f"{unit}_{name}{suffix}"
        for unit in ("frame", "video")
        for name in _METRICS
        for suffix in ("", "_low", "_high")
    ]
    table = table.reindex(columns=[name for name in columns if name in table or "_l" not in name])
    return table[[name for name in table if name in columns]].astype({"n_videos": "Int64"})


def _interval(one: ResampledAccuracy, resampling: Resampling) -> Interval:
    return resampling.interval(one.estimate, one.values)


def _mean(sets: Sequence[ResampledAccuracy], resampling: Resampling) -> Interval:
    estimate = float(np.mean([one.estimate for one in sets]))
    resampled = np.stack([one.values for one in sets])  # noqa: PD011
    return resampling.interval(estimate, resampled.mean(axis=0))


def _notes(unnamed: Sequence[str], resampling: Resampling | None) -> tuple[str, ...]:
    if not unnamed or resampling is None:
        return ()
    note = (
        f"{', '.join(unnamed)}: no videos are named, so intervals are over single images; frames "
        "of one video are alike, which makes them too narrow"
    )
    return (note,)
