"""The tables for people: what came of an extraction, and which files of models are missing."""

from pathlib import Path

from deepfake_generalize.cli import show
from deepfake_generalize.data.assets import AssetStatus


def test_an_extraction_names_the_first_problems_and_counts_the_others(capsys) -> None:
    problems = [{"path": f"{i}.mp4", "status": "unknown", "reason": "no label"} for i in range(12)]
    show.extraction(
        {
            "folder": Path("crops"),
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
    assert "not among the videos: 12" in text
    assert "9.mp4" in text
    assert "10.mp4" not in text
    assert text.endswith("and 2 more; --json lists all\n")


def test_an_extraction_without_problems_speaks_of_none(capsys) -> None:
    show.extraction(
        {
            "folder": Path("crops"),
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
