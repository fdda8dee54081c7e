"""The study's nine sets, made of the crops of its data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.leakage import exclude
from deepfake_generalize.data.manifests import clip_keys, people, require_columns, with_columns
from deepfake_generalize.data.splits import (
    CROSSING,
    SUBSETS,
    Assignment,
    Needs,
    Splits,
    assemble,
    assign_videos,
    balanced_splits,
    checked_crops,
    collect_videos,
    in_order,
)
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.protocol.apart import as_splits, spread_over_videos
from deepfake_generalize.study.protocol.facts import Sizes, share_of
from deepfake_generalize.study.protocol.value import PAPER
from deepfake_generalize.types import IntArray
from deepfake_generalize.validation import about, check_type, check_whole

_FF, _DFD, _CELEB_1, _CELEB_2 = "FF++", "DFD", "Celeb-DF-v1", "Celeb-DF-v2"
# Of the clips that both versions of Celeb-DF hold, this many times what CELEB-M needs are kept for
# it: some of them will turn out to look like others that stay.
_SPARE = 1.25
_KEPT = "its clip is kept for CELEB-M"


def study_sets(
    crops: pd.DataFrame | Mapping[str, pd.DataFrame],
    sizes: Sizes | None = None,
    *,
    seed: int = 0,
    near_duplicates: bool = True,
) -> dict[str, Splits]:
    """Make the study's sets of the crops of its data sets.

    | set | fakes | people | parts |
    | --- | --- | --- | --- |
    | CELEB | Celeb-DF v2 | disjoint in its parts | train, val, test |
    | F2F | Face2Face | P1, P2, P3, disjoint | train, val, test |
    | FS, NT | FaceSwap, NeuralTextures | Q1 and Q2, disjoint from P | train, val, test |
    | DF | Deepfakes | Q2 | test |
    | DFD | DeepFakeDetection | actors | test |
    | CELEB-M | Celeb-DF v1 | those of CELEB, other clips | test |
    | FS-I, NT-I | FaceSwap, NeuralTextures | P1, frames not trained on | test |

    The originals of a set are those of the same people: of FaceForensics++ the `real` videos of
    the pool, of DFD the actors' own, of Celeb-DF both Celeb-real and YouTube-real. The tests of FS,
    NT and DF share their originals, as do FS-I and NT-I; in the parts that are trained on no image
    comes twice. Which people are in which pool depends on `seed` and `sizes`.

    Where versions 1 and 2 of Celeb-DF hold the same clips and version 1 has too few of its own,
    as many of the shared clips as CELEB-M needs are kept out of CELEB.

    Args:
        crops: Crops of FF++, DFD, Celeb-DF-v1 and Celeb-DF-v2 in one table, or in several under
            any names; the column `dataset` tells them apart. Besides, `path` and `label` are
            needed, and of FF++ and Celeb-DF what tells method and people. Of FF++ all four methods
            are needed.
        sizes: Images a set; None for the paper's.
        seed: Seed of all choices.
        near_duplicates: Whether to read the images of Celeb-DF and keep out of CELEB-M those clips
            that look like one of CELEB's under another name.

    Returns:
        Name to splits, for the sets whose data sets are there, in the order of the table above
        (CELEB, F2F, FS, NT, DF, DFD, CELEB-M, FS-I, NT-I). The `dropped` of each hold the other
        crops of its data set and method, with the reason.

    Raises:
        InputError: Crops of other data sets, a method or version that is missing, an image that
            cannot be read, or sizes that are not met, with the numbers that are there.

    Reproduction notes:
        Section III of the paper. It takes ten frames a video; these do not give Celeb-DF v2's 890
        originals the 10,000 images of CELEB's three parts, nor FaceForensics++ the fakes of
        F2F (10,000 of its 1,000 videos) beside people who are kept for FS, NT and DF. With the
        paper's sizes about 20 frames of an original and 14 of a fake are needed. The paper does not
        say how people were kept apart; here nobody of P is in Q.

    Examples:
        >>> rows = [
        ...     {"path": f"/c/{kind}{i}.png", "video": f"/v/{i:02d}_{kind}.mp4", "label": label}
        ...     for label, kind in enumerate(("real", "fake"))
        ...     for i in range(4)
        ... ]
        >>> crops = pd.DataFrame(rows, columns=list(CROP_COLUMNS)).assign(dataset="DFD")
        >>> sets = study_sets(crops, Sizes(test=6))
        >>> list(sets), sets["DFD"].test["label"].tolist()
        (['DFD'], [0, 0, 0, 1, 1, 1])
    """
    sizes = Sizes() if sizes is None else sizes
    check_type("sizes as study.Sizes(train=..., val=..., test=...)", sizes, Sizes)
    seed = check_whole("seed", seed, least=0)
    tables = _by_dataset(crops)
    sets: dict[str, Splits] = {}
    if _CELEB_2 in tables:
        sets |= _celeb_sets(tables, sizes, seed, near_duplicates=near_duplicates)
    elif _CELEB_1 in tables:
        raise InputError(
            "expected crops of Celeb-DF-v2 beside those of Celeb-DF-v1: CELEB-M is measured "
            "against CELEB.",
            hint="Add them, or leave version 1 out.",
        )
    if _FF in tables:
        sets |= faceforensics_sets(tables[_FF], sizes, seed)
    if _DFD in tables:
        sets["DFD"] = _test_only("DFD", tables[_DFD], sizes, seed)
    return {name: sets[name] for name in PAPER.names if name in sets}


def _by_dataset(crops: pd.DataFrame | Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    filled: list[pd.DataFrame] = []
    for table in crops.values() if isinstance(crops, Mapping) else [crops]:
        require_columns(table, ("path", "label", "dataset"), what="crops")
        if len(table):
            filled.append(with_columns(table, CROP_COLUMNS))
    if not filled:
        raise InputError("expected crops, received none.", hint="Use data.read_crops(folder).")
    rows = checked_crops(pd.concat(filled, ignore_index=True))
    known = (_FF, _DFD, _CELEB_1, _CELEB_2)
    others = sorted(set(rows["dataset"].astype(object).fillna("none")) - set(known))
    if others:
        raise InputError(
            f"expected crops of the data sets {', '.join(known)}, received also {others[0]!r}.",
            hint="Leave those out: data.balanced_splits and study.benchmark take any crops.",
        )
    return {str(name): table for name, table in rows.groupby("dataset", sort=True)}


def _celeb_sets(
    tables: Mapping[str, pd.DataFrame], sizes: Sizes, seed: int, *, near_duplicates: bool
) -> dict[str, Splits]:
    second = tables[_CELEB_2]
    first = tables.get(_CELEB_1)
    kept = set() if first is None else _kept_clips(first, second, sizes.test // 2, seed)
    away = clip_keys(second).isin(kept)
    parts = {part: getattr(sizes, part) for part in SUBSETS}
    with about("CELEB"):
        celeb = balanced_splits(second[~away], **parts, seed=seed)
    if away.any():
        celeb = _with_dropped(celeb, second[away].assign(reason=_KEPT))
    if first is None:
        return {"CELEB": celeb}
    selection = exclude(first, celeb, by="video", near_duplicates=near_duplicates)
    mixed = _test_only("CELEB-M", selection.crops, sizes, seed)
    return {"CELEB": celeb, "CELEB-M": _with_dropped(mixed, selection.dropped)}


def _kept_clips(first: pd.DataFrame, second: pd.DataFrame, need: int, seed: int) -> set[str]:
    """Choose clips of both versions for CELEB-M, as far as version 1 has too few of its own."""
    clips, labels = clip_keys(first), first["label"].to_numpy()
    both = clips.isin(set(clip_keys(second))).to_numpy()
    rng = np.random.default_rng(seed)
    kept: set[str] = set()
    for label in (0, 1):
        own = int((~both & (labels == label)).sum())
        missing = 0 if own >= need else _SPARE * need - own
        images = clips[both & (labels == label)].value_counts().sort_index()
        for number in rng.permutation(len(images)):
            if missing <= 0:
                break
            kept.add(str(images.index[number]))
            missing -= int(images.iloc[number])
    return kept


def _test_only(name: str, crops: pd.DataFrame, sizes: Sizes, seed: int) -> Splits:
    with about(name):
        return balanced_splits(crops, train=0, val=0, test=sizes.test, seed=seed)


def _with_dropped(splits: Splits, dropped: pd.DataFrame) -> Splits:
    """Return the same splits with further crops among the dropped ones."""
    parts = {part: getattr(splits, part) for part in SUBSETS}
    tables = [table.assign(subset=part) for part, table in parts.items() if len(table)]
    # In order, that is typed: pandas 2 warns of joining a column of nothing to one of another type.
    tables += [
        in_order(table).assign(subset="dropped")
        for table in (splits.dropped, dropped)
        if len(table)
    ]
    rows = in_order(pd.concat(tables, ignore_index=True))
    return assemble(rows.drop(columns=["subset", "reason"]), rows["subset"], rows["reason"])


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
    found = {}
    for name, parts in _sample(rows, methods, pools, sizes, seed).items():
        method, roles = _ROLES[name]
        own = (methods == _REAL) | (methods == method)
        reason = np.array([_reason(name, pool, roles.values()) for pool in pools], dtype=object)
        found[name] = as_splits(rows, own, parts, reason)
    return found


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


def _sample(
    rows: pd.DataFrame, methods: IntArray, pools: IntArray, sizes: Sizes, seed: int
) -> dict[str, dict[str, IntArray]]:
    """Return the rows of each part: random ones, spread evenly over the videos of its pool."""
    rng = np.random.default_rng(seed)
    moments = list(zip(rows["target_identity"], rows["frame"], strict=True))
    sampled: dict[str, dict[str, IntArray]] = {name: {} for name in _ROLES}
    taken = {pool: np.empty(0, np.int64) for pool in range(len(_USES))}
    trained: set[object] = set()
    shared: dict[int, IntArray] = {}

    def spread(pool: int, method: int) -> IntArray:
        there = np.flatnonzero((pools == pool) & (methods == method))
        return spread_over_videos(rows["video"], np.setdiff1d(there, taken[pool]), rng)

    for name, (method, parts) in _ROLES.items():
        for part, pool in parts.items():
            count = _half(sizes, part, pool)
            # Tests of one pool are never mixed, so they share their originals; what is trained on
            # is mixed, so FS and NT take different ones.
            unseen = part == "test" and name != "F2F"
            if not unseen or pool not in shared:
                shared[pool] = _enough(spread(pool, _REAL), count, pool, _REAL)
                taken[pool] = np.concatenate([taken[pool], shared[pool]])
            order = spread(pool, method)
            # First those that show another moment of their target's clip than was trained on.
            known = np.array([pool == _P1 and moments[row] in trained for row in order], bool)
            fakes = np.concatenate([order[~known], order[known]])
            chosen = [shared[pool], _enough(fakes, count, pool, method)]
            sampled[name][part] = np.concatenate(chosen)
        if name == "F2F":  # Only those whom it has seen stay in its pool.
            seen = sampled[name]["train"]
            trained, who, shared = {moments[row] for row in seen}, people(rows), {}
            met = {identity for row in seen for identity in who[row]}
            strangers = np.array([not met.issuperset(own) for own in who], bool)
            pools = np.where((pools == _P1) & strangers, CROSSING, pools)
    return sampled


def _enough(order: IntArray, count: int, pool: int, method: int) -> IntArray:
    if len(order) < count:
        raise InputError(
            f"expected enough images of FaceForensics++ for {_USES[pool]}; found {len(order)} of "
            f"{count} {_METHODS[method]} of people who are trained on.",
            hint="Ask for a larger training set or smaller tests.",
        )
    return order[:count]


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
