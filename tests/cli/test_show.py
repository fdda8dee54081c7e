"""The tables for people: what came of an extraction, and which files of models are missing."""

from pathlib import Path

import pandas as pd
import pytest

from deepfake_generalize.cli import show
from deepfake_generalize.cli.scoring import ScoredVideo
from deepfake_generalize.data import FAILURE_COLUMNS
from deepfake_generalize.data.assets.resolve import AssetStatus
from deepfake_generalize.errors import VideoError


def test_an_extraction_names_the_first_problems_and_counts_the_others(capsys) -> None:
    problems = [{"path": f"{i}.mp4", "status": "unknown", "reason": "no label"} for i in range(12)]
    show.extraction(
        {
            "folder": Path("crops"),
            "layout": "folders",
            "recognised_by": "it holds real and fake",
            "videos": 5,
            "videos_failed": 2,
            "crops": 30,
            "failures": {"no_face": 4},
            "problems": problems,
        }
    )
    text = capsys.readouterr().out
    assert text.startswith("crops in crops\n")
    rows = [[cell.strip() for cell in line.split("│")[1:3]] for line in text.splitlines()]
    assert ["videos without a crop", "2"] in rows
    assert ["crops", "30"] in rows
    assert ["failures: no_face", "4"] in rows
    assert "\nlayout folders: it holds real and fake\n" in text
    assert "not among the videos: 12" in text
    assert "9.mp4" in text
    assert "10.mp4" not in text
    assert text.endswith("and 2 more; --json lists all\n")


def test_an_extraction_without_problems_speaks_of_none(capsys) -> None:
    show.extraction(
        {
            "folder": Path("crops"),
            "layout": "csv",
            "recognised_by": "v.csv has the columns path and label",
            "videos": 1,
            "videos_failed": 0,
            "crops": 3,
            "failures": {},
            "problems": [],
        }
    )
    text = capsys.readouterr().out
    assert "not among the videos" not in text
    assert "more" not in text


def test_why_videos_failed_is_said_worst_first_and_for_ten_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows: list[tuple[str, int | None, str, str]] = [
        ("partly.mp4", 3, "no_face", "nobody"),
        ("partly.mp4", 9, "no_face", "nobody"),
        ("partly.mp4", 12, "corrupt", "damaged"),
        ("gone.mp4", None, "missing", "no such file"),
        *((f"{i}.mp4", 1, "no_face", "nobody") for i in range(9)),
    ]
    failures = pd.DataFrame(rows, columns=[*FAILURE_COLUMNS]).astype({"frame": "Int64"})
    show.failed_videos(failures, Path("crops"))
    text = capsys.readouterr().out
    assert text.startswith("videos with failures: 11\n")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    assert [row for row in cells if row][:3] == [
        ["gone.mp4", "all", "missing", "no such file"],
        ["partly.mp4", "3", "no_face, corrupt", "nobody (and 1 more reason)"],
        ["0.mp4", "1", "no_face", "nobody"],
    ]
    assert "7.mp4" in text
    assert "8.mp4" not in text
    last = "crops/failures.csv gives the reason for each frame or video\n"
    assert text.endswith(f"┘\nand 1 more; {last}")
    show.failed_videos(failures.iloc[:3], Path("crops"))
    assert capsys.readouterr().out.endswith(f"┘\n{last}")
    show.failed_videos(failures.iloc[:0], Path("crops"))
    assert capsys.readouterr().out == ""


def test_a_frame_that_is_well_has_no_reason(capsys: pytest.CaptureFixture[str]) -> None:
    frames = (
        {"frame": 3, "score": float("nan"), "status": "no_face", "reason": "nobody"},
        {"frame": 9, "score": 0.7, "status": "ok", "reason": None},
        {"frame": 12, "score": 0.7, "status": "ok", "reason": float("nan")},
    )
    show.scores("d", [ScoredVideo(Path("a.mp4"), 0.7, 2 / 3, frames)])
    text = capsys.readouterr().out
    assert "nobody" in text
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize(("coverage", "said"), [(0.4, True), (0.5, True), (0.6, False)])
def test_a_score_that_rests_on_few_frames_is_noted(
    coverage: float, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tuple({"frame": i} for i in range(10))
    failed = ScoredVideo(Path("b.mp4"), None, 0.0, frames, VideoError("no face."))
    show.low_coverage([ScoredVideo(Path("a.mp4"), 0.7, coverage, frames), failed])
    note = f"note: a.mp4: only {round(coverage * 10)} of 10 sampled frames have a score"
    err = capsys.readouterr().err
    assert err.startswith(note) if said else err == ""
    assert "b.mp4" not in err


def test_a_missing_file_is_named_with_its_variable_and_address(capsys) -> None:
    there = AssetStatus("there", Path("/models/a.tflite"), "cache", "A", "https://a.example/a")
    wrong = AssetStatus("wrong", None, None, "B", "https://b.example/b", problem="its hash differs")
    show._assets([there, wrong])
    text = capsys.readouterr().out
    assert "wrong: its hash differs\n" in text
    assert text.endswith("wrong: $B, or https://b.example/b\n")
    assert "$A" not in text
    show._assets([there])
    assert "downloaded" not in capsys.readouterr().out
