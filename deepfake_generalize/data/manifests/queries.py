"""Rows chosen by what their columns say: "method=FaceSwap,compression=c23"."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from deepfake_generalize.data.manifests.checks import LABELS, own_names, require_columns
from deepfake_generalize.data.manifests.identity import text_column
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import check_type

_VALUE = r"""\s*("[^"]*"|'[^']*'|[^,|]*?)"""
_VALUES = re.compile(rf"{_VALUE}(?P<more>\s*\||\s*$)")
_CONDITION = re.compile(
    rf"\s*([^=!,]*[^=!,\s])\s*(!?)==?({_VALUE}(?:\s*\|{_VALUE})*)"
    r"(?P<more>\s*,|\s+and\s+(?=[^,=]*=)|\s*$)"
)
_QUOTED = re.compile(r"""\A(['"])(.*)\1\Z""", re.DOTALL)
_PLACE = re.compile(r"(.+)\[(.*)\]\s*", re.DOTALL)
_HINT = "Write COLUMN=VALUE or COLUMN!=VALUE, as in method=FaceSwap|Deepfakes,compression=c23."
_SHOWN = 12


def select(rows: pd.DataFrame, query: str) -> pd.DataFrame:
    """Return the rows of a table of crops, videos or scores that a query describes.

    Conditions joined by commas all hold, and alternatives are joined by `|`:
    "method=FaceSwap|NeuralTextures,compression=c23". `!=` leaves out. Values are compared as texts,
    and stand in quotes where they hold a comma or `|`; a label may also be written `real` or
    `fake`. 'method == "FaceSwap" and compression == "c23"', as pandas writes it, is taken too.

    Detectors are measured on the fakes of a method beside reals. So a condition method=... chooses
    among the fakes, and keeps the reals of the same data sets for which the other conditions hold;
    unless it names the method of the reals, as in method=real: then it is taken as it stands.

    Args:
        rows: Any columns may be asked for, a user's own too.
        query: As above.

    Returns:
        The rows in their order, numbered anew. `.attrs["selected"]` says in a sentence what was
        chosen.

    Raises:
        InputError: No query, a column that is not there, a value that no row has, or nothing that
            meets all conditions.

    Examples:
        >>> crops = pd.DataFrame({
        ...     "method": ["real", "FaceSwap", "Deepfakes"], "label": [0, 1, 1], "path": list("abc")
        ... })
        >>> select(crops, "method=FaceSwap")["path"].tolist()
        ['a', 'b']
        >>> select(crops, "method!=FaceSwap,label=fake")["path"].tolist()
        ['c']
    """
    require_columns(rows, (), what="rows to select from")
    table = own_names(rows)
    meets, method = np.ones(len(table), bool), None
    for column, negated, values in _conditions(
        check_type("a query such as 'method=FaceSwap'", query, str)
    ):
        has = _has(table, column, values)
        reals = table["label"].eq(0).fillna(False).to_numpy(bool) if "label" in table else ~meets
        if column == "method" and not negated and not (has & reals).any() and reals.any():
            method, has = has, has | reals
        meets &= ~has if negated else has
    kept = ""
    if method is not None:
        families = text_column(table, "dataset")
        meets &= families.isin(families[meets & method]).to_numpy()
        kept = ", the reals of their data sets beside the methods that it names"
    if not meets.any():
        raise InputError(f"no row meets all of {query!r}.", hint="Ask for less at once.")
    chosen = rows[meets].reset_index(drop=True)
    chosen.attrs["selected"] = f"{query} chose {len(chosen)} of {len(rows)} rows{kept}"
    return chosen


def split_query(place: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Return a place and the query behind it in brackets; what exists as it is named has none."""
    text = os.fspath(place)
    found = _PLACE.fullmatch(text)
    if found is None or os.path.lexists(text):
        return Path(text), None
    if "=" not in found[2] and not os.path.lexists(found[1]):  # It may be but a name.
        return Path(text), None
    return Path(found[1]), found[2]


def _conditions(query: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the column of each condition, `!` where it leaves out, and the values it names."""
    for found in _each(_CONDITION, query):
        values = [value[1] for value in _each(_VALUES, found[3])]
        yield found[1], found[2], [_QUOTED.sub(r"\2", value) for value in values]


def _each(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield what matches one behind the other, as long as there is said to be more."""
    place, more = 0, True
    while more:
        found = pattern.match(text, place)
        if found is None:
            raise InputError(f"expected a query, received {text!r}.", hint=_HINT)
        yield found
        place, more = found.end(), bool(found["more"].strip())


def _has(table: pd.DataFrame, column: str, values: list[str]) -> AnyArray:
    """Return which rows have one of these values, after a check that each is there."""
    if column not in table.columns:
        raise InputError(
            f"expected a column to select by, received {column!r}.",
            hint=f"There are {', '.join(map(str, table.columns))}.",
        )
    texts = text_column(table, column)
    if column == "label":
        values = [str(LABELS.get(value.lower(), value)) for value in values]
    known = set(texts)
    there = sorted(known - {""})
    for value in values:
        if value not in known:
            more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
            raise InputError(
                f"expected a value of the column {column}, received {value!r}, which no row has.",
                hint=f"There are {', '.join(there[:_SHOWN]) or 'none'}{more}.",
            )
    return texts.isin(values).to_numpy()
