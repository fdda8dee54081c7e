"""What tables of videos and of crops must hold, so that all refuse others with the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

LABELS = {"0": 0, "1": 1, "real": 0, "fake": 1, "0.0": 0, "1.0": 1}
"""Labels as tables of the user's own write them, in any case."""

ALIASES = {"identity": "target_identity"}
"""Names of columns that such tables have, to ours."""


def require_columns(
    frame: object,
    columns: Sequence[str],
    *,
    what: str,
    hint: str = "Use data.read_crops(folder).",
) -> None:
    """Raise `InputError` unless `frame` is a DataFrame with these columns; `what` names it."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"expected {what} as a pandas DataFrame, received {describe(frame)}.", hint=hint
        )
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputError(
            f"expected {what} to have the columns {', '.join(columns)}; "
            f"missing: {', '.join(missing)}.",
            hint=hint,
        )


def own_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns have our names: `identity` is `target_identity` without one."""
    names = {old: new for old, new in ALIASES.items() if new not in rows.columns}
    return rows.rename(columns=names) if names.keys() & set(rows.columns) else rows


def with_columns(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with all columns of a manifest; the rows that came are not changed."""
    if set(columns) <= set(rows.columns):
        return rows
    out = own_names(rows).copy()
    for name in columns:
        if name not in out.columns:
            empty = float("nan") if name == "score" else pd.NA
            out[name] = out["path"] if name == "video" and "path" in out.columns else empty
    return out[[*columns, *(name for name in out.columns if name not in columns)]]


def check_crops(crops: pd.DataFrame, columns: Sequence[str], *, unknown: bool = False) -> None:
    """Raise `InputError` unless these are rows with these columns and labels, at least one."""
    require_columns(crops, columns, what="crops")
    if crops.empty:
        raise InputError("expected crops, received no rows.", hint="Check what selected them.")
    check_labels(crops["label"], what="crops", unknown=unknown)


def check_labels(
    labels: pd.Series[Any],
    *,
    what: str,
    hint: str = "Drop or relabel the other rows.",
    unknown: bool = False,
) -> None:
    """Raise `InputError` unless every label is 0 (real) or 1 (fake), or, if `unknown`, NA."""
    without = int(labels.isna().sum())
    if without and not unknown:
        raise InputError(
            f"expected a label in every row of {what}, 0 (real) or 1 (fake), {without} of "
            f"{len(labels)} have none.",
            hint="Fill in the column label, or drop these rows: without one they can be scored, "
            "not learned from or measured on.",
        )
    if not labels.dropna().isin([0, 1]).all():
        found = sorted(set(labels.dropna().astype(str)))
        raise InputError(
            f"expected the labels 0 (real) and 1 (fake) in {what}, received {found}.", hint=hint
        )


def check_once(
    paths: pd.Series[Any], *, what: str, hint: str = "Use crops.drop_duplicates('path')."
) -> None:
    """Raise `InputError` where a crop is listed twice: it would count twice."""
    twice = paths[paths.astype(str).duplicated()]
    if len(twice):
        raise InputError(
            f"expected each crop once in {what}, {str(twice.iloc[0])!r} is listed more than once.",
            hint=hint,
        )
