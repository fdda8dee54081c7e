"""Which videos must stay together: those of one clip, and those that share a person.

A video carries group keys: its identities, or its clip where none is known. A unit is a set of keys
that stay together; a video whose units land in different splits belongs to none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import pandas as pd

from deepfake_generalize.data.manifests import clip_keys, people

GroupKey: TypeAlias = tuple[str, str]
Counts: TypeAlias = tuple[int, ...]
"""Of crops, one number a class."""
Key = TypeVar("Key", bound=Hashable)
_PAIR = 2


@dataclass(frozen=True)
class Video:
    """One video's group keys and how many crops of each class it has."""

    keys: tuple[GroupKey, ...]
    counts: Counts


def collect_videos(
    crops: pd.DataFrame, classes: Sequence[int], n_classes: int, *, by_identity: bool
) -> dict[str, Video]:
    """Gather the videos of sorted crops, by their paths, in order of first appearance."""
    # Kept by clip: one quality of it may name the people and another may not.
    keys: dict[str, dict[GroupKey, None]] = {}
    counts: dict[str, list[int]] = {}
    clips: dict[str, str] = {}
    rows = zip(crops["video"], classes, clip_keys(crops), people(crops), strict=True)
    for video, number, clip, who in rows:
        if video not in counts:
            counts[video], clips[video] = [0] * n_classes, clip
        counts[video][number] += 1
        own = keys.setdefault(clip, {})
        if by_identity:
            own.update(dict.fromkeys(("person", name) for name in who))
    return {
        video: Video(tuple(keys[clip]) or (("clip", clip),), tuple(counts[video]))
        for video, clip in clips.items()
    }


def linked(groups: Iterable[Sequence[Key]]) -> dict[Key, Key]:
    """Map each key to the first of those that groups link it to, directly or by way of others."""
    from scipy.sparse import coo_array, csgraph

    rows: dict[Key, int] = {}
    ends = [
        (rows.setdefault(own[0], len(rows)), rows.setdefault(key, len(rows)))
        for own in groups
        for key in own
    ]
    pairs = tuple(np.array(ends, np.int64).reshape(-1, 2).T)
    graph = coo_array((np.ones(len(ends)), pairs), shape=(len(rows), len(rows)))
    _, components = csgraph.connected_components(graph, directed=False)
    first: dict[int, Key] = {}
    return {key: first.setdefault(part, key) for key, part in zip(rows, components, strict=True)}


def break_large_components(units: Mapping[GroupKey, GroupKey]) -> dict[GroupKey, GroupKey]:
    """Let every key of a component stand for itself, but for pairs: they would lose all fakes."""
    sizes = Counter(units.values())
    return {key: unit if sizes[unit] <= _PAIR else key for key, unit in units.items()}


def count_units(
    videos: Mapping[str, Video], units: Mapping[GroupKey, GroupKey]
) -> tuple[dict[GroupKey, Counts], dict[frozenset[GroupKey], Counts]]:
    """Count the crops of each class by the unit that they need, and by the units together."""
    alone: dict[GroupKey, Counts] = {}
    together: dict[frozenset[GroupKey], Counts] = {}
    for video in videos.values():
        nothing = (0,) * len(video.counts)
        own = dict.fromkeys(units[key] for key in video.keys)
        for unit in own:
            alone.setdefault(unit, nothing)
        if len(own) == 1:
            alone[unit] = _added(alone[unit], video.counts)
        else:
            key = frozenset(own)
            together[key] = _added(together.get(key, nothing), video.counts)
    return alone, together


def _added(a: Counts, b: Counts) -> Counts:
    return tuple(map(sum, zip(a, b, strict=True)))
