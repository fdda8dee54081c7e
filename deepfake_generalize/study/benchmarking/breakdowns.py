"""Any metric of a set in parts: by method, by compression, by a column of the user's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from deepfake_generalize.data.manifests import text_column, video_keys
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.weighted import METRICS
from deepfake_generalize.study.benchmarking.inputs import ScoredSet, SetInput, load_scored_set
from deepfake_generalize.study.benchmarking.measure import measure_sets
from deepfake_generalize.study.benchmarking.missing_scores import Policy, counted
from deepfake_generalize.types import DoubleArray
from deepfake_generalize.validation import check_choice, check_mapping

_ONE_CLASS = {"accuracy_real": [0], "accuracy_fake": [1]}
_BEST_IF_LOW = frozenset({"eer", "brier_score", "log_loss"})
_CLASSES = ("reals", "fakes")


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
