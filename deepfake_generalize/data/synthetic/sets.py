"""The study's nine data sets and the null set: which persons, which method, which frames."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from deepfake_generalize.data.synthetic.shots import FRAMES_PER_CLIP
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

SPLITS: tuple[str, ...] = ("train", "val", "test")
Sizes: TypeAlias = dict[str, int]
"""Images of each split, half of them real."""

_FRAMES_EACH = 4
# Sets that share a clip take turns, a second of it each, so that their frames are not neighbours.
_SLOTS, _SECOND = 4, 25
_FRAMES_PER_SLOT = FRAMES_PER_CLIP // _SLOTS


@dataclass(frozen=True)
class Group:
    """Persons that stand in no other group.

    Attributes:
        pattern: How their names are written, as `str.format` takes it.
        first: The first number.
        most: How many there can be at most; even.
    """

    pattern: str
    first: int
    most: int


@dataclass(frozen=True)
class SetPlan:
    """One data set.

    Attributes:
        dataset: As the manifest names where the videos come from.
        method: As the layout names the manipulation.
        groups: For each split that the set has, the group of its persons.
        slot: Which seconds of a clip it takes: of every four, 0 to 3.
    """

    dataset: str
    method: str
    groups: Mapping[str, str]
    slot: int = 0


_FF = "{:03d}"
GROUPS: dict[str, Group] = {
    "P1": Group(_FF, 0, 300),
    "P2": Group(_FF, 300, 100),
    "P3": Group(_FF, 400, 100),
    "Q1-train": Group(_FF, 500, 200),
    "Q1-val": Group(_FF, 700, 100),
    "Q2": Group(_FF, 800, 200),
    "C1": Group("id{}", 0, 300),
    "C2": Group("id{}", 300, 100),
    "C3": Group("id{}", 400, 100),
    "M": Group("id{}", 500, 100),
    "actors": Group("{:02d}", 1, 98),
    "N": Group("id{}", 600, 100),
}
"""Who there is. P and Q are FaceForensics++'s persons, C and M Celeb-DF's, N the null set's."""

_P = {"train": "P1", "val": "P2", "test": "P3"}
_Q = {"train": "Q1-train", "val": "Q1-val", "test": "Q2"}
_C = {"train": "C1", "val": "C2", "test": "C3"}
NULL = "NULL"
SETS: dict[str, SetPlan] = {
    "CELEB": SetPlan("Celeb-DF-v2", "Celeb-synthesis", _C),
    "F2F": SetPlan("FF++", "Face2Face", _P),
    "FS": SetPlan("FF++", "FaceSwap", _Q, 1),
    "NT": SetPlan("FF++", "NeuralTextures", _Q, 2),
    "DF": SetPlan("FF++", "Deepfakes", {"test": "Q2"}, 3),
    "DFD": SetPlan("DFD", "DeepFakeDetection", {"test": "actors"}),
    "CELEB-M": SetPlan("Celeb-DF-v1", "Celeb-synthesis", {"test": "M"}),
    "FS-I": SetPlan("FF++", "FaceSwap", {"test": "P1"}, 1),
    "NT-I": SetPlan("FF++", "NeuralTextures", {"test": "P1"}, 2),
    NULL: SetPlan("null", "null", {"test": "N"}),
}
"""The sets by the names that tables give them, and the null set."""


@dataclass(frozen=True)
class Take:
    """One picture to make: what a row of the manifest says of it.

    Attributes:
        set: Name of the set.
        split: train, val or test.
        dataset: As the manifest names it.
        method: `real` or the manipulation's.
        target: Name of the person filmed.
        source: Name of the person, or of whose expression, put in; None for originals.
        frame: Of the clip.
    """

    set: str
    split: str
    dataset: str
    method: str
    target: str
    source: str | None
    frame: int

    @property
    def label(self) -> int:
        """1 for a fake, 0 for an original."""
        return int(self.source is not None)

    @property
    def original(self) -> str:
        """The stem of the original video, which the fakes of the same footage share."""
        return _stem(self.dataset, self.target, None)

    @property
    def stem(self) -> str:
        """The stem of the video."""
        return _stem(self.dataset, self.target, self.source)


def check_sizes(per_split: object) -> Sizes:
    """Return the images of each split.

    Args:
        per_split: One number for all, or a mapping with train, val and test.

    Raises:
        InputError: Neither, an unknown or missing split, or a number that is odd or negative.

    Examples:
        >>> check_sizes(4)
        {'train': 4, 'val': 4, 'test': 4}
    """
    if isinstance(per_split, Mapping):
        if set(per_split) != set(SPLITS):
            raise InputError(
                f"expected per_split to name train, val and test, received {sorted(per_split)}.",
                hint="Give all three, or one number.",
            )
        sizes = dict(per_split)
    else:
        sizes = dict.fromkeys(SPLITS, per_split)
    for name in SPLITS:
        size = sizes[name]
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool):
            raise InputError(
                f"expected per_split to be whole numbers of images, received {describe(size)} "
                f"for {name}.",
                hint="Both classes together, such as 200.",
            )
        if size < 0 or size % 2:
            raise InputError(
                f"expected an even number of images for {name}, half of them real, "
                f"received {size}.",
                hint=f"Use {abs(int(size)) // 2 * 2 + 2}.",
            )
    return {name: int(sizes[name]) for name in SPLITS}


def people_of(group: str, sizes: Sizes) -> list[str]:
    """Name the persons of a group that sets of these sizes have.

    Args:
        group: A key of `GROUPS`.
        sizes: Images of each split.

    Returns:
        An even number of names, or none.

    Examples:
        >>> people_of("P1", {"train": 16, "val": 0, "test": 0})
        ['000', '001']
    """
    uses = [
        sizes[split]
        for plan in SETS.values()
        for split, own in plan.groups.items()
        if own == group and sizes[split]
    ]
    if not uses:
        return []
    wanted = 2 * math.ceil(uses[0] / (4 * _FRAMES_EACH))
    known = GROUPS[group]
    n = min(max(wanted, 2), known.most)
    return [known.pattern.format(known.first + i) for i in range(n)]


def partner(people: list[str], number: int) -> str:
    """Say whose face is put into a person's footage: persons stand in pairs, as in FF++.

    Args:
        people: The names of a group.
        number: Whose footage.

    Returns:
        The other of the pair.

    Examples:
        >>> partner(["000", "001"], 1)
        '000'
    """
    return people[number ^ 1]


def plan_takes(name: str, sizes: Sizes) -> list[Take]:
    """List the pictures of a set: for each original, the fake of the same footage.

    Args:
        name: A key of `SETS`.
        sizes: Images of each split.

    Returns:
        The takes, split after split, original and fake in turn.

    Raises:
        InputError: More images than the clips have frames.
    """
    plan, takes = SETS[name], []
    for split, group in plan.groups.items():
        people = people_of(group, sizes)
        half = sizes[split] // 2
        if not half:
            continue
        each = math.ceil(half / len(people))
        if each > _FRAMES_PER_SLOT:
            most = 2 * _FRAMES_PER_SLOT * len(people)
            raise InputError(
                f"expected at most {most} images in {split} of {name}, received {sizes[split]}.",
                hint="Ask for fewer.",
            )
        for number in range(half):
            who, turn = number % len(people), number // len(people)
            frame = _frame(plan.slot, turn, each)
            for source in (None, partner(people, who)):
                method = "real" if source is None else plan.method
                takes.append(Take(name, split, plan.dataset, method, people[who], source, frame))
    return takes


def _frame(slot: int, turn: int, each: int) -> int:
    """Spread `each` frames over the seconds of a slot and return one of them."""
    number = (2 * turn + 1) * _FRAMES_PER_SLOT // (2 * each)
    second, rest = divmod(number, _SECOND)
    return (second * _SLOTS + slot) * _SECOND + rest


def _stem(dataset: str, target: str, source: str | None) -> str:
    if dataset == "FF++":
        return target if source is None else f"{target}_{source}"
    if dataset == "DFD":
        if source is None:
            return f"{target}__talking_still"
        code = zlib.crc32(f"{target}_{source}".encode())
        return f"{target}_{source}__talking_still__{code:08X}"
    return f"{target}_0000" if source is None else f"{target}_{source}_0000"
