"""Manifests on disk: CSV files with paths relative to their folder, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

_DTYPES = {"frame": "Int64", "label": "int64", "score": "float64"}


def write_manifest(
    frame: pd.DataFrame,
    target: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    comment: str = "",
) -> Path:
    """Write a manifest as CSV by atomic rename, paths relative to its folder.

    Args:
        frame: Rows with at least `columns`; further columns are kept behind them.
        target: The file.
        columns: The columns that must be there, written first.
        path_columns: Those of them that hold paths.
        comment: A first line, without its "# ".

    Returns:
        The file written.

    Raises:
        InputError: A column is missing.
    """
    require_columns(frame, columns, what=f"the rows of {target.name}")
    folder = absolute(target.parent)
    out = frame[[*columns, *(name for name in frame.columns if name not in columns)]].copy()
    for name in path_columns:
        out[name] = [_relative(str(value), folder) for value in out[name]]
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            if comment:
                file.write(f"# {comment}\n")
            out.to_csv(file, index=False, lineterminator="\n")
        # A temporary file is private to its maker; a manifest is for whoever may enter its folder.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def read_manifest(
    file: Path, columns: Sequence[str], path_columns: Sequence[str], *, skip: int = 0
) -> pd.DataFrame:
    """Read what `write_manifest` wrote.

    Args:
        file: The CSV file, absolute.
        columns: The columns that must be there.
        path_columns: Those of them that hold paths.
        skip: Lines before the header.

    Returns:
        The rows, absolute paths, column types restored.

    Raises:
        InputError: Not there, not a CSV file, a column missing, or a value of the wrong kind.
    """
    try:
        frame = pd.read_csv(
            file, dtype="string", keep_default_na=False, na_values=[""], skiprows=skip
        )
    except FileNotFoundError as error:
        raise InputError(
            f"expected a manifest at {str(file)!r}, there is none.", hint="Check the folder."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected a CSV manifest at {str(file)!r}: {str(error).strip().rstrip('.')}.",
            hint="Extract the faces again.",
        ) from error
    require_columns(frame, columns, what=str(file), hint="Extract the faces again.")
    for name in path_columns:
        if frame[name].isna().any():
            raise InputError(
                f"expected a path in every row of {name!r} in {str(file)!r}, one is empty.",
                hint="Extract the faces again.",
            )
        frame[name] = pd.Series(
            [str(absolute(file.parent / value)) for value in frame[name]],
            dtype="string",
        )
    try:
        return restore_types(frame, columns)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"expected numbers in the columns frame, label and score of {str(file)!r}: {error}.",
            hint="Extract the faces again.",
        ) from error


def absolute(path: str | Path) -> Path:
    """Return the absolute path without ".." and without following links.

    A link that the user made stays the name under which they know their data.

    Args:
        path: Any path.

    Returns:
        The path from the root.
    """
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links


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


def restore_types(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Give the columns of a manifest their types.

    Args:
        frame: Rows with at least `columns`.
        columns: Those to convert; all but frame, label and score become strings.

    Returns:
        A new DataFrame.
    """
    return frame.astype({name: _DTYPES.get(name, "string") for name in columns})


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
