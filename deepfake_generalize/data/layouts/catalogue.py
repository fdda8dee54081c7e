"""The data sets that are known, from the table beside this module."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize.data.layouts import csv_list, deepfakebench, dfdc, folders, lists
from deepfake_generalize.data.layouts.contract import BESIDE, Layout, Pattern

# Whose root is told, or whose files are read, by more than marks and patterns.
_MODULES: dict[str, Any] = {
    "dfdc": dfdc,
    "folders": folders,
    "csv": csv_list,
    "deepfakebench": deepfakebench,
}


def _layout(name: str, table: dict[str, Any]) -> Layout:
    skip = frozenset(table.pop("skip", ())) | (frozenset() if "pictures" in table else BESIDE)
    patterns = [
        Pattern(entry.pop("path"), entry.pop("label"), entry) for entry in table.pop("patterns", ())
    ]
    module = _MODULES.get(table.pop("module", ""))
    said = getattr(lists, table.pop("lists", ""), getattr(module, "lists", None))
    return Layout(
        name=name,
        beside=skip,
        patterns=patterns,
        lists=said,
        recognise=None if name in FALLBACKS else getattr(module, "recognise", None),
        reader=getattr(module, "read", None),
        **table,
    )


FALLBACKS = ("unlabelled", "image_folder")
"""What a root of videos, or of pictures, is read as that is of no other layout."""

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
