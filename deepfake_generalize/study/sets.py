"""The sets of a study, made of crops: the paper's nine, or those of any protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from deepfake_generalize.data.assignment import (
    CROSSING,
    Assignment,
    Needs,
    assign_videos,
    collect_videos,
)
from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.leakage import exclude
from deepfake_generalize.data.manifests import clip_keys, people, require_columns, with_columns
from deepfake_generalize.data.splits import (
    SUBSETS,
    Splits,
    assemble,
    balanced_splits,
    checked_crops,
    in_order,
)
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.facts import Sizes, share_of
from deepfake_generalize.study.protocol import PAPER, Protocol
from deepfake_generalize.types import AnyArray, IntArray
from deepfake_generalize.validation import Problems, about, check_type, check_whole

_FF, _DFD, _CELEB_1, _CELEB_2 = "FF++", "DFD", "Celeb-DF-v1", "Celeb-DF-v2"
# Of the clips that both versions of Celeb-DF hold, this many times what CELEB-M needs are kept for
# it: some of them will turn out to look like others that stay.
_SPARE = 1.25
_KEPT = "its clip is kept for CELEB-M"
_METHODS = ("real", "Face2Face", "FaceSwap", "NeuralTextures", "Deepfakes")
_REAL, _F2F, _FS, _NT, _DF = range(5)
# Pools of people; nobody is in two. Those of P are F2F's, those of Q of the few-shot mix and tests.
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
Uses = dict[str, dict[str, tuple[int, int]]]
"""Set to part to the pool that it is of, and its images."""
_CLASSES = ("real", "fake")
_TEST, _FREE = SUBSETS.index("test"), -2
_CROSSES = "its two identities are in different parts"
_OFFICIAL = "its people, or the rest of its set, are in another part of the official split"
_SMALLER = "Ask for smaller sizes, or give more images."
_LEFT = "more images than the parts of these people need"


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
