"""Balanced training, validation and test sets that share no video and no person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.manifests import (
    check_labels,
    check_once,
    crop_keys,
    require_columns,
    restore_types,
    with_columns,
)
from deepfake_generalize.data.splits.assignment import CROSSING, Assignment, Needs, assign, solve
from deepfake_generalize.data.splits.groups import (
    Video,
    break_large_components,
    collect_videos,
    linked,
)
from deepfake_generalize.data.splits.splits import SUBSETS, Splits, assemble
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import check_choice, check_whole

By = Literal["identity", "video", "official"]
_CLASSES = ("real", "fake")
_NONE_EXISTS = " No choice of whole groups meets the sizes."
_NONE_FOUND = " The best choice that was found is meant; a better one may exist."


def balanced_splits(
    crops: pd.DataFrame,
    *,
    train: int,
    val: int,
    test: int,
    by: By = "identity",
    seed: int = 0,
) -> Splits:
    """Choose balanced splits of given sizes; no video is ever in two of them.

    Args:
        crops: The crop manifest, in any order; label 1 = fake, 0 = real. Of its columns only `path`
            and `label` are needed; without `video` each crop is a video of its own.
        train: Images in the training split, both classes together; even; 0 for none.
        val: The same for validation.
        test: The same for the test.
        by: What else the splits must not share. `identity`: people. Videos that share a person
            within a data set stay together; where that links so many that the sizes cannot be met,
            the people are assigned to the splits and the fakes whose two people are in different
            ones are dropped. Clips of unknown people count as a person each. `video`: nothing else;
            two qualities of a clip of a known data set are one video. `official`: the column
            `split` decides; rows without one are dropped.
        seed: Seed of the choice.

    Returns:
        The splits. The same crops and seed give the same ones, whatever the order of the rows.

    Raises:
        InputError: Sizes that are odd, negative or not met, with how many images there are, and
            whether it is proven that they cannot be met or none was found; missing columns, labels
            other than 0 and 1, a crop that is listed twice.

    Examples:
        >>> rows = [{"path": f"/{i}.png", "video": f"/{i}.mp4", "label": i % 2} for i in range(18)]
        >>> crops = pd.DataFrame(rows, columns=list(CROP_COLUMNS))
        >>> splits = balanced_splits(crops, train=10, val=4, test=4)
        >>> len(splits.train), int(splits.train["label"].sum()), len(splits.dropped)
        (10, 5, 0)
    """
    needs = _needs({"train": train, "val": val, "test": test})
    seed = check_whole("seed", seed, least=0)
    check_choice("by", by, get_args(By), hint='Use by="identity" unless identities are unknown.')
    ordered = in_order(checked_crops(crops))
    subset = pd.Series("dropped", ordered.index)
    reason = pd.Series(pd.NA, ordered.index, dtype="string")
    searched = ""
    if by == "official":
        pool = _official(ordered, reason)
    else:
        videos = collect_videos(ordered, ordered["label"].tolist(), 2, by_identity=by == "identity")
        placed = assign_videos(videos, needs, by, seed)
        searched = _NONE_EXISTS if placed.impossible else _NONE_FOUND
        pool = ordered["video"].map(placed.placed).astype("int64")
        reason[pool == CROSSING] = "its two identities are in different splits"
    _check_available(ordered, pool, needs, by, searched)
    rng = np.random.default_rng(seed)
    for number, need in enumerate(needs):
        for label, wanted in enumerate(need):
            rows = np.flatnonzero((pool == number) & (ordered["label"] == label))
            chosen = rng.permutation(rows)[:wanted]
            reason.iloc[rows] = f"more {_CLASSES[label]} images than {SUBSETS[number]} needs"
            subset.iloc[chosen], reason.iloc[chosen] = SUBSETS[number], pd.NA
    return assemble(ordered, subset, reason)


def _needs(sizes: Mapping[str, int]) -> Needs:
    for name, size in sizes.items():
        check_whole(name, size, least=0, hint="Give images, both classes together; 0 for none.")
        if size % 2:
            raise InputError(
                f"expected an even number of images for {name}, half of them real, "
                f"received {size}.",
                hint=f"Use {size + 1}.",
            )
    if not any(sizes.values()):
        raise InputError(
            "expected at least one split with images, received the size 0 for all.",
            hint="Give train, val and test in images.",
        )
    return tuple((int(size) // 2, int(size) // 2) for size in sizes.values())


def checked_crops(crops: pd.DataFrame) -> pd.DataFrame:
    """Return the crops with all columns if every row can be placed, else raise `InputError`."""
    require_columns(crops, ("path", "label"), what="crops")
    crops = with_columns(crops, CROP_COLUMNS)
    for name in ("path", "video"):
        if crops[name].isna().any():
            raise InputError(
                f"expected a {name} in every row of crops, "
                f"{int(crops[name].isna().sum())} of {len(crops)} have none.",
                hint="Use data.read_crops(folder), which fills both.",
            )
    check_labels(crops["label"], what="crops")
    check_once(crops["path"], what="crops")
    return crops


def in_order(crops: pd.DataFrame) -> pd.DataFrame:
    """Sort crops by what is the same on every machine, by the path only between equals."""
    keys, paths = crop_keys(crops), [str(path) for path in crops["path"]]
    order = sorted(range(len(crops)), key=lambda row: (keys[row], paths[row]))
    rows = crops.iloc[order].reset_index(drop=True)
    try:
        rows["score"] = pd.to_numeric(rows["score"])
        return restore_types(rows, CROP_COLUMNS)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected numbers in the columns frame, label and score of crops: {error}.",
            hint="Use data.read_crops(folder).",
        ) from error


def assign_videos(videos: Mapping[str, Video], needs: Needs, by: str, seed: int) -> Assignment:
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


def _official(crops: pd.DataFrame, reason: pd.Series[str]) -> pd.Series[int]:
    split = crops["split"].astype("string")
    pool = split.map({name: number for number, name in enumerate(SUBSETS)})
    per_video = split.fillna("").groupby(crops["video"]).nunique()
    torn = per_video.index[per_video > 1]
    if len(torn):
        raise InputError(
            f"expected each video in one official split, {torn[0]!r} is in several.",
            hint="Mend the column split.",
        )
    reason[pool.isna()] = "in no official split named train, val or test"
    return pool.fillna(CROSSING).astype("int64")


def _check_available(
    crops: pd.DataFrame, pool: pd.Series[int], needs: Needs, by: str, searched: str
) -> None:
    lines, short = [], False
    for number, need in enumerate(needs):
        for label, wanted in enumerate(need):
            have = int(((pool == number) & (crops["label"] == label)).sum())
            short |= have < wanted
            lines.append(f"{SUBSETS[number]} {have} of {wanted} {_CLASSES[label]}")
    if short:
        totals = [int((crops["label"] == label).sum()) for label in (0, 1)]
        raise InputError(
            f"expected enough images for the sizes with by={by!r}; found {', '.join(lines)} "
            f"(in all {totals[0]} real and {totals[1]} fake of {crops['video'].nunique()} videos)."
            f"{searched}",
            hint=_short_hint(totals, pool, needs, by),
        )


def _short_hint(totals: Sequence[int], pool: pd.Series[int], needs: Needs, by: str) -> str:
    absent = [name for name, total in zip(_CLASSES, totals, strict=True) if not total]
    if absent:
        return f"There is no {' and no '.join(absent)} crop at all: add videos of that class."
    if by == "official":
        named = zip(SUBSETS, needs, strict=True)
        empty = [n for at, (n, need) in enumerate(named) if sum(need) and not (pool == at).any()]
        if empty:
            return (
                f"No crop has {' or '.join(empty)} in its column split: fill the column, or use "
                "by='identity'."
            )
        return "Ask for smaller splits: an official split is never topped up from another."
    if by == "identity":
        return (
            "Ask for smaller splits or extract more frames a video; by='video' drops nothing but "
            "lets splits share people."
        )
    return "Ask for smaller splits or extract more frames a video."
