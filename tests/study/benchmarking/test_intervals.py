"""Intervals of a benchmark, over videos where they are named."""

import functools

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.metrics import Resampling, accuracy, auc, bootstrap_interval, to_videos
from deepfake_generalize.study import benchmark as full_benchmark

UNSEEN = ["FS", "NT", "DF", "DFD"]
# Most tests ask for neither audit nor intervals: what they are about does not depend on them.
benchmark = functools.partial(full_benchmark, audit=False, resampling=None)


@pytest.fixture
def framed() -> dict[str, pd.DataFrame]:
    """An original and two unseen sets: 30 videos of 4 frames each, scored with noise."""

    def make(seed: int, gain: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        video = np.repeat(np.arange(30), 4)
        label = video % 2
        hard = rng.normal(scale=0.3, size=30)[video]
        score = np.clip(0.5 + gain * (label - 0.5) + hard + rng.normal(0, 0.1, 120), 0, 1)
        names = [f"s{seed}-{number:02d}" for number in video]
        return pd.DataFrame(
            {"label": label, "score": score, "video": names, "frame": [0, 1, 2, 3] * 30}
        )

    return {"original": make(0, 0.6), "A": make(1, 0.2), "B": make(2, 0.1)}


def test_frames_and_videos_are_measured_apart_with_intervals_over_videos(framed) -> None:
    unseen = {name: framed[name] for name in ("A", "B")}
    result = full_benchmark("x", original=framed["original"], unseen=unseen)
    table = result.metrics.set_index("set")
    assert table["n_frames"].tolist() == [120] * 3
    assert table["n_videos"].tolist() == [30] * 3
    for name, frame in framed.items():
        videos = to_videos(frame.assign(dataset="", method=""))
        row = table.loc[name]
        assert row["frame_accuracy"] == accuracy(frame["label"], frame["score"])
        assert row["frame_auc"] == result.auc[name] == auc(frame["label"], frame["score"])
        assert row["video_accuracy"] == accuracy(videos["label"], videos["score"])
        assert row["video_auc"] == auc(videos["label"], videos["score"])
        plain = bootstrap_interval(accuracy, frame["label"], frame["score"])
        width = row["frame_accuracy_high"] - row["frame_accuracy_low"]
        assert width > 1.2 * (plain.high - plain.low)
        interval = result.intervals["original_accuracy" if name == "original" else name]
        assert interval.estimate == pytest.approx(100 * row["frame_accuracy"])
        assert interval.low == pytest.approx(100 * row["frame_accuracy_low"])
    lost = result.intervals["degradation"]
    assert lost.estimate == pytest.approx(result.row["degradation"].item())
    assert lost.low < lost.estimate < lost.high
    assert result.notes == ()


def test_without_names_of_videos_the_intervals_say_that_they_are_too_narrow(scores_with) -> None:
    table = scores_with(75)
    result = full_benchmark("x", original=table, unseen={"A": table})
    assert result.metrics["n_videos"].isna().all()
    assert result.notes[0].startswith("original, A: no videos are named, so intervals are over si")
    assert result.intervals["A"].low < 75 < result.intervals["A"].high


def test_one_video_has_no_interval(framed) -> None:
    one = framed["A"].assign(video="only", label=1)
    result = full_benchmark("x", original=framed["original"], unseen={"A": one})
    assert list(result.intervals) == ["original_accuracy"]
    assert result.notes[-1] == (
        "A: no interval: 1 video of a class, and none is made of fewer than 5"
    )
    assert result.metrics["frame_accuracy_low"].isna().tolist() == [False, True]
    assert result.row["A"].item() == pytest.approx(100 * (one["score"] >= 0.5).mean())


def test_a_video_is_scored_by_what_is_there_and_a_silent_one_by_the_policy(framed) -> None:
    holes = framed["A"].copy()
    holes.loc[holes["video"] == "s1-03", "score"] = np.nan  # a fake
    holes.loc[0, "score"] = np.nan
    for policy, n_videos in (("exclude", 29), ("as-real", 30), ("as-fake", 30), ("as-chance", 30)):
        result = benchmark("x", original=framed["original"], unseen={"A": holes}, policy=policy)
        row = result.metrics.set_index("set").loc["A"]
        assert row["n_videos"] == n_videos
        usable = holes.dropna(subset=["score"]).assign(dataset="", method="")
        videos = to_videos(usable)
        right = ((videos["score"] >= 0.5) == videos["label"]).sum()
        extra = {"exclude": 0, "as-real": 0, "as-fake": 1, "as-chance": 0.5}[policy]
        assert row["video_accuracy"] == pytest.approx((right + extra) / n_videos)


@pytest.mark.slow
def test_the_rank_has_the_interval_of_the_degradation(scores_with) -> None:
    unseen = {name: scores_with(50) for name in UNSEEN}
    result = full_benchmark("x", original=scores_with(92.4), unseen=unseen)
    low, high = result.rank_interval
    assert low < result.rank == 25 < high <= 31
    assert full_benchmark("x", original=scores_with(9), unseen={"A": scores_with(50)},
                          polarity="fake-high").rank_interval is None  # fmt: skip


def test_intervals_are_printed_beside_the_numbers(scores_with) -> None:
    table = scores_with(75)
    result = full_benchmark(
        "x", original=table, unseen={"A": table}, resampling=Resampling(n_resamples=50)
    )
    lost = result.intervals["A"]
    assert f"75.00 [{lost.low:.2f}, {lost.high:.2f}]" in result.table("markdown", intervals=True)
    header, row = result.table("csv", intervals=True).splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert cells["A"] == "75.00"
    assert cells["A_low"] == f"{lost.low:.2f}"
    assert result.table("csv") == result.table("csv", "V")
    assert result.provenance["resampling"] == {"level": 0.95, "n_resamples": 50, "seed": 0}
    bare = benchmark("x", original=table, unseen={"A": table})
    assert bare.table("markdown", intervals=True) == bare.table("markdown")
