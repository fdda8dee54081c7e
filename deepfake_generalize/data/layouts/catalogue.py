"""The data sets that are known, from the table beside this module."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize.data.layouts import csv_list, deepfakebench, dfdc, folders, lists
from deepfake_generalize.data.layouts.contract import BESIDE, Layout, Pattern
from deepfake_generalize.data.layouts.manifest import Reading

_RECOGNISE = {
    "dfdc": dfdc.recognise,
    "folders": folders.recognise,
    "csv": csv_list.recognise,
    "deepfakebench": deepfakebench.recognise,
}
_READERS: dict[str, Callable[..., Reading]] = {
    "folders": folders.read,
    "csv": csv_list.read,
    "unlabelled": folders.read_unlabelled,
    "deepfakebench": deepfakebench.read,
}


def _layout(name: str, table: dict[str, Any]) -> Layout:
    skip = frozenset(table.pop("skip", ()))
    if not table.get("pictures"):
        skip |= BESIDE
    patterns = [
        Pattern(entry.pop("path"), entry.pop("label"), entry) for entry in table.pop("patterns", ())
    ]
    said = table.pop("lists", None)
    return Layout(
        name=name,
        beside=skip,
        patterns=tuple(patterns),
        lists=dfdc.lists if said == "dfdc" else getattr(lists, said) if said else None,
        recognise=_RECOGNISE.get(table.pop("recognise", "")),
        reader=_READERS.get(table.pop("reader", "")),
        **table,
    )


LAYOUTS: dict[str, Layout] = {
    name: _layout(name, table)
    for name, table in tomllib.loads(
        Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    ).items()
}
"""What is known, by the names that `layout=` takes."""


def layouts() -> pd.DataFrame:
    """List the layouts that `find_videos` and `read_crops` read.

    Returns:
        One row a layout, with the columns `layout` (what `layout=` takes), `dataset`, `reads`
        (`videos` or `crops`), `needs` (what marks its root), `splits` (the official split, "none"
        without one), `choices` (further arguments) and `source` (where it is had; empty for
        folders of your own); all strings.

    Examples:
        >>> known = layouts().set_index("layout")
        >>> known.loc["uadfv", ["reads", "splits"]].to_list()
        ['videos', 'none']
    """
    rows = [
        {
            "layout": layout.name,
            "dataset": layout.title,
            "reads": "crops" if layout.pictures else "videos",
            "needs": layout.needs,
            "splits": layout.splits,
            "choices": ", ".join(layout.choices),
            "source": layout.source,
        }
        for layout in LAYOUTS.values()
    ]
    return pd.DataFrame(rows, dtype="string")
