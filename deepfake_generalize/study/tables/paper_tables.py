"""Tables IV to VII of many detectors, from their accuracies: averages, degradations, ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import degradation, degradation_difference, ranks
from deepfake_generalize.study.protocol import (
    POOR_POINTS,
    SOURCES,
    UNSEEN_SETS,
    is_poor,
    source_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def table_iv(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Table IV: the detectors and their accuracy on their own test set.

    Args:
        rows: One row a detector: detector, architecture, training_dataset, fine_tuning and
            original_accuracy in percent.

    Returns:
        These columns and average_accuracy, of the architecture's detectors; the architectures in
        order of it, the best first, their detectors as they came.

    Raises:
        InputError: A column is missing.

    Examples:
        >>> from deepfake_generalize.study import published
        >>> table_iv(published("IV").drop(columns="average_accuracy"))["detector"].tolist()[:2]
        ['XceptionNet1', 'XceptionNet2']
    """
    columns = ["detector", "architecture", "training_dataset", "fine_tuning", "original_accuracy"]
    table = _columns(rows, columns)
    by_architecture = table.groupby("architecture", sort=False)["original_accuracy"]
    table["average_accuracy"] = by_architecture.transform("mean").round(10)
    return table.sort_values("average_accuracy", ascending=False, kind="stable", ignore_index=True)


def table_v(rows: pd.DataFrame, *, unseen: Sequence[str] = UNSEEN_SETS) -> pd.DataFrame:
    """Return Table V: unseen sets, ranked by degradation, the least first.

    Args:
        rows: One row a detector: detector, original_accuracy and the unseen sets, in percent.
        unseen: Their names.

    Returns:
        rank, detector, original_accuracy, the unseen sets, average, degradation. Equal
        degradations share the better rank.

    Raises:
        InputError: A column is missing, or an accuracy is no percentage.

    Examples:
        >>> from deepfake_generalize.study import published
        >>> table_v(published("V"))[["rank", "detector", "average"]].head(2).values.tolist()
        [[1, 'ShallowNet6', 65.85], [2, 'ShallowNet2', 62.95]]
    """
    table = _columns(rows, ["detector", "original_accuracy", *unseen])
    lost = [
        degradation(original, values, unit="percent")
        for original, values in zip(
            table["original_accuracy"], table[list(unseen)].to_numpy(), strict=True
        )
    ]
    table["average"] = (table["original_accuracy"] - lost).round(10)
    table["degradation"] = pd.Series(lost, dtype=float).round(10)
    return _ranked(table, "degradation", best="low")


def table_vi(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Table VI: detectors trained on CELEB, on the set made by the same method.

    Args:
        rows: One row a detector: detector, training_dataset, original_accuracy, FS, NT, DF, DFD
            and CELEB-M, in percent; CELEB-M may be NaN for detectors that are not in the table.

    Returns:
        The detectors trained on CELEB that degrade by more than 30 points, ranked by degradation
        difference, the largest first; columns as in `published("VI")`. No rows where none does.

    Raises:
        InputError: A column is missing, or an accuracy is no percentage.

    Reproduction notes:
        Section IV-B. The paper writes "performance degradation over 30%"; percentage points are
        meant, as its tables show.
    """
    return _specialized(rows, "VI")


def table_vii(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Table VII: detectors trained on F2F, on the sets with the same people.

    Args:
        rows: One row a detector, as for `table_vi` with FS-I and NT-I in place of CELEB-M.

    Returns:
        The detectors trained on F2F that degrade by more than 30 points, ranked by degradation
        difference, the largest first; columns as in `published("VII")`. No rows where none does.

    Raises:
        InputError: A column is missing, or an accuracy is no percentage.
    """
    return _specialized(rows, "VII")


def why_empty(number: str) -> str:
    """Return what an empty Table VI or VII says: that no detector qualifies, and by what rule.

    Examples:
        >>> why_empty("VI")
        'No detector trained on CELEB degrades by more than 30 points.'
    """
    return (
        f"No detector trained on {source_of(number)} degrades by more than {POOR_POINTS:g} points."
    )


def _specialized(rows: pd.DataFrame, number: str) -> pd.DataFrame:
    source = source_of(number)
    special = list(SOURCES[source].specialized)
    unseen = list(UNSEEN_SETS)
    _columns(rows, ["detector", "training_dataset", "original_accuracy", *unseen, *special])
    own = rows[rows["training_dataset"] == source]
    table = table_v(own).drop(columns="rank")
    table = table[is_poor(table["degradation"])].reset_index(drop=True)
    accuracies = own.set_index("detector").loc[table["detector"], special].reset_index(drop=True)
    table[special] = accuracies
    if len(special) > 1:
        table["specialized_average"] = table[special].mean(axis=1).round(10)
    difference = [
        degradation_difference(original, on_unseen, on_special, unit="percent")
        for original, on_unseen, on_special in zip(
            table["original_accuracy"],
            table[unseen].to_numpy(),
            table[special].to_numpy(),
            strict=True,
        )
    ]
    points = pd.Series(difference, dtype=float).round(10)
    table["specialized_degradation"] = (table["degradation"] - points).round(10)
    table["degradation_difference"] = points
    return _ranked(table, "degradation_difference", best="high")


def _ranked(table: pd.DataFrame, column: str, *, best: Literal["low", "high"]) -> pd.DataFrame:
    places = ranks(table[column].to_numpy(), best=best)
    table.insert(0, "rank", places)
    return table.sort_values("rank", kind="stable", ignore_index=True)


def _columns(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise InputError(
            f"expected one row a detector with the columns {', '.join(columns)}; "
            f"{', '.join(missing)} not found.",
            hint="Accuracies are in percent, one column a set.",
        )
    return rows[list(columns)].reset_index(drop=True).copy()
