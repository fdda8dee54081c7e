"""What tables of videos and of crops must hold, so that all refuse others with the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Sequence


def require_columns(
    frame: object,
    columns: Sequence[str],
    *,
    what: str,
    hint: str = "Use data.read_crops(folder).",
) -> None:
    """Raise unless `frame` is a DataFrame with these columns.

    Args:
        frame: What came.
        columns: The columns it must have.
        what: What the message calls it.
        hint: Where such a table comes from.

    Raises:
        InputError: It is none, or columns are missing.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"expected {what} as a pandas DataFrame, received {describe(frame)}.",
            hint=hint,
        )
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputError(
            f"expected {what} to have the columns {', '.join(columns)}; "
            f"missing: {', '.join(missing)}.",
            hint=hint,
        )


def check_labels(
    labels: pd.Series[Any], *, what: str, hint: str = "Drop or relabel the other rows."
) -> None:
    """Raise `InputError` unless every label is 0 (real) or 1 (fake).

    Args:
        labels: The column.
        what: What the message calls its table.
        hint: What to do about others.
    """
    if not labels.isin([0, 1]).all():
        raise InputError(
            f"expected the labels 0 (real) and 1 (fake) in {what}, received "
            f"{sorted(set(labels.astype(str)))}.",
            hint=hint,
        )


def check_once(
    paths: pd.Series[Any], *, what: str, hint: str = "Use crops.drop_duplicates('path')."
) -> None:
    """Raise `InputError` where a crop is listed twice: it would count twice.

    Args:
        paths: The column.
        what: What the message calls its table.
        hint: What to do about it.
    """
    twice = paths[paths.astype(str).duplicated()]
    if len(twice):
        raise InputError(
            f"expected each crop once in {what}, {str(twice.iloc[0])!r} is listed more than once.",
            hint=hint,
        )
