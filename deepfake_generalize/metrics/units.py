"""What is drawn: the videos of a set, or the people in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, IntArray
from deepfake_generalize.validation import refuse_masked

FEWEST = 5
"""With fewer videos of a class there is no interval: what varies between them is not known."""


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of one test set, (N,) arrays; equal names are the same video in another set too.

    `tie` is True for images that a coin decides; `people` (N,) who is seen, or (N, 2) who is seen
    and whose face was put in, the empty string where nobody's was; `unit` what a group is:
    "videos", or "images" where groups are their names.
    """

    labels: npt.ArrayLike
    scores: npt.ArrayLike
    groups: npt.ArrayLike | None = None
    tie: npt.ArrayLike | None = None
    people: npt.ArrayLike | None = None
    unit: str = "videos"


@dataclass(frozen=True, eq=False)
class Units:
    """What is drawn of a set: its videos, or the people in them.

    People come in up to three ways (Cameron, Gelbach and Miller, "Robust inference with multiway
    clustering", 2011): by who is seen, by whose face was put in, and by both together.

    `names` are of the units, for each way; `codes` (ways, N) the place of each image's unit among
    them; `n` is how many units the rarer class has.
    """

    names: tuple[Sequence[str], ...]
    codes: IntArray
    n: int
    unit: str
    note: str = ""


def find_units(scored: Scored, place: str = "") -> Units:
    """Return what is drawn of a set, called `place`: people where known and enough, else videos."""
    labels = np.asarray(scored.labels)
    if scored.groups is None:
        codes = np.arange(len(labels), dtype=np.int64)
        videos = Units(([f"{place}#{row}" for row in codes],), codes[np.newaxis], 0, "images")
    else:
        codes, names = number_groups(scored.groups, len(labels))
        videos = Units(([f"video {name}" for name in names],), codes[np.newaxis], 0, scored.unit)
    videos = replace(videos, n=_rarer(videos.codes, labels))
    if scored.people is None:
        return videos
    people = _people(scored.people, labels)
    if people.n < FEWEST:
        few = (
            f"{counted(people)} of a class: too few to draw people, so intervals are of other "
            f"{videos.unit} of the same people"
        )
        return replace(videos, note=few)
    return people


def counted(units: Units) -> str:
    """Return how many there are of the rarer class, in words: "1 person"."""
    one = "person" if units.unit == "people" else units.unit.removesuffix("s")
    return f"{units.n} {one if units.n == 1 else units.unit}"


def _people(given: npt.ArrayLike, labels: AnyArray) -> Units:
    who = np.asarray(given, dtype=object)
    if who.ndim == 1:
        who = who[:, np.newaxis]
    if who.ndim != 2 or len(who) != len(labels) or who.shape[1] > 2:
        raise InputError(
            f"expected people of shape ({len(labels)},) or ({len(labels)}, 2), received "
            f"{who.shape}.",
            hint="Pass who is seen in each image, or who is seen and whose face was put in.",
        )
    seen = who[:, 0]
    ways, prefixes = [seen], ["person", "person", "pair"]
    if who.shape[1] == 2 and (who[:, 1] != "").any():
        put_in = np.where(who[:, 1] == "", seen, who[:, 1])
        ways += [put_in, seen + "\t" + put_in]
    numbered = [number_groups(way, len(labels)) for way in ways]
    codes = np.stack([own for own, _ in numbered])
    names = tuple(
        [f"{prefix} {name}" for name in named]
        for prefix, (_, named) in zip(prefixes, numbered, strict=False)
    )
    return Units(names, codes, _rarer(codes[:2], labels), "people")


def _rarer(codes: IntArray, labels: AnyArray) -> int:
    """Return how many units the rarer class has, in the way that has fewer."""
    return min(len(np.unique(way[labels == label])) for way in codes for label in np.unique(labels))


def numbered_together(
    ways: Sequence[tuple[Sequence[str], IntArray]],
) -> tuple[list[str], list[IntArray]]:
    """Number the units of several sets together; equal names are the same unit."""
    known: dict[str, int] = {}
    codes = []
    for names, own in ways:
        numbers = np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)
        codes.append(numbers[own])
    return list(known), codes


def number_groups(
    groups: npt.ArrayLike, size: int, *, in_order: bool = False
) -> tuple[IntArray, list[str]]:
    """Return the number of each image's group, counted from 0, and the groups' names."""
    refuse_masked("groups", groups, hint="Name the video of every image.")
    # NumPy would turn a missing name in a list of strings into the string "nan".
    keys = np.asarray(groups, dtype=object if isinstance(groups, list | tuple) else None)
    if keys.shape != (size,):
        raise InputError(
            f"expected one group for each of {size} images, received shape {keys.shape}.",
            hint="Pass one name a video; join dataset, method and video to one string.",
        )
    codes, names = pd.factorize(keys, sort=in_order)
    if codes.size and codes.min() < 0:
        raise InputError(
            f"expected a group for every image, received {int((codes < 0).sum())} without.",
            hint="Name the video of every image, or leave these images out.",
        )
    return np.asarray(codes, dtype=np.int64), [str(name) for name in names]
