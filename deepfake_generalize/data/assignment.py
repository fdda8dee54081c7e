"""Which videos must stay together, and which split each goes to, so that all have enough images.

A video carries group keys: its identities, or its clip where none is known. A unit is a set of keys
that stay together; a video whose units land in different splits belongs to none of them.

Two searches: many quick assignments at random, then an integer programme, which finds what those
miss and can prove that there is nothing to be found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import pandas as pd

from deepfake_generalize.data.manifests import clip_keys, people
from deepfake_generalize.types import AnyArray

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


Videos: TypeAlias = Mapping[str, Video]
"""By their paths."""
Units: TypeAlias = Mapping[GroupKey, GroupKey]
"""Each key to the one that stands for its unit."""


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


def break_large_components(units: Units) -> dict[GroupKey, GroupKey]:
    """Let every key of a component stand for itself, but for pairs: they would lose all fakes."""
    sizes = Counter(units.values())
    return {key: unit if sizes[unit] <= _PAIR else key for key, unit in units.items()}


def count_units(
    videos: Videos, units: Units
) -> tuple[dict[GroupKey, Counts], dict[frozenset[GroupKey], Counts]]:
    """Count the crops of each class by the unit that they need, and by the units together."""

    def added(a: Counts, b: Counts) -> Counts:
        return tuple(map(sum, zip(a, b, strict=True)))

    alone: dict[GroupKey, Counts] = {}
    together: dict[frozenset[GroupKey], Counts] = {}
    for video in videos.values():
        nothing = (0,) * len(video.counts)
        own = dict.fromkeys(units[key] for key in video.keys)
        for unit in own:
            alone.setdefault(unit, nothing)
        if len(own) == 1:
            alone[unit] = added(alone[unit], video.counts)
        else:
            key = frozenset(own)
            together[key] = added(together.get(key, nothing), video.counts)
    return alone, together


Needs: TypeAlias = tuple[Counts, ...]
"""Per split, how many images of each class are needed: (real, fake) for two classes."""

CROSSING = -1
# How strongly a split's size shows in its share of the units. With 1 the shares are as the sizes;
# below 1 small splits get more, as they need where a fake counts only if both its identities are
# in the split: with a share p of the identities about p squared of the fakes remain.
_EXPONENTS = (1.0, 0.75, 0.5)
_ATTEMPTS_EACH = 8
# The programme ends with the first solution, with a proof that there is none, or at these limits.
_MAX_VARIABLES = 30_000
_MAX_NODES = 5_000
_MAX_SECONDS = 20.0
_INFEASIBLE = 2


@dataclass(frozen=True)
class Assignment:
    """Where the videos go."""

    placed: dict[str, int]
    """Video to the number of its split; `CROSSING` where its units are in several."""
    fraction: float
    """The least fraction of a need that is met; 1 where all are."""
    impossible: bool = False
    """Whether it is proven that no assignment of these units meets all needs."""

    @property
    def met(self) -> bool:
        """Whether every split has what it needs."""
        return self.fraction >= 1.0


def assign_videos(videos: Videos, needs: Needs, by: str, seed: int) -> Assignment:
    """Assign videos to splits: whole groups of linked ones if that meets the needs, else people."""
    units = linked(video.keys for video in videos.values())
    levels = [units]
    if by == "identity":
        levels += [break_large_components(units), {key: key for key in units}]
    best, impossible = Assignment({}, -1.0), False
    for number, level in enumerate(levels):
        if level in levels[:number]:
            continue
        for search in (assign, solve):
            found = search(videos, level, needs, seed)
            if found is not None and found.met:
                return found
            if found is not None and found.placed and found.fraction >= best.fraction:
                best = found
            impossible = found is not None and found.impossible
    return Assignment(best.placed, best.fraction, impossible)


def assign(videos: Videos, units: Units, needs: Needs, seed: int) -> Assignment:
    """Give each unit to the split furthest from its share; keep the best of many random orders."""
    counts, _ = count_units(videos, units)
    best = Assignment(dict.fromkeys(videos, CROSSING), -1.0)
    rng = np.random.default_rng(seed)
    for exponent in _EXPONENTS:
        for attempt in range(_ATTEMPTS_EACH):
            order = [list(counts)[i] for i in rng.permutation(len(counts))]
            if attempt % 2:
                order.sort(key=lambda unit: -sum(counts[unit]))
            found = _place(videos, units, _share_out(order, counts, needs, exponent), needs)
            if found.fraction > best.fraction:
                best = found
            if best.met:
                return best
    return best


def solve(videos: Videos, units: Units, needs: Needs, seed: int) -> Assignment | None:
    """Look for an assignment by integer programming; of several, the seed decides."""
    totals = np.sum([video.counts for video in videos.values()], axis=0)
    if (totals < np.sum(needs, axis=0)).any():
        return Assignment({}, 0.0, impossible=True)
    alone, together = count_units(videos, units)
    open_splits = [split for split, need in enumerate(needs) if sum(need)]
    if (len(alone) + len(together)) * len(open_splits) > _MAX_VARIABLES:
        return None
    values, impossible = _programme(alone, together, [needs[split] for split in open_splits], seed)
    if values is None:
        return Assignment({}, 0.0, impossible=True) if impossible else None
    home = {unit: open_splits[int(row.argmax())] for unit, row in zip(alone, values, strict=False)}
    return _place(videos, units, home, needs)


def _programme(
    alone: Mapping[GroupKey, Counts],
    together: Mapping[frozenset[GroupKey], Counts],
    needs: Sequence[Counts],
    seed: int,
) -> tuple[AnyArray | None, bool]:
    """Return (units, splits) values, or None, and whether there are provably none."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, eye_array, kron, vstack

    n, n_keys = len(needs), len(alone) + len(together)
    place = {unit: row for row, unit in enumerate(alone)}
    table = np.array([*alone.values(), *together.values()], float)
    once = kron(eye_array(len(alone), n_keys), np.ones((1, n)))
    enough = vstack([kron(table[:, [c]].T, eye_array(n)) for c in range(table.shape[1])])
    constraints = [
        LinearConstraint(once.tocsr(), 1, 1),
        LinearConstraint(enough.tocsr(), np.array(needs, float).T.ravel(), np.inf),
    ]
    # A linked set counts in a split as far as all of its units are there.
    linked = enumerate(together, len(alone))
    links = sorted((row, place[unit]) for row, key in linked for unit in key)
    if links:
        lines, ones, shape = np.arange(len(links)), np.ones(len(links)), (len(links), n_keys)
        sides = [coo_array((ones, (lines, ends)), shape=shape) for ends in np.array(links).T]
        apart = kron(sides[0] - sides[1], eye_array(n))
        constraints.append(LinearConstraint(apart.tocsr(), -np.inf, 0))
    whole = np.repeat(np.arange(n_keys) < len(alone), n)
    weights = np.random.default_rng(seed).random(len(whole)) * whole
    found = milp(
        weights,
        integrality=whole.astype(int),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"node_limit": _MAX_NODES, "time_limit": _MAX_SECONDS, "mip_rel_gap": 1e9},
    )
    values = None if found.x is None else np.asarray(found.x).reshape(n_keys, n)
    return values, found.status == _INFEASIBLE


def _share_out(
    order: Sequence[GroupKey], counts: Mapping[GroupKey, Counts], needs: Needs, exponent: float
) -> dict[GroupKey, int]:
    open_splits = [split for split, need in enumerate(needs) if sum(need)]
    shares = {split: float(max(needs[split])) ** exponent for split in open_splits}
    have = {split: [0] * len(needs[split]) for split in open_splits}
    home: dict[GroupKey, int] = {}
    for unit in order:
        # Only the classes that this unit brings say how badly a split wants it.
        brought = [number for number, count in enumerate(counts[unit]) if count]
        filled = [(sum(have[s][number] for number in brought) / shares[s], s) for s in open_splits]
        home[unit] = min(filled)[1]
        for number in brought:
            have[home[unit]][number] += counts[unit][number]
    return home


def _place(videos: Videos, units: Units, home: Mapping[GroupKey, int], needs: Needs) -> Assignment:
    placed = {}
    have = np.zeros((len(needs), len(needs[0])), int)
    for name, video in videos.items():
        splits = {home[units[key]] for key in video.keys}
        placed[name] = splits.pop() if len(splits) == 1 else CROSSING
        if placed[name] != CROSSING:
            have[placed[name]] += video.counts
    wanted = np.array(needs)
    return Assignment(placed, float(np.min(have[wanted > 0] / wanted[wanted > 0])))
