"""The study's sets of FaceForensics++: its people assigned once to six pools, six sets.

P1, P2 and P3 are the people of F2F's training, validation and test; Q1 those of the few-shot mix,
for training and validation; Q2 those of the unseen tests. Nobody is in two pools.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from deepfake_generalize.data.assignment import (
    CROSSING,
    Assignment,
    Needs,
    assign_videos,
    collect_videos,
)
from deepfake_generalize.data.manifests import people
from deepfake_generalize.data.splits import SUBSETS, Splits, assemble, in_order
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.protocol.facts import Sizes, share_of
from deepfake_generalize.types import IntArray

_METHODS = ("real", "Face2Face", "FaceSwap", "NeuralTextures", "Deepfakes")
_REAL, _F2F, _FS, _NT, _DF = range(5)
_P1, _P2, _P3, _Q1, _Q1_VAL, _Q2 = range(6)
_USES = (
    "F2F train, FS-I and NT-I",
    "F2F val",
    "F2F test",
    "FS train and NT train",
    "FS val and NT val",
    "the tests of FS, NT and DF",
)
_ROLES = {
    "F2F": (_F2F, {"train": _P1, "val": _P2, "test": _P3}),
    "FS": (_FS, {"train": _Q1, "val": _Q1_VAL, "test": _Q2}),
    "NT": (_NT, {"train": _Q1, "val": _Q1_VAL, "test": _Q2}),
    "DF": (_DF, {"test": _Q2}),
    "FS-I": (_FS, {"test": _P1}),
    "NT-I": (_NT, {"test": _P1}),
}


@dataclass
class _Pools:
    """FaceForensics++'s crops in pools; samples are random, spread evenly over the videos."""

    rows: pd.DataFrame
    methods: IntArray
    pools: IntArray
    rng: np.random.Generator
    taken: dict[int, IntArray] = field(default_factory=dict)

    def reals(self, pool: int, count: int) -> IntArray:
        """Sample originals that no earlier call took."""
        before = self.taken.get(pool, np.empty(0, np.int64))
        chosen = self._spread(np.setdiff1d(self._candidates(pool, _REAL), before))[:count]
        self.taken[pool] = np.concatenate([before, chosen])
        return _enough(chosen, count, pool, _REAL)

    def fakes(self, pool: int, method: int, count: int, trained: frozenset[object]) -> IntArray:
        """Sample fakes, those first that show another moment of their clip than was trained on."""
        order = self._spread(self._candidates(pool, method))
        known = np.array([moment in trained for moment in self.moments(order)], bool)
        chosen = np.concatenate([order[~known], order[known]])[:count]
        return _enough(chosen, count, pool, method)

    def moments(self, rows: IntArray) -> list[object]:
        """Name the moments of their targets' clips that rows show."""
        chosen = self.rows.iloc[rows]
        return list(zip(chosen["target_identity"], chosen["frame"], strict=True))

    def keep_to(self, pool: int, trained: IntArray) -> None:
        """Take out of a pool whatever shows somebody who is not in the rows trained on."""
        who = people(self.rows)
        known = {identity for row in trained for identity in who[row]}
        strangers = np.array([not known.issuperset(own) for own in who], bool)
        self.pools = np.where((self.pools == pool) & strangers, CROSSING, self.pools)

    def _candidates(self, pool: int, method: int) -> IntArray:
        return np.flatnonzero((self.pools == pool) & (self.methods == method))

    def _spread(self, candidates: IntArray) -> IntArray:
        return spread_over_videos(self.rows["video"], candidates, self.rng)


def spread_over_videos(
    videos: pd.Series, candidates: IntArray, rng: np.random.Generator
) -> IntArray:
    """Return numbers of rows in random order, one of each video before a second of any."""
    order = rng.permutation(candidates)
    turns = videos.iloc[order].groupby(videos.iloc[order]).cumcount()
    return order[np.argsort(turns.to_numpy(), kind="stable")]


def faceforensics_sets(crops: pd.DataFrame, sizes: Sizes, seed: int) -> dict[str, Splits]:
    """Make F2F, FS, NT, DF, FS-I and NT-I of crops of FaceForensics++, other methods left out.

    InputError: a method is missing, or there are too few images.
    """
    crops = crops[crops["method"].isin(_METHODS)]
    absent = sorted(set(_METHODS) - set(crops["method"]))
    if absent:
        raise InputError(
            f"expected crops of {', '.join(_METHODS)} for the sets of FaceForensics++; missing: "
            f"{', '.join(absent)}.",
            hint="Extract the faces of those videos too.",
        )
    rows = in_order(crops)
    numbers = {name: number for number, name in enumerate(_METHODS)}
    methods: IntArray = np.array([numbers[name] for name in rows["method"]], np.int64)
    videos = collect_videos(rows, methods.tolist(), len(_METHODS), by_identity=True)
    needs = _needs(sizes)
    placed = assign_videos(videos, needs, "identity", seed)
    pools: IntArray = np.array([placed.placed[video] for video in rows["video"]], np.int64)
    _check_met(methods, pools, needs, placed)
    sampled = _sample(_Pools(rows, methods, pools, np.random.default_rng(seed)), sizes)
    return {name: _as_splits(rows, methods, pools, name, parts) for name, parts in sampled.items()}


def _half(sizes: Sizes, part: str, pool: int) -> int:
    """Return how many originals, and how many fakes, a part takes from a pool."""
    few_shot = {_Q1: sizes.few_shot_unseen, _Q1_VAL: sizes.few_shot_val}
    size = share_of(few_shot[pool], 2) if pool in few_shot else getattr(sizes, part)
    return int(size) // 2


def _needs(sizes: Sizes) -> Needs:
    train, val, test = (_half(sizes, part, _P1) for part in SUBSETS)
    shot, shot_val = _half(sizes, "train", _Q1), _half(sizes, "val", _Q1_VAL)
    return (
        (train + test, train, test, test, 0),
        (val, val, 0, 0, 0),
        (test, test, 0, 0, 0),
        (2 * shot, 0, shot, shot, 0),
        (2 * shot_val, 0, shot_val, shot_val, 0),
        (test, 0, test, test, test),
    )


def _sample(pools: _Pools, sizes: Sizes) -> dict[str, dict[str, IntArray]]:
    sampled: dict[str, dict[str, IntArray]] = {name: {} for name in _ROLES}
    trained: frozenset[object] = frozenset()
    shared: dict[int, IntArray] = {}
    for name, (method, parts) in _ROLES.items():
        for part, pool in parts.items():
            count = _half(sizes, part, pool)
            # Tests of one pool are never mixed, so they share their originals; what is trained on
            # is mixed, so FS and NT take different ones.
            unseen = part == "test" and name != "F2F"
            if not unseen or pool not in shared:
                shared[pool] = pools.reals(pool, count)
            fakes = pools.fakes(pool, method, count, trained if pool == _P1 else frozenset())
            sampled[name][part] = np.concatenate([shared[pool], fakes])
        if name == "F2F":
            trained = frozenset(pools.moments(sampled[name]["train"]))
            pools.keep_to(_P1, sampled[name]["train"])
            shared = {}
    return sampled


def _enough(chosen: IntArray, count: int, pool: int, method: int) -> IntArray:
    if len(chosen) < count:
        raise InputError(
            f"expected enough images of FaceForensics++ for {_USES[pool]}; found {len(chosen)} of "
            f"{count} {_METHODS[method]} of people who are trained on.",
            hint="Ask for a larger training set or smaller tests.",
        )
    return chosen


def _as_splits(
    rows: pd.DataFrame,
    methods: IntArray,
    pools: IntArray,
    name: str,
    parts: Mapping[str, IntArray],
) -> Splits:
    method, roles = _ROLES[name]
    subset = np.full(len(rows), "dropped", dtype=object)
    reason = np.array([_reason(name, pool, roles.values()) for pool in pools], dtype=object)
    for part, chosen in parts.items():
        subset[chosen], reason[chosen] = part, None
    own = (methods == _REAL) | (methods == method)
    return assemble(
        rows[own].reset_index(drop=True),
        pd.Series(subset[own], dtype="string"),
        pd.Series(reason[own], dtype="string"),
    )


def _reason(name: str, pool: int, own: Iterable[int]) -> str:
    if pool == CROSSING:
        return "its two identities are in different pools"
    if pool in own:
        return f"more images than {name} needs, or another set of these people took it"
    return f"its people are kept for {_USES[pool]}"


def _check_met(methods: IntArray, pools: IntArray, needs: Needs, placed: Assignment) -> None:
    if placed.met:
        return
    have = np.zeros((len(needs), len(_METHODS)), int)
    np.add.at(have, (pools[pools != CROSSING], methods[pools != CROSSING]), 1)
    lines = [
        f"{_USES[pool]}: {have[pool, method]} of {wanted} {_METHODS[method]}"
        for pool, need in enumerate(needs)
        for method, wanted in enumerate(need)
        if have[pool, method] < wanted
    ]
    totals = [
        f"{count} {name}"
        for name, count in zip(_METHODS, np.bincount(methods, minlength=5), strict=True)
    ]
    proof = (
        "no assignment of the people meets all sizes"
        if placed.impossible
        else "the best assignment found"
    )
    raise InputError(
        f"expected enough images of FaceForensics++ for the study's sets; found for "
        f"{'; for '.join(lines)} ({proof}; in all {', '.join(totals)}).",
        hint="Extract more frames a video (20 of each original and 14 of each fake are enough for "
        "the paper's sizes), or ask for smaller sizes.",
    )
