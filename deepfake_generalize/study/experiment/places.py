"""Where a study's data lie, looked at before a frame is cut."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize import data
from deepfake_generalize.data.assets import find_detector
from deepfake_generalize.data.layouts import is_video_name
from deepfake_generalize.data.manifests import split_query
from deepfake_generalize.study.protocol import Problems, Protocol

_LAYOUTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "faceforensics": ("faceforensics", {"compression": "c23"}),
    "celebdf_v2": ("celebdf", {"version": "v2"}),
    "celebdf_v1": ("celebdf", {"version": "v1"}),
}
"""What is known of an entry by its name; other videos are recognised by their places."""
_PICTURES = (".png", ".jpg", ".jpeg", ".csv", ".h5", ".hdf5")


@dataclass(frozen=True)
class Entry:
    """An entry of a study's `data`: its name, and its crops or `videos`, a row each."""

    name: str
    rows: pd.DataFrame
    videos: bool


def sets_of(protocol: Protocol, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the rows of each set, of tables by the entries' names."""
    return {name: part_of(protocol.place_of(name), tables) for name in protocol.names}


def part_of(place: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows that a set's place chooses."""
    entry, query = split_query(place)
    table = tables[str(entry)]
    return table if query is None else data.select(table, query)


def read_entry(name: str, place: str) -> Entry:
    """Read an entry: crops, or a folder of videos."""
    root, query = split_query(place)
    if not _holds_videos(root):
        return Entry(name, data.read_set(place), videos=False)
    layout, choices = _LAYOUTS.get(name, ("auto", {}))
    videos = data.find_videos(root, layout=layout, **choices)
    return Entry(name, videos if query is None else data.select(videos, query), videos=True)


def _holds_videos(root: Path) -> bool:
    """Tell a folder of videos from crops by the first file that is one or the other."""
    if not root.is_dir():
        return False
    for _, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            if is_video_name(name) or name.lower().endswith(_PICTURES):
                return is_video_name(name)
    return False


def look_at(
    names: Iterable[str],
    places: Mapping[str, str],
    references: Iterable[str],
    problems: Problems,
) -> dict[str, Entry]:
    """Return the entries of these names, noting what is not at its place, and no detector."""
    entries = {}
    for name in names:
        place, hint = places.get(name, ""), "Enter it under [data] (docs: guides/running-a-study)."
        if not place:
            problems.add(f"expected a place of {name} in data, there is none.", hint=hint)
        elif not (root := split_query(place)[0]).exists():
            problems.add(f"expected {name} at {str(root)!r}, nothing is there.", hint=hint)
        else:
            with problems.about(name):
                entries[name] = read_entry(name, place)
    for reference in references:
        with problems:
            find_detector(reference)
    return entries
