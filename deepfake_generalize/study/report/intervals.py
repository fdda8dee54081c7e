"""The paper's tables with the 95 % interval of every number beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from deepfake_generalize.metrics import Interval
from deepfake_generalize.metrics.resampling import Replicates
from deepfake_generalize.study.experiment import DetectorFamily
from deepfake_generalize.study.protocol import Sharing
from deepfake_generalize.study.report.seeds import over_trainings
from deepfake_generalize.types import AnyArray

Pairs = dict[tuple[str, str], float]
"""(detector, set) to what its number is multiplied by in a sum."""


def with_intervals(
    frame: pd.DataFrame,
    shares: Sharing,
    families: Mapping[str, DetectorFamily],
    trainings: Sequence[Replicates],
) -> pd.DataFrame:
    """Return a table of `Study.table` with NAME_low and NAME_high after each column of numbers.

    Args:
        frame: The table; NAME_low and NAME_high are NaN where a number has no interval.
        shares: What its specialized sets share with the source.
        families: Detector to family.
        trainings: Of its metric and unit, in percent.
    """
    columns: dict[str, object] = {}
    for column, values in frame.items():
        columns[str(column)] = values
        if values.dtype.kind == "f":
            found = [
                interval_of(trainings, _sum_of(str(column), name, families, shares))
                for name in frame["detector"]
            ]
            columns[f"{column}_low"] = [each.low for each in found]
            columns[f"{column}_high"] = [each.high for each in found]
    return pd.DataFrame(columns, index=frame.index)


def interval_of(trainings: Sequence[Replicates], pairs: Pairs) -> Interval:
    """Return a sum of detectors' numbers on sets with its interval; NaN where one is not known."""
    if not pairs or not all(pair in trainings[0] for pair in pairs):
        return Interval(math.nan, math.nan, math.nan)
    sums = [
        np.sum([weight * each[pair] for pair, weight in pairs.items()], axis=0)
        for each in trainings
    ]
    sets = dict.fromkeys(key for _, key in pairs)
    if sum(pairs.values()) > 0.5:
        return over_trainings(trainings, sums, sets, within=(0.0, 100.0))
    # A difference: the weights add up to nothing. An EER grows as a detector gets worse.
    sign = -1 if trainings[0].metric == "eer" else 1
    return over_trainings(trainings, [sign * each for each in sums], sets)


def apart(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, tuple[AnyArray, AnyArray]]]:
    """Return a table without NAME_low and NAME_high, and these, by NAME."""
    names = [str(name) for name in frame if f"{name}_low" in frame]
    ends = {
        name: (frame[f"{name}_low"].to_numpy(), frame[f"{name}_high"].to_numpy()) for name in names
    }
    return frame.drop(columns=[f"{name}_{end}" for name in names for end in ("low", "high")]), ends


def _sum_of(
    column: str, name: str, families: Mapping[str, DetectorFamily], shares: Sharing
) -> Pairs:
    """Return what a column of the paper's tables is the sum of."""
    family = families[name]
    home, unseen = (family.source,), family.unseen
    special = family.protocol.sources[family.source].sharing(shares)
    plus, minus = {
        "average": (unseen, ()),
        "degradation": (home, unseen),
        "specialized_average": (special, ()),
        "specialized_degradation": (home, special),
        "degradation_difference": (special, unseen),
    }.get(column, (home if column.startswith("original_") else (column,), ()))
    if column.startswith("average_"):  # Over the detectors of one architecture.
        alike = [
            other
            for other, of in families.items()
            if of.layers == family.layers and other in of.congenetic.values()
        ]
        return {(other, families[other].source): 1 / len(alike) for other in alike}
    added = {(name, key): 1 / len(plus) for key in plus}
    return added | {(name, key): -1 / len(minus) for key in minus}
