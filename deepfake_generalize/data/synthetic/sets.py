"""The study's nine data sets and the null set: which people, which method, which frames."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from deepfake_generalize.data.synthetic.shots import FRAMES_PER_CLIP
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import check_whole

SPLITS: tuple[str, ...] = ("train", "val", "test")
Sizes: TypeAlias = dict[str, int]
"""Images of each split, half of them real."""

_ORIGINALS = {"FF++": "youtube", "DFD": "actors"}
_FRAMES_EACH = 4
# Sets that share a clip take turns, a second of it each, so that their frames are not neighbours.
_SLOTS, _SECOND = 4, 25
_FRAMES_PER_SLOT = FRAMES_PER_CLIP // _SLOTS


@dataclass(frozen=True)
class Group:
    """People that stand in no other group."""

    pattern: str  # How their names are written, as `str.format` takes it
    first: int  # The first number
    most: int  # How many there can be at most; even


@dataclass(frozen=True)
class SetPlan:
    """One data set."""

    dataset: str  # As the manifest names where the videos come from
    method: str  # As the layout names the manipulation
    groups: Mapping[str, str]  # For each split that the set has, the group of its people
    slot: int = 0  # Which seconds of a clip it takes: of every four, 0 to 3


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
"""Who there is. P and Q are FaceForensics++'s people, C and M Celeb-DF's, N the null set's."""

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

BUILT_IN_EFFECTS: tuple[str, ...] = (
    (
        "Every method leaves a trace of its own in its fakes, so that a detector trained on one "
        "method loses on the others."
    ),
    (
        "Every method but null also leaves the edge of a blend and a face without the footage's "
        "sensor noise, so that there is something common to all that training can find."
    ),
    (
        "Celeb-DF, FaceForensics++, DFD and the null set have cameras, light, codecs and framing "
        "of their own, so that reals of an unseen set may be taken for fakes."
    ),
    (
        "Cameras of FaceForensics++ and DFD leave blotches of colour on reals and fakes alike, as "
        "wide and as strong as the fingerprint of Celeb-DF's fakes, and Celeb-DF's hardly any: a "
        "detector that reads the fingerprint there takes such reals for fakes."
    ),
    "The fakes of the null set are reals: no detector can do better than chance on them.",
)
"""What in results on synthetic data comes from how the faces were made, a sentence an effect."""


@dataclass(frozen=True)
class Take:
    """One picture to make: what a row of the manifest says of it."""

    set: str
    split: str
    dataset: str
    method: str  # `real` or the manipulation's
    target: str  # Who is filmed
    source: str | None  # Who, or whose expression, is put in; None for originals
    frame: int  # Of the clip

    @property
    def label(self) -> int:
        """1 for a fake, 0 for an original."""
        return int(self.source is not None)

    @property
    def stem(self) -> str:
        """The stem of the video."""
        pair = self.target if self.source is None else f"{self.target}_{self.source}"
        if self.dataset == "FF++":
            return pair
        if self.dataset != "DFD":
            return f"{pair}_0000"
        code = "" if self.source is None else f"__{zlib.crc32(pair.encode()):08X}"
        return f"{pair}__talking_still{code}"

    @property
    def video(self) -> str:
        """The path of the video in the layout of its data set, with forward slashes.

        Examples:
            >>> Take("FS", "test", "FF++", "FaceSwap", "800", "801", 1).video
            'manipulated_sequences/FaceSwap/c23/videos/800_801.mp4'
        """
        if self.dataset in _ORIGINALS:
            kind = f"manipulated_sequences/{self.method}"
            if not self.label:
                kind = f"original_sequences/{_ORIGINALS[self.dataset]}"
            return f"{kind}/c23/videos/{self.stem}.mp4"
        kinds = ("real", "fake")
        if self.dataset.startswith("Celeb-DF"):
            kinds = ("Celeb-real", "Celeb-synthesis")
        return f"{self.dataset}/{kinds[self.label]}/{self.stem}.mp4"


def check_sizes(per_split: object) -> Sizes:
    """Return the images of each split, from one number for all or a mapping of all three."""
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
        hint = "Both classes together, such as 200."
        sizes[name] = check_whole(f"the images of {name}", sizes[name], least=0, hint=hint)
        if sizes[name] % 2:
            raise InputError(
                f"expected an even number of images for {name}, half of them real, "
                f"received {sizes[name]}.",
                hint=f"Use {sizes[name] + 1}.",
            )
    return {name: sizes[name] for name in SPLITS}


def people_of(group: str, sizes: Sizes) -> list[str]:
    """Name the people of a group that sets of these sizes have: an even number, or none."""
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
    """Return whose face is put into a person's footage: people stand in pairs, as in FF++."""
    return people[number ^ 1]


def plan_takes(name: str, sizes: Sizes) -> list[Take]:
    """List the pictures of a set: for each original, the fake of the same footage."""
    plan, takes = SETS[name], []
    for split, group in plan.groups.items():
        people = people_of(group, sizes)
        half = sizes[split] // 2
        if not half:
            continue
        frames = math.ceil(half / len(people))
        if frames > _FRAMES_PER_SLOT:
            most = 2 * _FRAMES_PER_SLOT * len(people)
            raise InputError(
                f"expected at most {most} images in {split} of {name}, received {sizes[split]}.",
                hint="Ask for fewer.",
            )
        for number in range(half):
            who, turn = number % len(people), number // len(people)
            frame = _frame(plan.slot, turn, frames)
            for source in (None, partner(people, who)):
                method = "real" if source is None else plan.method
                takes.append(Take(name, split, plan.dataset, method, people[who], source, frame))
    return takes


def _frame(slot: int, turn: int, frames: int) -> int:
    """Spread so many frames over the seconds of a slot and return that of a turn."""
    number = (2 * turn + 1) * _FRAMES_PER_SLOT // (2 * frames)
    second, rest = divmod(number, _SECOND)
    return (second * _SLOTS + slot) * _SECOND + rest
