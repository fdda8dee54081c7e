"""Crops without, or only with, the people, videos or frames of other crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from deepfake_generalize.data.leakage.alike import alike_rows
from deepfake_generalize.data.leakage.indexed_set import IndexedSet, gather_sets
from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import check_choice

Others: TypeAlias = pd.DataFrame | Splits

_By = Literal["identity", "video", "frame"]


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Two tables that together hold every crop exactly once: `dropped` has a column `reason`."""

    crops: pd.DataFrame
    dropped: pd.DataFrame

    def __repr__(self) -> str:
        """Say how many crops stay and why the others do not."""
        reasons = self.dropped["reason"].str.replace(r" \(.*", "", regex=True).value_counts()
        lines = [f"  {count} dropped: {reason}" for reason, count in reasons.sort_index().items()]
        return "\n".join(["Selection(", f"  crops: {len(self.crops)}", *lines, ")"])


def exclude(
    crops: pd.DataFrame, others: Others, *, by: _By, near_duplicates: bool = True
) -> Selection:
    """Drop the crops that show the same people, videos or frames as other crops.

    Args:
        crops: Rows of the crop manifest.
        others: Crops, or `Splits` (their three parts).
        by: What is not to be shared. `identity`: people, compared within a data set; crops in which
            nobody is named stay. `video`: videos under whatever name, compared as by
            `audit_leakage`. `frame`: only the very same frames, known by video and number, at any
            compression in the data sets that this library knows by name; where it has no number, by
            the path of the crop.
        near_duplicates: With by="video", whether to read all images and drop also the videos of
            which one image is nearly the same as one of the others.

    Raises:
        InputError: A table without paths, another `by`; others that name nobody, with
            by="identity"; an image that cannot be read, with by="video".

    Examples:
        >>> crops = pd.DataFrame(
        ...     {"path": ["/a.png", "/b.png"], "dataset": "FF++", "target_identity": ["004", "007"]}
        ... )
        >>> selection = exclude(crops, crops[:1], by="identity")
        >>> selection.crops["path"].tolist(), selection.dropped["reason"].tolist()
        (['/b.png'], ['shows FF++ 004'])
    """
    check_choice("by", by, get_args(_By))
    images = by == "video" and near_duplicates
    mine, theirs = _gather(crops, others, images=images, named=by == "identity")
    files = set(theirs.paths)
    if by == "identity":
        shown = [sorted(set(who) & theirs.by_person.keys()) for who in mine.people]
        return _select(crops, [f"shows {who[0]}" if who else "" for who in shown])
    if by == "frame":
        frames = set(zip(theirs.clips, theirs.frame_ids, strict=True))
        rows = zip(mine.paths, mine.clips, mine.frame_ids, strict=True)
        taken = [path in files or (clip, frame) in frames for path, clip, frame in rows]
        return _select(crops, ["the same frame" if same else "" for same in taken])
    alike = _alike(mine, theirs)
    reasons = []
    for path, clip in zip(mine.paths, mine.clips, strict=True):
        if clip in theirs.by_clip or path in files:
            reasons.append("the same video")
        else:
            reasons.append(f"looks like another video ({alike[clip]})" if clip in alike else "")
    return _select(crops, reasons)


def only_identities(crops: pd.DataFrame, of: Others) -> Selection:
    """Keep the crops in which every person is in other crops too.

    Args:
        crops: Rows of the crop manifest; people are compared as in `exclude`. Crops in which nobody
            is named are dropped.
        of: Crops, or `Splits` (their three parts).

    Raises:
        InputError: A table without paths, or others that name nobody.

    Examples:
        >>> crops = pd.DataFrame(
        ...     {"path": ["/a.png", "/b.png"], "dataset": "FF++", "target_identity": ["004", "007"]}
        ... )
        >>> only_identities(crops, crops[:1]).crops["path"].tolist()
        ['/a.png']
    """
    mine, theirs = _gather(crops, of, named=True)
    reasons = []
    for who in mine.people:
        strangers = sorted(set(who) - theirs.by_person.keys())
        reasons.append(f"shows {strangers[0]}" if strangers else "" if who else "names nobody")
    return _select(crops, reasons)


def _gather(
    crops: pd.DataFrame, others: Others, *, images: bool = False, named: bool
) -> tuple[IndexedSet, IndexedSet]:
    if isinstance(others, Splits):
        others = pd.concat([getattr(others, part) for part in SUBSETS], ignore_index=True)
    mine, theirs = gather_sets({"crops": crops, "others": others}, images=images)
    for table in (mine, theirs):
        if failed := table.fingerprints.unreadable:
            raise InputError(
                f"expected images that can be compared, {len(failed)} of {len(table.paths)} in "
                f"{table.name} cannot be read; the first: {failed[min(failed)]}",
                hint="Mend or remove them, or use near_duplicates=False.",
            )
    if named and not theirs.by_person:
        raise InputError(
            f"expected the people of at least one of {len(theirs.paths)} other crops to be known, "
            "none are.",
            hint="Fill the columns target_identity and source_identity.",
        )
    return mine, theirs


def _alike(mine: IndexedSet, theirs: IndexedSet) -> dict[str, str]:
    """Map each clip of `mine` that looks like one of `theirs` to the first such clip."""
    found: dict[str, str] = {}
    for rows, columns in alike_rows(mine, theirs):
        others = sorted({theirs.clips[column] for column in columns})
        for clip in {mine.clips[row] for row in rows}:
            other = next((name for name in others if name != clip), None)
            if other is not None:
                found[clip] = min(found.get(clip, other), other)
    return found


def _select(crops: pd.DataFrame, reasons: Sequence[str]) -> Selection:
    why = np.array(reasons, dtype=object)
    gone = why != ""
    dropped = crops[gone].reset_index(drop=True)
    dropped["reason"] = pd.Series(why[gone], dtype="string")
    return Selection(crops[~gone].reset_index(drop=True), dropped)
