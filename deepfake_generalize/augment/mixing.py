"""The few-shot mix: crops of the original training set and a few of sets it has never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.manifests import check_labels, check_once, crop_keys, require_columns
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import check_mapping, check_whole

ORIGINAL = "original"
"""What the column `set` calls the original part."""

_CLASSES = ("real", "fake")


def few_shot_mix(
    original: pd.DataFrame,
    unseen: Mapping[str, pd.DataFrame],
    *,
    n_original: int = 2000,
    n_unseen: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Mix crops of the original set with a few of unseen sets, balanced by class and by set.

    Half of each part is real and half is fake; the unseen sets contribute the same number each. The
    defaults are the study's: 2,000 original images, and 1,000 from each of two unseen sets.

    Source: "How Generalizable are Deepfake Detectors?", section III-C.

    Args:
        original: Crops (columns `path` and `label` at least; 1 = fake, 0 = real) of the set that
            the detector was trained on, from its training split.
        unseen: Name -> crops of a set it has not seen, such as `{"FS": fs, "NT": nt}`.
        n_original: Images from the original set, both classes together; 0 for none.
        n_unseen: Images from all unseen sets together.
        seed: Seed of the choice, from 0.

    Returns:
        The chosen rows, a part after the other, with a column `set`: `original`, or the name of the
        unseen set. No crop is there twice: one that several unseen sets list (the real crops that
        FaceSwap and NeuralTextures share) goes to one of them. The same crops and seed give the
        same rows, whatever the order of rows or sets was.

    Raises:
        InputError: Numbers that cannot be halved and shared evenly, or that the crops do not meet
            (with how many there are); a crop that a table lists twice, that is both original and
            unseen, or that two sets call fake; missing columns, other labels, no unseen set.

    Reproduction notes:
        The paper gives the totals. The study's scripts keep the two halves in two folders and
        alternate between batches of the one and of the other; training here shuffles the mix as a
        whole, so that a batch holds both. The paper's 2,000 "additional" original images come from
        the training set, so the detector was trained on them; to keep them apart, take the mix
        first and train on the rest, `train[~train["path"].isin(mix["path"])]`
        (`few_shot_originals="held_back"` in a study).

    Examples:
        >>> def crops(name, n):
        ...     rows = [(f"/{name}/{i}.png", i % 2) for i in range(n)]
        ...     return pd.DataFrame(rows, columns=["path", "label"])
        >>> sets = {"FS": crops("fs", 20), "NT": crops("nt", 20)}
        >>> mix = few_shot_mix(crops("celeb", 20), sets, n_original=8, n_unseen=8)
        >>> mix.groupby(["set", "label"]).size().to_dict()  # doctest: +NORMALIZE_WHITESPACE
        {('FS', 0): 2, ('FS', 1): 2, ('NT', 0): 2, ('NT', 1): 2,
         ('original', 0): 4, ('original', 1): 4}
    """
    seed = check_whole("seed", seed, least=0)
    needs = _needs(unseen, n_original, n_unseen)
    rng = np.random.default_rng(seed)
    parts = {name: _in_order(crops, name) for name, crops in {ORIGINAL: original, **unseen}.items()}
    _check_shared(parts)
    pools = [
        {name: part["path"][part["label"] == label] for name, part in parts.items()}
        for label in (0, 1)
    ]
    chosen = [_choose(pool, needs, rng) for pool in pools]
    _check_met(needs, chosen)
    rows = [
        part.set_index("path", drop=False).loc[chosen[0][name] + chosen[1][name]].assign(set=name)
        for name, part in parts.items()
        if needs[name]
    ]
    return pd.concat(rows, ignore_index=True)


def _needs(unseen: object, n_original: int, n_unseen: int) -> dict[str, int]:
    """Return how many images of each class each part gives."""
    of, hint = "the name of an unseen set to its crops", 'Pass {"FS": fs, "NT": nt}.'
    names = list(check_mapping("unseen", unseen, of=of, hint=hint))
    for name in names:
        if not name or name == ORIGINAL:
            raise InputError(
                f"expected names of unseen sets other than {ORIGINAL!r}, received {name!r}.",
                hint="Name each set as tables should call it.",
            )
    hint = "Images of both classes together; the paper takes 2000."
    n_original = check_whole("n_original", n_original, least=0, hint=hint)
    n_unseen = check_whole("n_unseen", n_unseen, least=1, hint=hint)
    if n_original % 2:
        raise InputError(
            f"expected an even n_original, half of it real, received {n_original}.",
            hint=f"Use {n_original + 1}.",
        )
    share = 2 * len(names)
    if n_unseen % share:
        raise InputError(
            f"expected n_unseen to be a multiple of {share}, for two classes of {len(names)} "
            f"set(s), received {n_unseen}.",
            hint=f"Use {(n_unseen // share + 1) * share}.",
        )
    return {ORIGINAL: n_original // 2, **dict.fromkeys(names, n_unseen // share)}


def _in_order(crops: pd.DataFrame, name: str) -> pd.DataFrame:
    """Check crops and sort them by what is the same on every machine, equals by the path."""
    require_columns(crops, ("path", "label"), what=f"the crops of {name}")
    numbers = pd.to_numeric(crops["label"], errors="coerce")
    check_labels(crops["label"].where(numbers.isna(), numbers), what=name)
    check_once(crops["path"], what=name)
    rows = crops.assign(path=crops["path"].astype(str), label=numbers.astype("int64"))
    known = rows.reindex(columns=[*CROP_COLUMNS])
    known["video"] = known["video"].astype("string").fillna(rows["path"].astype("string"))
    keys = pd.Series(crop_keys(known), dtype=object)
    order = sorted(range(len(rows)), key=lambda i: (keys.iloc[i], rows["path"].iloc[i]))
    return rows.iloc[order].reset_index(drop=True)


def _check_shared(parts: Mapping[str, pd.DataFrame]) -> None:
    """Raise where one crop is in two parts, unless it is a real one that unseen sets share."""
    first: dict[str, tuple[str, int]] = {}
    for name, part in parts.items():
        for path, label in zip(part["path"], part["label"], strict=True):
            other, other_label = first.setdefault(path, (name, label))
            if other == name or (other != ORIGINAL and label == other_label == 0):
                continue
            raise InputError(
                f"expected each crop in one set, {path!r} is {_CLASSES[other_label]} in {other} "
                f"and {_CLASSES[label]} in {name}.",
                hint="Split the crops first; unseen sets may share real crops, and nothing else.",
            )


def _choose(
    pools: Mapping[str, pd.Series], needs: Mapping[str, int], rng: np.random.Generator
) -> dict[str, list[str]]:
    """Choose from each pool what it needs, or what there is; nothing twice.

    So that crops which several hold are left where they are needed, what only one holds goes first
    and the smallest chooses first.
    """
    holders = Counter(path for pool in pools.values() for path in pool)
    taken: set[str] = set()
    chosen = {}
    for name in sorted(pools, key=lambda name: (len(pools[name]), name)):
        shuffled = pools[name].iloc[rng.permutation(len(pools[name]))]
        free = sorted((path for path in shuffled if path not in taken), key=holders.__getitem__)
        chosen[name] = free[: needs[name]]
        taken.update(chosen[name])
    return chosen


def _check_met(needs: Mapping[str, int], chosen: Sequence[Mapping[str, list[str]]]) -> None:
    found = [(name, need, label) for name, need in needs.items() for label in (0, 1)]
    if any(len(chosen[label][name]) < need for name, need, label in found):
        said = (f"{x} {len(chosen[label][x])} of {n} {_CLASSES[label]}" for x, n, label in found)
        raise InputError(
            f"expected enough crops for the mix; found {', '.join(said)}.",
            hint="Ask for fewer, or extract more frames a video. A crop that sets share counts "
            "once.",
        )
