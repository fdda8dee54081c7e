"""Manifests on disk: CSV files with paths relative to their folder, written whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from deepfake_generalize._system.atomic_files import write_whole
from deepfake_generalize._system.paths import absolute
from deepfake_generalize.data.manifests.checks import require_columns
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_AGAIN = "Extract the faces again."
_DTYPES = {"frame": "Int64", "label": "int64", "score": "float64"}


def write_manifest(
    frame: pd.DataFrame,
    target: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    comment: str = "",
    checked: bool = False,
) -> Path:
    """Write a manifest as CSV by atomic rename, paths relative to its folder.

    Args:
        frame: Rows with at least `columns`; further columns are kept behind them.
        target: The file.
        columns: The columns that must be there, written first.
        path_columns: Those of them that hold paths.
        comment: A first line, without its "# ".
        checked: Write the number of rows and the SHA-256 beside it (`crops.check.json` beside
            `crops.csv`), by which `read_manifest` knows a file that was cut or altered.

    Returns:
        The file written.

    Raises:
        InputError: A column is missing.
    """
    folder = absolute(target.parent)
    text = manifest_text(frame, folder, columns, path_columns, what=f"the rows of {target.name}")
    content = (f"# {comment}\n".encode() if comment else b"") + text
    folder.mkdir(parents=True, exist_ok=True)
    if not checked:
        write_whole(target, content)
        return target
    # Killed between two of these writes, the check still fits the manifest that is there.
    valid = [_check_of(content, len(frame))]
    before = [_check_of(target.read_bytes(), None)] if target.is_file() else []
    _write_check(target, [*before, *valid])
    write_whole(target, content)
    _write_check(target, valid)
    return target


def manifest_text(
    frame: pd.DataFrame,
    folder: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    what: str,
) -> bytes:
    """Return a manifest as the CSV text that `parse_manifest` reads.

    Args:
        frame: Rows with at least `columns`; further columns are kept behind them.
        folder: What the paths are to be relative to, absolute.
        columns: The columns that must be there, written first.
        path_columns: Those of them that hold paths.
        what: What messages call the rows.

    Returns:
        UTF-8 text.

    Raises:
        InputError: A column is missing.
    """
    require_columns(frame, columns, what=what)
    out = frame[[*columns, *(name for name in frame.columns if name not in columns)]].copy()
    for name in path_columns:
        out[name] = [_relative(str(value), folder) for value in out[name]]
    text: str = out.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8", "surrogateescape")


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
        InputError: Not there, not a CSV file, a column missing, a value of the wrong kind, or not
            what the check beside it says.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"expected a manifest at {str(file)!r}, there is none.", hint="Check the folder."
        ) from error
    except OSError as error:
        raise InputError(
            f"expected a CSV manifest at {str(file)!r}: {error.strerror}.",
            hint="Check the path.",
        ) from error
    _check_content(file, content)
    return parse_manifest(content, file, file.parent, columns, path_columns, skip=skip)


def parse_manifest(
    content: bytes,
    file: Path,
    folder: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    skip: int = 0,
) -> pd.DataFrame:
    """Read the text that `manifest_text` returned.

    Args:
        content: The text.
        file: What messages call it.
        folder: What its paths are relative to, absolute.
        columns: The columns that must be there.
        path_columns: Those of them that hold paths.
        skip: Lines before the header.

    Returns:
        The rows, absolute paths, column types restored.

    Raises:
        InputError: Not CSV, a column missing, or a value of the wrong kind.
    """
    try:
        frame = pd.read_csv(
            io.BytesIO(content),
            dtype="string",
            keep_default_na=False,
            na_values=[""],
            skiprows=skip,
            encoding_errors="surrogateescape",
        )
    except ValueError as error:
        raise InputError(
            f"expected a CSV manifest at {str(file)!r}: {str(error).strip().rstrip('.')}.",
            hint=_AGAIN,
        ) from error
    require_columns(frame, columns, what=str(file), hint=_AGAIN)
    for name in path_columns:
        if frame[name].isna().any():
            raise InputError(
                f"expected a path in every row of {name!r} in {str(file)!r}, one is empty.",
                hint=_AGAIN,
            )
        frame[name] = pd.Series(
            [str(absolute(folder / value)) for value in frame[name]],
            dtype="string",
        )
    try:
        return restore_types(frame, columns)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"expected numbers in the columns frame, label and score of {str(file)!r}: {error}.",
            hint=_AGAIN,
        ) from error


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


def _check_file(manifest: Path) -> Path:
    return manifest.with_name(f"{manifest.stem}.check.json")


def _check_of(content: bytes, rows: int | None) -> dict[str, object]:
    return {"rows": rows, "sha256": hashlib.sha256(content).hexdigest()}


def _write_check(manifest: Path, valid: list[dict[str, object]]) -> None:
    text = json.dumps({"file": manifest.name, "valid": valid}, indent=2) + "\n"
    write_whole(_check_file(manifest), text.encode())


def _check_content(file: Path, content: bytes) -> None:
    check = _check_file(file)
    try:
        valid = {item["sha256"]: item["rows"] for item in json.loads(check.read_bytes())["valid"]}
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"expected {str(check)!r} as it was written beside {file.name}, received: {error!r}.",
            hint=f"Delete it to read {file.name} unchecked.",
        ) from error
    if hashlib.sha256(content).hexdigest() in valid:
        return
    rows = list(valid.values())[-1] if valid else 0
    lines = max(content.count(b"\n") - 1, 0)
    raise InputError(
        f"expected {str(file)!r} as it was written, with {rows} rows; received "
        f"{lines} lines below its header that are not those: it was "
        "cut or edited.",
        hint=f"If you edited it, delete {check.name} beside it; if not, delete both and extract "
        "the faces again: finished videos are not done again.",
    )
