"""Large collections: the bookkeeping of ten thousand videos and a hundred thousand crops.

These are budgets, not ratios: a user has nothing to do it with instead. Files are empty and
pictures are drawn hashes, so that what is measured is ours, not the disk or a decoder.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.timing import Ratio, interleave, summarise
from deepfake_generalize.data import CROP_COLUMNS, balanced_splits, find_videos
from deepfake_generalize.data.leakage_sets import Fingerprints, near_duplicates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METHODS = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
CROPS_PER_VIDEO = 10


def measure(*, quick: bool = False) -> Iterator[Ratio]:
    """Yield a row each for finding videos, splitting crops and comparing pictures."""
    size, rounds = (1000, 1) if quick else (10_000, 3)
    with tempfile.TemporaryDirectory() as folder:
        root = lay_out(Path(folder), size)
        yield _row(
            f"manifest of {size:,} videos (FaceForensics++, Celeb-DF and DFDC under one root)",
            lambda: find_videos(root),
            budget_s=5.0,
            rounds=rounds,
        )
    crops = draw_crops(size)
    each = len(crops) // 4
    yield _row(
        f"identity-disjoint splits of {len(crops):,} crops",
        lambda: balanced_splits(crops, train=2 * each, val=each // 2, test=each // 2),
        budget_s=10.0,
        rounds=rounds,
    )
    one = draw_fingerprints(size)
    moved = one.take(np.roll(np.arange(size), 1))
    ours, theirs = np.arange(size), np.arange(size) + size
    yield _row(
        f"near-duplicates of {size:,} pictures among the same in another order, fingerprints given",
        lambda: list(near_duplicates(one, moved, ours, theirs)),
        budget_s=20.0,
        rounds=rounds,
    )


def lay_out(root: Path, n_videos: int) -> Path:
    """Make the empty files of three data sets as they are downloaded, and return their root."""
    per_kind = n_videos // 10
    names = [f"FF/original_sequences/youtube/c23/videos/{n:03}.mp4" for n in range(per_kind)]
    names += [
        f"FF/manipulated_sequences/{method}/c23/videos/{n:03}_{n ^ 1:03}.mp4"
        for method in METHODS
        for n in range(per_kind)
    ]
    swaps = range(2 * per_kind)
    names += [f"celeb/Celeb-synthesis/id{n % 50}_id{n % 49}_{n:04}.mp4" for n in swaps]
    names += [f"dfdc/part_{n % 4}/{n:05}.mp4" for n in swaps]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for part in range(4):
        listed = {f"{n:05}.mp4": {"label": "FAKE"} for n in range(part, 2 * per_kind, 4)}
        (root / f"dfdc/part_{part}/metadata.json").write_text(json.dumps(listed))
    return root


def draw_crops(n_videos: int) -> pd.DataFrame:
    """Return a crop manifest, half of it fake; each fake swaps one of two people for the other."""
    video = np.repeat(np.arange(n_videos), CROPS_PER_VIDEO)
    label, person = video % 2, video // 2
    frame = np.tile(np.arange(CROPS_PER_VIDEO), n_videos)
    crops = pd.DataFrame(index=range(len(video)), columns=list(CROP_COLUMNS))
    return crops.assign(
        path=[f"/crops/{v:05}/{f}.png" for v, f in zip(video, frame, strict=True)],
        dataset="drawn",
        video=[f"/videos/{v:05}.mp4" for v in video],
        label=label,
        frame=frame,
        target_identity=[f"{p:04}" for p in person],
        source_identity=[
            f"{p ^ 1:04}" if fake else None for p, fake in zip(person, label, strict=True)
        ],
    )


def draw_fingerprints(n_pictures: int) -> Fingerprints:
    """Return fingerprints of pictures of which no two look alike."""
    rng = np.random.default_rng(0)
    hashes = np.where(rng.random((n_pictures, 63)) < 0.5, -1.0, 1.0).astype(np.float32)
    thumbnails = rng.integers(0, 255, (n_pictures, 32, 32, 3), np.uint8)
    return Fingerprints(hashes, thumbnails, np.zeros(n_pictures, bool), {})


def _row(job: str, run: Callable[[], object], *, budget_s: float, rounds: int) -> Ratio:
    seconds = interleave({"ours": run}, rounds=rounds)["ours"]
    return summarise(
        job,
        f"its budget of {budget_s:.0f} s",
        seconds,
        [budget_s] * len(seconds),
        target=1.0,
    )
