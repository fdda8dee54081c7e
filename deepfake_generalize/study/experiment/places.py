"""Where a study's data lie, looked at before a frame is cut: all that is wrong in one message."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize import data
from deepfake_generalize.data.assets import find_detector
from deepfake_generalize.data.layouts import is_video_name
from deepfake_generalize.data.manifests import split_query
from deepfake_generalize.study.experiment.config import StudyConfig, needed
from deepfake_generalize.study.experiment.detector_family import derived_seed
from deepfake_generalize.study.protocol import (
    PAPER,
    Problems,
    Protocol,
    fine_tuning,
    sets_apart,
    uses_of,
)

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


def read_entries(config: StudyConfig) -> dict[str, Entry]:
    """Read what a study's data are made of, by name: of videos those that a set is made of."""
    protocol = config.protocol
    entries = {name: _read(name, config.places[name]) for name in needed(protocol)}
    if protocol.splits == "paper":
        return entries
    parts = sets_of(protocol, {name: entry.rows for name, entry in entries.items()})
    used = {path for part in parts.values() for path in part["path"]}
    return {
        name: replace(entry, rows=entry.rows[entry.rows["path"].isin(used)])
        for name, entry in entries.items()
    }


def sets_of(protocol: Protocol, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the rows of each set, of tables by the entries' names."""
    return {name: _part(protocol.place_of(name), tables) for name in protocol.names}


def _part(place: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    entry, query = split_query(place)
    table = tables[str(entry)]
    return table if query is None else data.select(table, query)


def _read(name: str, place: str) -> Entry:
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


def check_data(config: StudyConfig) -> None:
    """Raise `InputError` with all that keeps a study from being run: data, sizes, detectors."""
    problems, entries, protocol = Problems(), {}, config.protocol
    for name in () if config.is_synthetic else needed(protocol):
        place, hint = config.places.get(name, ""), "Enter its folder under [data]."
        if not place:
            problems.add(f"expected a place of {name} in data, there is none.", hint=hint)
        elif not (root := split_query(place)[0]).exists():
            problems.add(f"expected {name} at {str(root)!r}, nothing is there.", hint=hint)
        else:
            with problems:
                entries[name] = _read(name, place)
    kinds = (fine_tuning(kind).function for kind in protocol.fine_tunings[1:])
    for reference in (*config.detectors.values(), *kinds):
        with problems:
            find_detector(reference)
    if config.is_synthetic:
        for name in sorted({*protocol.names} - {*PAPER.names}):
            hint = f"Those that can be drawn are {', '.join(PAPER.names)}."
            problems.add(f"expected sets that can be drawn, received {name!r}.", hint=hint)
    elif not problems.found and protocol.splits != "paper":
        _check_sizes(config, entries, problems)
    problems.tell("the study")


def _check_sizes(config: StudyConfig, entries: Mapping[str, Entry], problems: Problems) -> None:
    """Note the sizes that cannot be met: of crops for certain, of videos as far as is known."""
    protocol, trains = config.protocol, bool(config.architectures)
    tables: dict[str, pd.DataFrame] = {}
    for name in protocol.names:
        place = protocol.place_of(name)
        with problems:
            tables[name] = _part(place, {key: entry.rows for key, entry in entries.items()})
    per_video = (protocol.frames_per_real_video, protocol.frames_per_video)
    for name, parts in uses_of(protocol, trains=trains).items() if not problems.found else ():
        wanted = sum(size for _, size in parts.values()) // 2
        of_videos = entries[str(split_query(protocol.place_of(name))[0])].videos
        for label, word in enumerate(("real", "fake") if of_videos else ()):
            videos = int((tables[name]["label"] == label).sum())
            if videos * per_video[label] < wanted:
                problems.add(
                    f"expected {wanted} {word} images of {name}, at most {per_video[label]} frames "
                    f"of each of {videos} videos can be had."
                )
    if not problems.found and not any(entry.videos for entry in entries.values()):
        with problems:
            sets_apart(tables, protocol, derived_seed(config.seed, "splits"), trains=trains)
