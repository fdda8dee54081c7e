"""Crops without, or only with, the persons, clips or frames of other crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize.data.leakage.indexed_set import AuditedSet, gather_sets
from deepfake_generalize.data.leakage.perceptual_hash import near_duplicates as find_near_duplicates
from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Others: TypeAlias = pd.DataFrame | Splits


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Two tables that together hold every crop of the input exactly once, in its order.

    Attributes:
        crops: The crops that stay.
        dropped: The others, with a column `reason`.
    """

    crops: pd.DataFrame
    dropped: pd.DataFrame

    def __repr__(self) -> str:
        """Say how many crops stay and why the others do not."""
        reasons = self.dropped["reason"].str.replace(r" \(.*", "", regex=True).value_counts()
        lines = [f"  {count} dropped: {reason}" for reason, count in reasons.sort_index().items()]
        return "\n".join(["Selection(", f"  crops: {len(self.crops)}", *lines, ")"])


def exclude_identities(crops: pd.DataFrame, others: Others) -> Selection:
    """Drop the crops of every person who is in other crops.

    Args:
        crops: Rows of the crop manifest; persons are compared within a data set, both versions of
            Celeb-DF being one. Crops in which nobody is named stay: nothing tells that they show
            one of these persons.
        others: Crops, or `Splits` (their three parts).

    Returns:
        What stays and what does not.

    Raises:
        InputError: A table without paths, or others that name nobody.

    Examples:
        >>> crops = pd.DataFrame(
        ...     {"path": ["/a.png", "/b.png"], "dataset": "FF++", "target_identity": ["004", "007"]}
        ... )
        >>> selection = exclude_identities(crops, crops[:1])
        >>> selection.crops["path"].tolist(), selection.dropped["reason"].tolist()
        (['/b.png'], ['shows FF++ 004'])
    """
    mine, theirs = _gather(crops, others)
    _check_named(theirs)
    shown = [sorted(set(who) & theirs.by_person.keys()) for who in mine.people]
    return _select(crops, [f"shows {who[0]}" if who else "" for who in shown])


def only_identities(crops: pd.DataFrame, of: Others) -> Selection:
    """Keep the crops in which every person is in other crops too.

    Args:
        crops: As for `exclude_identities`, except that crops in which nobody is named are dropped.
        of: Crops, or `Splits` (their three parts).

    Returns:
        What stays and what does not.

    Raises:
        InputError: A table without paths, or others that name nobody.

    Examples:
        >>> crops = pd.DataFrame(
        ...     {"path": ["/a.png", "/b.png"], "dataset": "FF++", "target_identity": ["004", "007"]}
        ... )
        >>> only_identities(crops, crops[:1]).crops["path"].tolist()
        ['/a.png']
    """
    mine, theirs = _gather(crops, of)
    _check_named(theirs)
    reasons = []
    for who in mine.people:
        strangers = sorted(set(who) - theirs.by_person.keys())
        reasons.append(f"shows {strangers[0]}" if strangers else "" if who else "names nobody")
    return _select(crops, reasons)


def exclude_frames(crops: pd.DataFrame, others: Others) -> Selection:
    """Drop the crops of those frames that are in other crops; other frames of a video stay.

    Args:
        crops: Rows of the crop manifest. A frame is known by its video and number, at any
            compression in the data sets that this library knows by name; where it has no number,
            by the path of the crop.
        others: Crops, or `Splits` (their three parts).

    Returns:
        What stays and what does not.

    Raises:
        InputError: A table without paths.

    Examples:
        >>> crops = pd.DataFrame({"path": ["/a.png", "/b.png"], "video": "/v.mp4", "frame": [0, 9]})
        >>> exclude_frames(crops, crops[1:]).crops["frame"].tolist()
        [0]
    """
    mine, theirs = _gather(crops, others)
    taken = set(zip(theirs.materials, theirs.moments, strict=True))
    files = set(theirs.paths)
    rows = zip(mine.paths, mine.materials, mine.moments, strict=True)
    reasons = [
        "the same frame" if path in files or (clip, moment) in taken else ""
        for path, clip, moment in rows
    ]
    return _select(crops, reasons)


def exclude_material(
    crops: pd.DataFrame, others: Others, *, near_duplicates: bool = True
) -> Selection:
    """Drop the crops of every video that other crops are taken from, under whatever name.

    Args:
        crops: Rows of the crop manifest. Videos are compared as by `audit_leakage`.
        others: Crops, or `Splits` (their three parts).
        near_duplicates: Whether to read all images and drop the videos of which one image is
            nearly the same as one of the others.

    Returns:
        What stays and what does not.

    Raises:
        InputError: A table without paths, or an image that cannot be read.

    Examples:
        >>> crops = pd.DataFrame({"path": ["/a.png", "/b.png"], "video": ["/v.mp4", "/w.mp4"]})
        >>> exclude_material(crops, crops[:1], near_duplicates=False).crops["video"].tolist()
        ['/w.mp4']
    """
    mine, theirs = _gather(crops, others, images=near_duplicates)
    files = set(theirs.paths)
    alike = _alike(mine, theirs)
    reasons = []
    for path, clip in zip(mine.paths, mine.materials, strict=True):
        if clip in theirs.by_material or path in files:
            reasons.append("the same video")
        else:
            reasons.append(f"looks like another video ({alike[clip]})" if clip in alike else "")
    return _select(crops, reasons)


def _gather(
    crops: pd.DataFrame, others: Others, *, images: bool = False
) -> tuple[AuditedSet, AuditedSet]:
    if isinstance(others, Splits):
        others = pd.concat([getattr(others, part) for part in SUBSETS], ignore_index=True)
    mine, theirs = gather_sets({"crops": crops, "others": others}, images=images)
    for one in (mine, theirs):
        failed = one.fingerprints.unreadable if one.fingerprints else {}
        if failed:
            first = min(failed)
            raise InputError(
                f"expected images that can be compared, {len(failed)} of {len(one.paths)} in "
                f"{one.name} cannot be read; the first: {failed[first]}",
                hint="Mend or remove them, or use near_duplicates=False.",
            )
    return mine, theirs


def _alike(mine: AuditedSet, theirs: AuditedSet) -> dict[str, str]:
    """Map each clip of `mine` that looks like one of `theirs` to the first such clip."""
    found: dict[str, str] = {}
    if mine.fingerprints is None or theirs.fingerprints is None:
        return found
    pairs = find_near_duplicates(mine.fingerprints, theirs.fingerprints, mine.codes, theirs.codes)
    for rows, columns in pairs:
        for row, column in zip(rows, columns, strict=True):
            clip, other = mine.materials[row], theirs.materials[column]
            found[clip] = min(found.get(clip, other), other)
    return found


def _check_named(theirs: AuditedSet) -> None:
    if not theirs.by_person:
        raise InputError(
            f"expected the persons of at least one of {len(theirs.paths)} other crops to be known, "
            "none is.",
            hint="Fill the columns target_identity and source_identity.",
        )


def _select(crops: pd.DataFrame, reasons: Sequence[str]) -> Selection:
    why = np.array(reasons, dtype=object)
    gone = why != ""
    dropped = crops[gone].reset_index(drop=True)
    dropped["reason"] = pd.Series(why[gone], dtype="string")
    return Selection(crops[~gone].reset_index(drop=True), dropped)
