"""The command `benchmark`: sets that are refused, the row and its rank, tables, and score files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import study
from deepfake_generalize.cli import main


@pytest.mark.parametrize("text", ["DFD", "=folder", "DFD="])
def test_sets_need_a_name_and_a_folder(text: str, fails: Any) -> None:
    code, error, hint = fails("benchmark", "--detector", "d", "--original", "x", "--unseen", text)
    assert code == 2
    assert "expected NAME=FOLDER or NAME=SCORES.csv" in error
    assert "DFD=" in hint


def test_a_set_given_twice_is_refused(fails: Any) -> None:
    code, error, _ = fails(
        "benchmark", "--detector=d", "--original=x", "--unseen=A=x", "--unseen=A=y"
    )
    assert code == 2
    assert "A is given twice" in error


def test_sets_that_lead_nowhere_are_refused(tmp_path: Path, fails: Any) -> None:
    code, error, _ = fails("benchmark", "--detector=d", f"--original={tmp_path}", "--unseen=A=no")
    assert code == 2
    assert "for the set A, no does not exist" in error


def test_an_unknown_metric_is_refused_before_anything_is_scored(fails: Any) -> None:
    sets = ["--original=x", "--unseen=A=y", "--by=method", "--metric=xx"]
    code, error, _ = fails("benchmark", "--detector=d", *sets)
    assert code == 2
    assert "expected --metric to be one of" in error


def test_an_unknown_detector_is_refused(tmp_path: Path, fails: Any) -> None:
    argv = ["--detector=nonet", f"--original={tmp_path}", f"--unseen=A={tmp_path}"]
    code, error, hint = fails("benchmark", *argv)
    assert code == 2
    assert "received 'nonet'" in error
    assert "mesonet-deepfakes" in hint


@pytest.mark.parametrize("content", ["", "\x00\x01", 'label,score\n1,"0.5\n2,3,4'])
def test_a_file_that_is_no_table_is_refused(content: str, tmp_path: Path, fails: Any) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_text(content)
    argv = ["--detector=mine", f"--original={scores}", f"--unseen=A={scores}"]
    code, error, _ = fails("benchmark", *argv)
    assert code == 2
    assert "the set original" in error
    assert error.isprintable()


@pytest.fixture
def score_files(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return the options of a benchmark on score files whose accuracies are 90, 60 and so on."""

    def options(*names: str) -> list[str]:
        def write(name: str, fakes_found: int, times: int = 1) -> Path:
            found = [0.9] * fakes_found + [0.1] * (10 - fakes_found)
            rows = {"label": [1] * 10 + [0] * 10, "score": found + [0.1] * 10}
            table = pd.DataFrame({key: values * times for key, values in rows.items()})
            table.to_csv(tmp_path / f"{name}.csv", index=False)
            return tmp_path / f"{name}.csv"

        unseen = [f"--unseen={name}={write(name, 2)}" for name in names]
        return ["benchmark", "--detector=mine", f"--original={write('home', 8, 6)}", *unseen]

    return options


def test_a_row_from_score_files_with_its_rank(
    score_files: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*score_files("FS", "NT", "DF", "DFD"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["row"] == {
        "detector": "mine",
        "original_accuracy": 90.0,
        "FS": 60.0,
        "NT": 60.0,
        "DF": 60.0,
        "DFD": 60.0,
        "average": 60.0,
        "degradation": 30.0,
    }
    better = (study.published("V")["degradation"] < 30.0).sum()
    assert document["rank"] == better + 1
    assert document["coverage"]["FS"] == {"ok": 20, "total": 20}
    assert document["rank_reason"] is None


def test_the_rank_stands_below_the_row(
    score_files: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(score_files("FS", "NT", "DF", "DFD")) == 0
    shown = capsys.readouterr()
    better = (study.published("V")["degradation"] < 30.0).sum()
    assert f"\nrank {better + 1} among the published thirty, which were measured" in shown.out
    assert shown.err == ""


def test_tables_for_papers_go_to_stdout_and_remarks_to_stderr(
    score_files: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "table.md"
    assert main([*score_files("A"), "--format", "markdown", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.out == out.read_text()
    assert shown.out.startswith("|")
    assert "no rank: " in shown.err
    assert "images scored: original 120 of 120, A 20 of 20" in shown.err


def test_a_benchmark_with_every_option(
    score_files: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = score_files("FS", "NT", "DF", "DFD")
    home = pd.read_csv(tmp_path / "home.csv")
    home.assign(score=1 - home["score"]).to_csv(tmp_path / "turned.csv", index=False)
    turned = [*argv[:2], f"--original={tmp_path / 'turned.csv'}", *argv[3:]]
    assert main(turned) == 2
    assert "pass --polarity real-high" in capsys.readouterr().err
    special = f"--specialized=CELEB-M={tmp_path / 'home.csv'}"
    scores = tmp_path / "scores"
    assert main([*argv, special, "--table=VI", f"--save-scores={scores}", "--no-audit"]) == 0
    assert "No row: no detector degrades by more than 30 points" in capsys.readouterr().out
    saved = [f"--unseen=A={scores / 'FS.csv'}", f"--original={scores / 'original.csv'}"]
    argv_saved = ["benchmark", "--detector=mine", *saved, "--policy=as-chance", "--json"]
    assert main([*argv_saved, f"--trained-on=CELEB={tmp_path / 'absent'}"]) == 2
    assert "absent" in capsys.readouterr().err
    assert main(argv_saved) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["policy"] == "as-chance"
    low, high = document["intervals"]["degradation"]
    assert low < document["row"]["degradation"] < high
    assert document["metrics"][1]["frame_accuracy"] == 0.6
    assert "A: the score file was written for FS" in document["notes"]
    assert main([*argv, "--intervals", "--format=csv"]) == 0
    assert "degradation_low" in capsys.readouterr().out


def test_poor_coverage_is_shown_and_then_exits_with_3(
    score_files: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = score_files("A")
    holes = pd.read_csv(tmp_path / "A.csv")
    holes.loc[0, "score"] = float("nan")
    holes.to_csv(tmp_path / "A.csv", index=False)
    assert main([*argv, "--policy", "as-real"]) == 3
    shown = capsys.readouterr()
    assert "A 19 of 20 (policy as-real)" in shown.out
    error, hint = shown.err.splitlines()[-2:]
    assert error == "error: less than 99% of the images have a score: A 19 of 20 (policy as-real)."
    assert hint.startswith("hint: The notes say why")


def test_a_damaged_pair_of_score_files_exits_with_4(
    score_files: Any, fails: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    scores = tmp_path / "scores"
    assert main([*score_files("A"), f"--save-scores={scores}"]) == 0
    (scores / "A.csv").write_text("label,score\n1,0.5\n0,0.5\n")
    damaged = [f"--original={scores / 'original.csv'}", f"--unseen=A={scores / 'A.csv'}"]
    code, error, _ = fails("benchmark", "--detector=mine", *damaged)
    assert code == 4
    assert "SHA-256" in error


@pytest.mark.nightly  # The step videos of `.ci/run` does it too.
def test_extraction_then_a_benchmark_on_the_crops(
    assets: None,
    shared_data: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, video in (
        ("real/a.mp4", "dfdc/samples/lynaeydofd_real.mp4"),
        ("fake/b.mp4", "dfdc/dfdc_train_part_0/abofeumbvv.mp4"),
    ):
        (tmp_path / "videos" / name).parent.mkdir(parents=True)
        (tmp_path / "videos" / name).symlink_to(shared_data(video))
    (tmp_path / "videos" / "fake" / "empty.mp4").touch()
    crops = tmp_path / "crops"
    argv = ["extract", str(tmp_path / "videos"), "--out", str(crops), "--frames", "3", "--json"]
    assert main(argv) == 3
    extracted = capsys.readouterr()
    assert "error: 1 of 3 videos could not be cropped." in extracted.err
    assert f"hint: {crops}/failures.csv" in extracted.err
    summary = json.loads(extracted.out)
    assert (summary["videos"], summary["videos_failed"], summary["layout"]) == (3, 1, "folders")
    assert summary["recognised_by"] == "it holds fake and real"
    assert summary["crops"] == len(list(crops.rglob("*.png"))) > 0

    original = shared_data("mesonet/test_images")
    argv = ["benchmark", "--detector", "mesonet-deepfakes", "--original", str(original)]
    assert main([*argv, "--unseen", f"DFDC={crops}", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["row"]["original_accuracy"] == 100.0
    assert result["coverage"]["DFDC"] == {"ok": summary["crops"], "total": summary["crops"]}
    assert result["rank"] is None
    assert "ranks do not compare" in result["rank_reason"]


def test_sets_are_chosen_by_a_query(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fails: Any
) -> None:
    rows = {"label": [0, 0, 1, 1, 1], "score": [0.1, 0.2, 0.9, 0.3, 0.8]}
    table = pd.DataFrame(rows | {"method": ["real"] * 2 + ["FaceSwap", "DF", "DF"]})
    table.to_csv(tmp_path / "all.csv", index=False)
    place = f"{tmp_path / 'all.csv'}"
    argv = ["benchmark", "--detector=d", f"--original={place}[method=FaceSwap]"]
    assert main([*argv, f"--unseen=DF={place}[method=DF]", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["row"]["original_accuracy"] == 100.0
    assert document["row"]["DF"] == 75.0
    assert any(note.startswith("DF: method=DF chose 4 of 5 rows") for note in document["notes"])
    code, error, hint = fails(*argv, f"--unseen=DF={place}[method=F2F]")
    assert code == 2
    assert "the set DF: " in error
    assert "DF, FaceSwap, real" in hint
    absent = f"{tmp_path / 'no'}[method=DF]"
    code, error, _ = fails(*argv, f"--unseen=DF={place}", f"--trained-on={absent}")
    assert code == 2
    assert "does not exist" in error


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    """Write scores of two detectors, with method and gender, into a folder for each."""
    for name, shift in (("weak", 0.1), ("strong", 0.5)):
        rng = np.random.default_rng(0)
        (tmp_path / name).mkdir()
        for part in ("home", "away"):
            method = np.repeat(["real", "FaceSwap", "DF"], 60)
            label = (method != "real").astype(int)
            gain = shift * label * (1 + (part == "home")) / (1 + (method == "DF"))
            score = np.clip(rng.normal(0.35 + gain, 0.15), 0, 1).round(6)
            video = [f"{part}-{m}{i // 5}" for i, m in enumerate(method)]
            rows = {"label": label, "score": score, "method": method, "video": video}
            gender = np.tile(["F", "M"], 90)
            table = pd.DataFrame(rows | {"gender": gender, "frame": np.arange(180)})
            table.to_csv(tmp_path / name / f"{part}.csv", index=False)
    return tmp_path


def test_several_detectors_are_ranked_in_one_table(
    methods: Path, capsys: pytest.CaptureFixture[str], fails: Any
) -> None:
    sets = [f"--original={methods}/{{detector}}/home.csv"]
    sets += [f"--unseen=A={methods}/{{detector}}/away.csv"]
    argv = ["benchmark", "--detector=weak", "--detector=strong", *sets]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    files = {
        part: {name: methods / name / f"{part}.csv" for name in ("weak", "strong")}
        for part in ("home", "away")
    }
    expected = study.benchmark(
        ["weak", "strong"], original=files["home"], unseen={"A": files["away"]}
    )
    assert shown.startswith(expected.table("text"))
    assert main([*argv, "--json", f"--save-scores={methods / 'out'}"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["detector"] for row in document["table"]] == [*expected.frame["detector"]]
    assert document["comparisons"][0]["p_value"] == expected.comparisons["p_value"][0]
    assert document["detectors"]["weak"]["detector"] == "weak"
    assert (methods / "out" / "strong" / "A.csv").exists()
    code, error, _ = fails(*argv, "--table=V")
    assert code == 2
    assert (
        "one --detector with --weights, --table, --intervals, --card or --citations, received 2"
        in error
    )


@pytest.mark.slow
def test_sets_are_broken_down_by_columns(
    methods: Path, capsys: pytest.CaptureFixture[str], fails: Any
) -> None:
    sets = [f"--original={methods}/strong/home.csv", f"--unseen=A={methods}/strong/away.csv"]
    argv = ["benchmark", "--detector=x", *sets, "--by=method", "--by=gender"]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    expected = study.breakdown(
        {"original": methods / "strong/home.csv", "A": methods / "strong/away.csv"}, "method"
    )
    assert f"breakdowns by method:\n{expected.round(4).to_string(index=False)}\n" in shown
    assert "gaps by gender:\n" in shown
    assert main([*argv, "--metric=accuracy_fake", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["breakdowns"]["method"][0]["frame_accuracy_fake"] < 0.9
    assert {row["gap"] for row in document["gaps"]["gender"]} >= {"equal_opportunity", "F_MEO"}
    code, error, hint = fails(*argv, "--by=ethnicity")
    assert code == 2
    assert "'ethnicity'" in error
    assert "gender" in hint


def test_sets_that_share_on_purpose_are_told_in_one_note(
    methods: Path, capsys: pytest.CaptureFixture[str], recwarn: Any
) -> None:
    place = methods / "strong/home.csv"
    sets = [f"--original={place}[method=DF]", f"--unseen=FS={place}[method=FaceSwap]"]
    assert main(["benchmark", "--detector=x", *sets, "--json"]) == 0
    leaks = json.loads(capsys.readouterr().out)["notes"]
    assert any(note.endswith(": a leak") for note in leaks)
    assert main(["benchmark", "--detector=x", *sets, "--shared-by-design=original,FS"]) == 0
    shown = capsys.readouterr()
    assert "note: shared by design, among original, FS: 12 videos\n" in shown.out
    assert "leak" not in shown.out
    assert "warning" not in shown.err
