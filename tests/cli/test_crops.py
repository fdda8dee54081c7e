"""The command `extract`: what is said of the videos that came, and of those that did not."""

from pathlib import Path

import pandas as pd
import pytest

from deepfake_generalize import data
from deepfake_generalize.cli import crops
from deepfake_generalize.data import FAILURE_COLUMNS
from deepfake_generalize.errors import InputError


def test_an_extraction_names_the_first_problems_and_counts_the_others(capsys) -> None:
    problems = [{"path": f"{i}.mp4", "status": "unknown", "reason": "no label"} for i in range(12)]
    crops.show_summary(
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
    crops.show_summary(
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
    crops.show_failures(failures, Path("crops"))
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
    crops.show_failures(failures.iloc[:3], Path("crops"))
    assert capsys.readouterr().out.endswith(f"┘\n{last}")
    crops.show_failures(failures.iloc[:0], Path("crops"))
    assert capsys.readouterr().out == ""


def test_what_ended_badly_can_be_asked_for_again(tmp_path, monkeypatch, fails) -> None:
    asked = []

    def note(*_, redo, **__):
        asked.append(redo)
        raise InputError("enough")

    for label in ("real", "fake"):
        (tmp_path / "in" / label).mkdir(parents=True)
        (tmp_path / "in" / label / "a.mp4").touch()
    command = ["extract", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    code, error, hint = fails(
        *command, "--finder=cascade", "--aligner=finder", "--redo=error", "--redo=nothing"
    )
    assert code == 2
    assert "received ('error', 'nothing')" in error
    assert "--redo no_face" in hint
    monkeypatch.setattr(data, "extract_faces", note)
    fails(*command)
    fails(*command, "--redo=error", "--redo=no_face")
    assert asked == [(), ("error", "no_face")]
