"""Balanced training, validation and test sets that share no video and no person."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import absolute, open_regular
from deepfake_generalize.data import manifests
from deepfake_generalize.data.assignment import (
    CROSSING,
    Needs,
    assign_videos,
    collect_videos,
)
from deepfake_generalize.data.crops import CROP_COLUMNS, before_number
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.notebooks import card, html_table
from deepfake_generalize.validation import check_choice, check_whole

SUBSETS: tuple[str, ...] = ("train", "val", "test")
_PREFIX = "sha256: "
_FIRST_LINE = 200
_COLUMNS = (*CROP_COLUMNS, "subset", "reason")


@dataclass(frozen=True, eq=False, repr=False)
class Splits:
    """Four tables that together hold every crop of the input exactly once.

    Attributes:
        train: Rows of the crop manifest, half real (0), half fake (1).
        val: The same, for choosing among models.
        test: The same, for the final figures.
        dropped: The other rows, with a column `reason`.
        sha256: Hash of which crops are in which of the four, wherever the files lie.

    Examples:
        >>> from deepfake_generalize.data.splits import balanced_splits
        >>> rows = [{"path": f"/{i}.png", "video": f"/{i}.mp4", "label": i % 2} for i in range(8)]
        >>> crops = pd.DataFrame(rows, columns=list(CROP_COLUMNS))
        >>> splits = balanced_splits(crops, train=4, val=2, test=2, by="video")
        >>> print(splits.val["label"].tolist(), len(splits.dropped))
        [0, 1] 0
    """

    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    dropped: pd.DataFrame
    sha256: str

    def __repr__(self) -> str:
        """Say what each part holds, why crops were dropped, and what is not known of the videos."""
        lines = [
            f"  {name}: {len(part)} images ({int((part['label'] == 0).sum())} real, "
            f"{int((part['label'] == 1).sum())} fake) of {part['video'].nunique()} videos"
            for name, part in ((name, getattr(self, name)) for name in SUBSETS)
        ]
        reasons = self.dropped["reason"].value_counts().sort_index()
        lines.append(f"  dropped: {len(self.dropped)} images")
        lines += [f"    {count}: {reason}" for reason, count in reasons.items()]
        lines += [f"  {remark}" for remark in remarks(self)]
        return "\n".join(["Splits(", *lines, f"  sha256: {self.sha256}", ")"])

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        rows: list[tuple[object, ...]] = [("part", "images", "real", "fake", "videos", "")]
        for name in SUBSETS:
            part = getattr(self, name)
            fakes = int(part["label"].sum())
            rows.append((name, len(part), len(part) - fakes, fakes, part["video"].nunique(), ""))
        reasons = self.dropped.groupby("reason")
        rows += [("dropped", len(of), "", "", of["video"].nunique(), why) for why, of in reasons]
        table = html_table(rows, [False, True, True, True, True, False])
        return card("Splits", [table], [*remarks(self), f"sha256: {self.sha256}"])

    def save(self, path: str | Path) -> Path:
        """Write the splits to one CSV file, all of it or nothing, and return its path.

        Paths are relative to its folder. InputError where it cannot be written.
        """
        parts = [getattr(self, name).assign(subset=name) for name in (*SUBSETS, "dropped")]
        rows = pd.concat([part.astype({"frame": "Int64"}) for part in parts], ignore_index=True)
        comment = _PREFIX + self.sha256
        expected = f"expected a place where splits can be written, received {str(path)!r}"
        hint = "Choose another file, or mend the permissions of its folder."
        with telling(expected, hint=hint):
            return manifests.write_manifest(rows, absolute(path), _COLUMNS, comment=comment)

    @staticmethod
    def load(path: str | Path) -> Splits:
        """Read what `save` wrote, with the paths as they are seen from here.

        InputError where there are no splits, DataMismatchError where the hash is of other rows.
        """
        file = absolute(path)
        try:
            with open_regular(file) as lines:
                first = lines.readline(_FIRST_LINE).decode("utf-8", "replace").strip()
        except OSError as error:
            raise InputError(
                f"expected saved splits at {str(file)!r}: {error}.", hint="Check the path."
            ) from error
        if not first.startswith(f"# {_PREFIX}"):
            raise InputError(
                f"expected saved splits at {str(file)!r}, its first line holds no hash.",
                hint="Pass a file that Splits.save wrote.",
            )
        stored = first.removeprefix(f"# {_PREFIX}")
        rows = manifests.read_manifest(file, _COLUMNS, skip=1)
        unknown = set(rows["subset"].fillna("")) - {*SUBSETS, "dropped"}
        if unknown:
            raise DataMismatchError(
                f"expected the subsets {', '.join(SUBSETS)} and dropped in {str(file)!r}, "
                f"received {sorted(unknown)}.",
                hint="Make the splits again.",
            )
        splits = assemble(rows.drop(columns=["subset", "reason"]), rows["subset"], rows["reason"])
        if splits.sha256 != stored:
            raise DataMismatchError(
                f"expected the rows of {str(file)!r} to have the hash {stored[:12]}... of its "
                f"first line, they have {splits.sha256[:12]}...",
                hint="The file was altered after it was saved: make the splits again.",
            )
        return splits


def assemble(rows: pd.DataFrame, subset: pd.Series[str], reason: pd.Series[str]) -> Splits:
    """Make `Splits` of crops, where each belongs, and why the dropped ones are dropped."""
    parts = {
        name: rows[(subset == name).to_numpy()].reset_index(drop=True)
        for name in (*SUBSETS, "dropped")
    }
    why = reason.astype("string")[(subset == "dropped").to_numpy()]
    parts["dropped"]["reason"] = why.reset_index(drop=True)
    keys = sorted(
        f"{name}\t{key}" for name, key in zip(subset, manifests.crop_keys(rows), strict=True)
    )
    return Splits(**parts, sha256=manifests.text_sha256("\n".join(keys)))


def remarks(splits: Splits) -> list[str]:
    """Say what is not known of the videos, and which may be in several parts for that."""
    said = []
    parts = [getattr(splits, name) for name in (*SUBSETS, "dropped")]
    rows = pd.concat([part[["video", "target_identity", "source_identity"]] for part in parts])
    named = rows.loc[rows.drop(columns="video").notna().any(axis=1), "video"].nunique()
    if named < rows["video"].nunique():
        n_videos = rows["video"].nunique()
        said.append(
            f"people unknown for {n_videos - named} of {n_videos} videos: by='identity' counts "
            "each as a person of its own"
        )
    # What images of several parts have in common that are named like frames of a video.
    places: dict[str, set[str]] = {}
    for name, part in zip(SUBSETS, parts, strict=False):
        alone = part.loc[part["video"] == part["path"], "path"]
        for folder, file in (os.path.split(str(path)) for path in alone):
            if video := before_number(file):
                places.setdefault(f"{folder}/{video}", set()).add(name)
    if torn := [video for video, names in places.items() if len(names) > 1]:
        said.append(
            f"{len(torn)} videos may be torn apart: images that count as a video each are named "
            f"like frames of one, such as {min(torn)!r}; video_pattern= of read_crops, "
            "--video-pattern of `split`, names their videos"
        )
    return said


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
    manifests.require_columns(crops, ("path", "label"), what="crops")
    crops = manifests.with_columns(crops, CROP_COLUMNS)
    manifests.check_filled(crops, ("path", "video"), what="crops")
    manifests.check_labels(crops["label"], what="crops")
    manifests.check_once(crops["path"], what="crops")
    return crops


def in_order(crops: pd.DataFrame) -> pd.DataFrame:
    """Sort crops by what is the same on every machine, by the path only between equals."""
    keys, paths = manifests.crop_keys(crops), [str(path) for path in crops["path"]]
    order = sorted(range(len(crops)), key=lambda row: (keys[row], paths[row]))
    rows = crops.iloc[order].reset_index(drop=True)
    try:
        rows["score"] = pd.to_numeric(rows["score"])
        return manifests.restore_types(rows, CROP_COLUMNS)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected numbers in the columns frame, label and score of crops: {error}.",
            hint="Use data.read_crops(folder).",
        ) from error


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
