"""Any protocol's sets: everybody is assigned once, to training, validation or tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.manifests import with_columns
from deepfake_generalize.data.splits import (
    CROSSING,
    SUBSETS,
    Splits,
    assemble,
    assign_videos,
    checked_crops,
    collect_videos,
    in_order,
)
from deepfake_generalize.study.protocol.facts import share_of
from deepfake_generalize.validation import Problems

if TYPE_CHECKING:
    from deepfake_generalize.study.protocol.value import Protocol
    from deepfake_generalize.types import AnyArray, IntArray

Uses = dict[str, dict[str, tuple[int, int]]]
"""Set to part to the pool that it is of, and its images."""
_CLASSES = ("real", "fake")
_TEST, _FREE = SUBSETS.index("test"), -2
_CROSSES = "its two identities are in different parts"
_OFFICIAL = "its people, or the rest of its set, are in another part of the official split"
_SMALLER = "Ask for smaller sizes, or give more images."
_LEFT = "more images than the parts of these people need"


def uses_of(protocol: Protocol, *, trains: bool) -> Uses:
    """Return what each set is needed for; only tests where nothing is trained."""
    sizes, people = protocol.sizes, protocol.sharing("people")
    uses: Uses = {
        name: {"test": (0 if name in people and trains else 2, sizes.test)}
        for name in protocol.names
    }
    if trains:
        for name in protocol.sources:
            uses[name] |= {"train": (0, sizes.train), "val": (1, sizes.val)}
        for name in protocol.few_shot if protocol.tuned else ():
            counts = [
                max(
                    share_of(size, len(source.few_shot))
                    for source in protocol.sources.values()
                    if name in source.few_shot
                )
                for size in (sizes.few_shot_unseen, sizes.few_shot_val)
            ]
            uses[name] |= {"train": (0, counts[0]), "val": (1, counts[1])}
    return uses


def sets_apart(
    tables: Mapping[str, pd.DataFrame], protocol: Protocol, seed: int, *, trains: bool
) -> dict[str, Splits]:
    """Make a protocol's sets of each set's crops, so that nobody trained on is in a test.

    With `splits` "official", crops of sets that have an official test part stay in their parts.
    Sets may hold the same crops. Parts of one kind take the same ones as far as they can, but for
    few-shot images, which are none of their source's. Raises `InputError` with all that is missing.
    """
    tables = {name: with_columns(table, CROP_COLUMNS) for name, table in tables.items()}
    joined = pd.concat(list(tables.values()), ignore_index=True).drop_duplicates("path")
    rows = in_order(checked_crops(joined))
    member = {name: rows["path"].isin(table["path"]).to_numpy() for name, table in tables.items()}
    labels: AnyArray = rows["label"].to_numpy(int)
    uses = uses_of(protocol, trains=trains)
    _check_enough(labels, member, uses)
    official = np.full(len(rows), _FREE)
    tested = np.zeros(len(rows), bool)
    if protocol.splits == "official":
        tested = np.any(
            [own for own in member.values() if _has_tests(rows[own])] or [tested], axis=0
        )
        parts = rows["split"].map({part: pool for pool, part in enumerate(SUBSETS)}).fillna(_FREE)
        official = np.where(tested, parts, _FREE).astype(int)
    pools = _pools(rows, labels, member, uses, seed, official)
    pools[tested & (pools != official) & ((pools == _TEST) | (official != _FREE))] = CROSSING
    taken = _take(rows, labels, member, pools, protocol, uses, seed)
    found = {}
    for name, own in member.items():
        crosses = np.where(tested, _OFFICIAL, _CROSSES)
        reason = np.where(pools == CROSSING, crosses, _LEFT).astype(object)
        found[name] = as_splits(rows, own, taken[name], reason)
    return found


def official_split(splits: Splits, protocol: Protocol) -> str:
    """Say what became of a set's official split."""
    rows = pd.concat([getattr(splits, part) for part in (*SUBSETS, "dropped")])
    if not rows["split"].notna().any():
        return "no official split"
    if protocol.splits != "official":
        return "official split not used"
    return "official split used" if _has_tests(rows) else "no official test part: split here"


def _check_enough(labels: AnyArray, member: Mapping[str, AnyArray], uses: Uses) -> None:
    problems = Problems()
    for name, own in member.items():
        wanted = sum(size for _, size in uses[name].values()) // 2
        for word, have in zip(_CLASSES, np.bincount(labels[own], minlength=2), strict=True):
            if have < wanted:
                what = f"expected {wanted} {word} images in {name} for {', '.join(uses[name])}"
                problems.add(f"{what}, it has {have or 'none'}.", hint=_SMALLER)
    problems.tell("the sets of the protocol")


def _has_tests(rows: pd.DataFrame) -> bool:
    return bool((rows["split"] == SUBSETS[_TEST]).any())


def _pools(
    rows: pd.DataFrame,
    labels: AnyArray,
    member: Mapping[str, AnyArray],
    uses: Uses,
    seed: int,
    official: IntArray,
) -> IntArray:
    """Assign everybody's videos to training (0), validation (1) or tests (2).

    Where people are in several official parts, the later part keeps them.
    """
    # Crops of one kind are of the same sets and class, so that they can stand for each other.
    columns = np.stack([*member.values(), labels.astype(bool)], axis=1)
    kinds, kind = np.unique(columns, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    counts = np.bincount(kind)
    needs = np.zeros((len(SUBSETS), len(kinds)), int)
    for place, parts in enumerate(uses[name] for name in member):
        for pool, size in parts.values():
            for label in (0, 1):
                of_set = kinds[:, place] & (kinds[:, -1] == label)
                share = counts * of_set / max(1, counts[of_set].sum())
                needs[pool] = np.maximum(needs[pool], np.ceil(share * size / 2).astype(int))
    videos = collect_videos(rows, kind.tolist(), len(kinds), by_identity=True)
    part_of = dict(zip(rows["video"], official.tolist(), strict=True))
    home: dict[tuple[str, str], int] = {}
    for video, part in sorted(part_of.items(), key=lambda each: each[1]):
        home |= {key: part for key in videos[video].keys if part != _FREE}
    free = {video: of for video, of in videos.items() if home.keys().isdisjoint(of.keys)}
    for pool in range(len(SUBSETS)):
        needs[pool] -= np.bincount(kind[official == pool], minlength=len(kinds))
    counted = np.sum([of.counts for of in free.values()], axis=0, dtype=int)
    needs = np.maximum(needs, 0) * (counted > 0)
    placed = (
        assign_videos(free, tuple(map(tuple, needs.tolist())), "identity", seed).placed
        if free
        else {}
    )
    for video in videos.keys() - free.keys():
        own = {home.get(key, CROSSING) for key in videos[video].keys}
        placed[video] = own.pop() if len(own) == 1 else CROSSING
        if part_of[video] not in (_FREE, placed[video]):
            placed[video] = CROSSING
    return np.array([placed[video] for video in rows["video"]], np.int64)


def _take(
    rows: pd.DataFrame,
    labels: AnyArray,
    member: Mapping[str, AnyArray],
    pools: IntArray,
    protocol: Protocol,
    uses: Uses,
    seed: int,
) -> dict[str, dict[str, IntArray]]:
    """Choose the images of every part: first those that are trained on, then the tests."""
    rng, problems = np.random.default_rng(seed), Problems()
    orders = [
        spread_over_videos(rows["video"], np.flatnonzero(pools == pool), rng)
        for pool in range(len(SUBSETS))
    ]
    taken: dict[str, dict[str, IntArray]] = {name: {} for name in member}
    tests_last = sorted(
        ((name, part) for name in member for part in uses[name]), key=lambda use: use[1] == "test"
    )
    trained = np.zeros(len(rows), bool)
    for name, part in tests_last:
        pool, size = uses[name][part]
        order = orders[pool]
        if name not in protocol.sources:
            order = order[~trained[order]]
        halves = []
        for label, word in enumerate(_CLASSES):
            chosen = order[member[name][order] & (labels[order] == label)][: size // 2]
            if len(chosen) < size // 2:
                problems.add(
                    f"{name} {part}: {len(chosen)} of {size // 2} {word} images are of people "
                    "who may be in it, the others are in other parts.",
                    hint=_SMALLER,
                )
            halves.append(chosen)
        taken[name][part] = np.concatenate(halves)
        trained[taken[name][part]] |= part != "test"
    problems.tell("the sets of the protocol")
    return taken


def spread_over_videos(
    videos: pd.Series, candidates: IntArray, rng: np.random.Generator
) -> IntArray:
    """Return numbers of rows in random order, one of each video before a second of any."""
    order = rng.permutation(candidates)
    turns = videos.iloc[order].groupby(videos.iloc[order]).cumcount()
    return order[np.argsort(turns.to_numpy(), kind="stable")]


def as_splits(
    rows: pd.DataFrame, own: AnyArray, parts: Mapping[str, IntArray], reason: AnyArray
) -> Splits:
    """Return a set's `own` rows as splits: numbers of rows by part, the others with a reason."""
    subset = np.full(len(rows), "dropped", dtype=object)
    for part, chosen in parts.items():
        subset[chosen], reason[chosen] = part, None
    columns = (pd.Series(each[own], dtype="string") for each in (subset, reason))
    return assemble(rows[own].reset_index(drop=True), *columns)
