"""A million frame scores through the whole metrics path, with a thousand resamples each.

The target is absolute: under 20 s and 1 GiB on two cores. The row beside it is a ratio: the same
bootstrap of average precision by scikit-learn on copied images, as a user would write it, measured
on few resamples and extrapolated.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.timing import Ratio, compare, line, summarise
from deepfake_generalize import metrics
from deepfake_generalize._system.processes import peak_memory
from deepfake_generalize.metrics.weighted import METRICS

N_FRAMES = 1_000_000
FRAMES_PER_VIDEO = 10
N_RESAMPLES = 1000
BUDGET_S = 20.0


def draw(n_frames: int = N_FRAMES, *, seed: int = 0) -> pd.DataFrame:
    """Draw frames of videos, half of them fake, scored by two detectors."""
    rng = np.random.default_rng(seed)
    video = np.arange(n_frames) // FRAMES_PER_VIDEO
    label = video % 2
    hard = rng.normal(scale=0.2, size=int(video[-1]) + 1)[video]

    def scores(gain: float) -> np.ndarray:
        noise = rng.normal(scale=0.15, size=n_frames)
        return np.clip(0.5 + gain * (label - 0.5) + hard + noise, 0.0, 1.0)

    return pd.DataFrame(
        {
            "dataset": "drawn",
            "method": np.where(label == 1, "fake", "real"),
            "video": video,
            "label": label,
            "score": scores(0.3),
            "other": scores(0.35),
        }
    )


def whole_path(frames: pd.DataFrame, n_resamples: int = N_RESAMPLES) -> dict[str, float]:
    """Measure frames and videos with every metric and compare two detectors; return the seconds."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal started
        now = time.perf_counter()
        seconds[name], started = now - started, now

    labels, scores, groups = frames["label"], frames["score"], frames["video"]
    options: dict[str, Any] = {"n_resamples": n_resamples}
    metrics.bootstrap_interval(METRICS, labels, scores, groups=groups, **options)
    lap("frames: all metrics")
    videos = metrics.to_videos(frames)
    lap("to_videos")
    metrics.bootstrap_interval(METRICS, videos["label"], videos["score"], **options)
    lap("videos: all metrics")
    metrics.compare(labels, scores, frames["other"], groups=groups, **options)
    lap("compare: paired intervals, DeLong by video")
    return seconds


def one_by_one(frames: pd.DataFrame, n_resamples: int = N_RESAMPLES) -> dict[str, float]:
    """Call each metric's interval by itself, single frames being drawn: the slowest way to ask."""
    labels, scores = frames["label"].to_numpy(), frames["score"].to_numpy()
    seconds = {}
    for metric in (metrics.accuracy, metrics.auc, metrics.average_precision, metrics.eer):
        started = time.perf_counter()
        metrics.bootstrap_interval(metric, labels, scores, n_resamples=n_resamples)
        seconds[f"{metric.__name__}, frame by frame"] = time.perf_counter() - started
    return seconds


def measure(*, quick: bool = False) -> list[Ratio]:
    """Time an interval against scikit-learn on copied images, and the whole path (not if quick)."""
    frames = draw(20_000 if quick else N_FRAMES)
    return [_interval(frames, quick=quick), *([] if quick else [_whole_path(frames)])]


def _whole_path(frames: pd.DataFrame) -> Ratio:
    started = time.perf_counter()
    whole_path(frames)
    return summarise(
        f"every metric with intervals, {len(frames):,} frames, {N_RESAMPLES} resamples",
        f"its budget of {BUDGET_S:.0f} s",
        [time.perf_counter() - started],
        [BUDGET_S],
        target=1.0,
        note=f"measured once; {peak_memory() / 2**20:.2f} GiB at most",
    )


def _interval(frames: pd.DataFrame, *, quick: bool) -> Ratio:
    from sklearn.metrics import average_precision_score

    labels, scores = frames["label"].to_numpy(), frames["score"].to_numpy()
    videos = frames["video"].to_numpy()
    n_ours, n_theirs = (100, 5) if quick else (N_RESAMPLES, 5)

    def theirs() -> None:
        rng = np.random.default_rng(0)
        for _ in range(n_theirs):
            times = np.bincount(rng.choice(videos[-1] + 1, videos[-1] + 1))[: videos[-1] + 1]
            times = np.pad(times, (0, videos[-1] + 1 - times.size))[videos]
            average_precision_score(np.repeat(labels, times), np.repeat(scores, times))

    return compare(
        f"interval of AP, {len(frames):,} frames, {n_ours} resamples by video",
        "scikit-learn on copied images",
        ours=lambda: metrics.bootstrap_interval(
            metrics.average_precision, labels, scores, groups=videos, n_resamples=n_ours
        ),
        theirs=theirs,
        rounds=3,
        scale_theirs=n_ours / n_theirs,
        note=f"theirs extrapolated from {n_theirs} resamples",
    )


def main() -> None:
    """Run the whole path once, and print seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--resamples", type=int, default=N_RESAMPLES, help="of each metric in the whole path"
    )
    parser.add_argument("--ratio", action="store_true", help="measure scikit-learn as well")
    chosen = parser.parse_args()
    frames = draw()
    cpu, wall = time.process_time(), time.perf_counter()
    seconds = whole_path(frames, chosen.resamples)
    document = {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_gib": peak_memory() / 2**20,
        "parts_s": seconds,
    }
    if chosen.json:
        print(json.dumps(document))
        return
    for name, value in (seconds | one_by_one(frames, chosen.resamples)).items():
        print(f"{value:6.1f} s  {name}")
    print(
        f"{document['wall_s']:6.1f} s  the whole path ({document['cpu_s']:.1f} s of processor "
        f"time), {document['peak_gib']:.2f} GiB at most; target {BUDGET_S:.0f} s for {N_RESAMPLES} "
        "resamples, 1 GiB"
    )
    for row in measure() if chosen.ratio else []:
        print(line(row))


if __name__ == "__main__":
    sys.exit(main())
