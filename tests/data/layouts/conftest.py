"""Tiny trees of empty files in the layouts of the public data sets."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

PAIRS = {"train": [["000", "003"]], "val": [["953", "974"]], "test": [["033", "097"]]}


@pytest.fixture
def touch() -> Callable[[Path, Iterable[str]], Path]:
    """Return a function that makes empty files under a root and returns the root."""

    def make(root: Path, names: Iterable[str]) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root

    return make


@pytest.fixture
def ff_names() -> list[str]:
    """Names of a complete small root: two methods, two levels, DFD, and what lies beside them."""
    ids = [name for pairs in PAIRS.values() for pair in pairs for name in pair]
    swaps = [
        f"{a}_{b}" for pairs in PAIRS.values() for pair in pairs for a, b in (pair, pair[::-1])
    ]
    names = []
    for level in ("raw", "c23"):
        names += [f"original_sequences/youtube/{level}/videos/{i}.mp4" for i in ids]
        names += [
            f"manipulated_sequences/{method}/{level}/videos/{swap}.mp4"
            for method in ("Deepfakes", "FaceSwap")
            for swap in swaps
        ]
    return [
        *names,
        "original_sequences/actors/c23/videos/24__outside_talking_still_laughing.mp4",
        "original_sequences/actors/c23/videos/23__kitchen_pan.mp4",
        "manipulated_sequences/DeepFakeDetection/c23/videos/24_23__kitchen_pan__YR5OVD4S.mp4",
        "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4",
        "manipulated_sequences/Deepfakes/c23/frames/000_003/0000.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/.hidden.mp4",
    ]


@pytest.fixture
def write_splits() -> Callable[[Path], None]:
    """Return a function that writes the three split files into a folder."""

    def write(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for split, pairs in PAIRS.items():
            (folder / f"{split}.json").write_text(json.dumps(pairs))

    return write
