"""Manifests on disk: CSV files with paths relative to their folder, written whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize._system.atomic_files import write_whole
from deepfake_generalize._system.bounded_files import read_regular
from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.paths import absolute, possible
from deepfake_generalize.data.manifests.checks import ALIASES, LABELS, require_columns, with_columns
from deepfake_generalize.data.manifests.tables import plain_csv
from deepfake_generalize.errors import InputError

_AGAIN = "Extract the faces again."
_SPLITS = "These are saved splits: data.Splits.load reads them; its .test, say, is crops."
_DTYPES = {"frame": "Int64", "label": "int64", "score": "float64"}


def write_manifest(
    frame: pd.DataFrame,
    target: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    comment: str = "",
) -> Path:
    """Write a manifest as CSV by atomic rename, paths relative to its folder, which may be new."""
    folder = possible(target.parent)
    text = manifest_text(frame, folder, columns, path_columns, what=f"the rows of {target.name}")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(target, (f"# {comment}\n".encode() if comment else b"") + text)
    return target


def manifest_text(
    frame: pd.DataFrame,
    folder: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    what: str,
) -> bytes:
    """Return what `write_manifest` writes, in UTF-8, its paths relative to an absolute folder."""
    require_columns(frame, columns, what=what)
    out = frame[[*columns, *(name for name in frame.columns if name not in columns)]].copy()
    for name in path_columns:
        out[name] = [Path(os.path.relpath(str(path), folder)).as_posix() for path in out[name]]
    text: str = out.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # Readers take a bare one for the end of a line.
        text = out.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        wrong = text[max(error.start - 10, 0) : error.end + 10]
        raise InputError(
            f"expected {what} to hold text and names of files, received {wrong!r}, which no file "
            "can hold.",
            hint="Replace the characters that are written as \\ud800 to \\udfff there.",
        ) from error


def read_manifest(
    file: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    skip: int = 0,
    needed: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read what `write_manifest` wrote, with absolute paths and the types of the columns."""
    with telling(f"expected a CSV manifest at {str(file)!r}", hint="Check the path."):
        content = read_regular(file)
    return parse_manifest(
        content, file, file.parent, columns, path_columns, skip=skip, needed=needed
    )


def parse_manifest(
    content: bytes,
    file: Path,
    folder: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    skip: int = 0,
    needed: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read what `manifest_text` returned for this folder; messages call it `file`."""
    try:
        content = content if skip else plain_csv(content, {*columns, *ALIASES})
        frame = pd.read_csv(
            io.BytesIO(content),
            dtype="string",
            keep_default_na=False,
            na_values=[""],
            skiprows=skip,
            encoding_errors="surrogateescape",
        )
    except ValueError as error:
        reason = error.message if isinstance(error, InputError) else str(error).strip()
        raise InputError(
            f"expected a CSV manifest at {str(file)!r}: {reason.rstrip('.')}.", hint=_AGAIN
        ) from error
    if needed is None:
        require_columns(frame, columns, what=str(file), hint=_AGAIN)
    elif not set(needed) <= set(frame.columns):
        saved = content.startswith(b"# sha256: ")
        raise InputError(
            f"expected {str(file)!r} to have the columns {', '.join(needed)}, received "
            f"{', '.join(map(repr, frame.columns[:20]))}.",
            hint=_SPLITS if saved else "Name the columns so, or extract the faces again.",
        )
    cut = _is_cut(content, len(frame.columns))
    frame = with_columns(frame, columns)
    if cut and "label" in columns and frame["label"].isna().iloc[-1]:
        raise InputError(
            f"expected a path in every row and all of its columns in {str(file)!r}, the last row "
            "is cut short.",
            hint=_AGAIN,
        )
    for name in path_columns:
        if frame[name].isna().any():
            raise InputError(
                f"expected a path in every row of {name!r} in {str(file)!r}, one is empty.",
                hint=_AGAIN,
            )
        paths = [str(absolute(folder / path)) for path in frame[name]]
        frame[name] = pd.Series(paths, dtype="string")
    try:
        if "label" in columns:
            frame["label"] = _numbers(frame["label"])
        return restore_types(frame, columns)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"expected numbers in the columns frame, label and score of {str(file)!r}: {error}.",
            hint=_AGAIN,
        ) from error


def _is_cut(content: bytes, n_columns: int) -> bool:
    """Say whether a table ends within a row, before its last column."""
    start = max(content.rfind(end) for end in (b"\n", b"\r")) + 1
    last = content[start:].decode("utf-8", "replace")
    try:
        return bool(last) and len(next(csv.reader([last]), [])) < n_columns
    except csv.Error:  # A value of more than 131,072 signs.
        return True


def _numbers(labels: pd.Series[Any]) -> pd.Series[Any]:
    if labels.isin(["0", "1"]).all():
        return labels
    known = {label: LABELS.get(label.strip().lower()) for label in labels.dropna().unique()}
    return labels.map(lambda label: label if known.get(label) is None else str(known[label]))


def restore_types(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Give columns of a manifest their types: strings but for frame, label and score."""
    types = {name: _DTYPES.get(name, "string") for name in columns}
    if "label" in types and frame["label"].isna().any():
        types["label"] = "Int64"
    return frame.astype(types)
