"""The command `score`: which videos it takes, what it shows of each, and what it writes."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data, errors, study
from deepfake_generalize.cli import arguments, main, scoring
from deepfake_generalize.models.detectors.video import NoScoredFrameError


class Stub:
    """A detector that knows its answers: a score of .75, or a video it cannot read."""

    name = "stub"
    synthetic = False

    def score_video(self, path: Path, *, frames_per_video: int, finder: None) -> SimpleNamespace:
        assert finder is None
        if "faceless" in path.name:
            frames = pd.DataFrame({"frame": [4, 9], "score": np.nan, "status": "no_face"})
            raise NoScoredFrameError(path.name, frames)
        if "broken" in path.name:
            raise errors.VideoError(f"{path} is empty.", hint="Copy it again.", status="empty")
        frames = pd.DataFrame(
            {
                "frame": range(frames_per_video),
                "score": [np.nan, *[0.75] * (frames_per_video - 1)],
                "status": ["no_face", *["ok"] * (frames_per_video - 1)],
                "reason": ["nobody", *[""] * (frames_per_video - 1)],
            }
        )
        return SimpleNamespace(score=0.75, coverage=1 - 1 / frames_per_video, frames=frames)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands use `Stub` as the detector, and need neither videos nor a face finder."""
    monkeypatch.setattr(arguments, "require_detector", lambda *_, **__: None)
    monkeypatch.setattr(arguments, "load_detector", lambda *_: Stub())
    monkeypatch.setattr(scoring, "find_video_files", lambda given: given)
    monkeypatch.setattr(scoring, "check_some_open", lambda _: None)
    monkeypatch.setattr(data, "MediaPipeFinder", contextlib.nullcontext)


def test_a_folder_without_videos_is_refused(tmp_path: Path, fails: Any) -> None:
    (tmp_path / "notes.txt").write_text("x")
    code, error, hint = fails("score", tmp_path)
    assert code == 2
    assert f"expected videos in {tmp_path}, found none" in error
    assert ".mp4" in hint


def test_a_path_that_leads_nowhere_is_refused_before_anything_is_loaded(
    tmp_path: Path, fails: Any
) -> None:
    code, error, _ = fails("score", tmp_path / "nowhere.mp4")
    assert code == 2
    assert f"{tmp_path}/nowhere.mp4 does not exist" in error


def test_folders_are_searched_and_files_taken_as_named(tmp_path: Path) -> None:
    for name in ("a/b.MP4", "a/c.txt", "odd.name"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    given = [tmp_path / "odd.name", tmp_path / "a", tmp_path / "a" / "b.MP4"]
    assert scoring.find_video_files(given) == [tmp_path / "odd.name", tmp_path / "a" / "b.MP4"]


def test_scores_are_shown_by_video_and_by_frame(
    stub: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", "[red]a.mp4", "--frames", "4"]) == 0
    shown = capsys.readouterr()
    assert "[red]a.mp4" in shown.out
    assert "fake" in shown.out
    assert "75%" in shown.out
    assert shown.out.count("0.7500") == 4
    assert "no_face" in shown.out
    assert "nobody" in shown.out
    assert shown.err == ""


def test_a_detector_of_synthetic_faces_says_what_its_verdict_is_worth(
    stub: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stub, "synthetic", True)
    assert main(["score", "a.mp4", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["synthetic"] is True
    assert shown.err == (
        "This detector was trained on synthetic faces: it says nothing about real videos.\n"
    )


def test_a_video_that_fails_is_a_row_and_the_exit_code_3(
    stub: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "scores.csv"
    code = main(["score", "a.mp4", "broken.mp4", "--frames", "2", "--json", "--out", str(out)])
    written = capsys.readouterr()
    document = json.loads(written.out)
    assert code == 3
    assert "error: 1 of 2 videos could not be scored." in written.err
    assert document["detector"] == "stub"
    good, bad = document["videos"]
    assert good == {
        "path": "a.mp4",
        "status": "ok",
        "reason": None,
        "score": 0.75,
        "verdict": "fake",
        "coverage": 0.5,
        "frames": [
            {"frame": 0, "score": None, "status": "no_face", "reason": "nobody"},
            {"frame": 1, "score": 0.75, "status": "ok", "reason": ""},
        ],
    }
    assert (bad["status"], bad["reason"], bad["score"]) == ("empty", "broken.mp4 is empty.", None)
    table = pd.read_csv(out)
    assert table["video"].tolist() == ["a.mp4", "a.mp4", "broken.mp4"]
    assert table["status"].tolist() == ["no_face", "ok", "empty"]
    assert table["score"].tolist()[1] == 0.75


def test_when_the_only_video_fails_its_own_error_ends_the_command(stub: None, fails: Any) -> None:
    assert fails("score", "broken.mp4") == (
        2,
        "error: broken.mp4 is empty.",
        "hint: Copy it again.",
    )


def test_the_frames_of_a_video_without_a_face_are_listed(stub: None, capsys: Any) -> None:
    assert main(["score", "faceless.mp4", "--json"]) == 2
    (video,) = json.loads(capsys.readouterr().out)["videos"]
    assert video["frames"] == [
        {"frame": frame, "score": None, "status": "no_face"} for frame in (4, 9)
    ]
    assert main(["score", "faceless.mp4"]) == 2
    assert capsys.readouterr().out.count("no_face") == 3  # the video and its two frames


def test_when_all_videos_fail_nothing_was_partly_done(stub: None, fails: Any) -> None:
    code, error, _ = fails("score", "broken-1.mp4", "broken-2.mp4")
    assert (code, error) == (2, "error: none of the 2 videos could be scored.")


def test_a_result_that_cannot_be_written_is_no_traceback(
    stub: None, tmp_path: Path, fails: Any
) -> None:
    code, error, hint = fails("score", "a.mp4", "--out", tmp_path)
    assert code == 2
    assert f"can be written as --out, received {tmp_path}: Is a directory." in error
    assert "write" in hint


def test_a_place_that_cannot_be_written_is_found_before_scoring(
    stub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    monkeypatch.setattr(scoring, "score_all", lambda *_, **__: pytest.fail("scored first"))
    monkeypatch.setattr(study, "benchmark", lambda *_, **__: pytest.fail("scored first"))
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.csv"
    sets = [f"--original={tmp_path}", f"--unseen=A={tmp_path}"]
    for argv in (["score", "a.mp4"], ["benchmark", "--detector=d", *sets]):
        code, error, _ = fails(*argv, "--out", out)
        assert code == 2
        assert f"received {out}: " in error


def test_results_are_shown_even_when_writing_them_fails(
    stub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "a.csv")

    monkeypatch.setattr(scoring, "write_scores", full)
    assert main(["score", "a.mp4", "--json", "--out", str(tmp_path / "a.csv")]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["videos"][0]["score"] == 0.75
    assert "No space left" in captured.err


def test_scored_videos_become_a_score_file(
    stub: None, fails: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    videos = [str(tmp_path / name) for name in ("real/a.mp4", "fake/b.mp4", "fake/broken.mp4")]
    argv = ["score", *videos, "--frames", "3", "--save-scores", str(tmp_path / "out")]
    assert main(argv) == 3
    file = study.read_scores(tmp_path / "out" / "scores.csv")
    assert file.frame["label"].tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert file.frame["status"].tolist() == ["error", "ok", "ok"] * 2 + ["error"]
    assert file.frame["video"].tolist()[0] == videos[0]
    assert file.facts["detector"]["name"] == "stub"
    code, error, hint = fails("score", "a.mp4", "--save-scores", tmp_path / "out")
    assert (code, hint) == (
        2,
        "hint: Sort the videos into real/ and fake/, or leave --save-scores out.",
    )
    assert "a.mp4 lies in neither" in error


def test_scoring_a_real_video_with_the_public_weights(
    assets: None, shared_data: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    video = shared_data("dfdc/dfdc_train_part_0/abofeumbvv.mp4")
    assert main(["score", str(video), "--frames", "4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["detector"] == "mesonet-deepfakes"
    (scored,) = document["videos"]
    scores = [frame["score"] for frame in scored["frames"] if frame["status"] == "ok"]
    assert len(scored["frames"]) == 4
    assert scored["coverage"] == len(scores) / 4 > 0
    assert scored["score"] == pytest.approx(sum(scores) / len(scores))
    assert scored["verdict"] == ("fake" if scored["score"] >= 0.5 else "real")


@pytest.mark.slow
def test_a_stranger_sees_no_chatter(
    assets: None, shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    video = shared_data("dfdc/dfdc_train_part_0/abofeumbvv.mp4")
    done = subprocess.run(
        [sys.executable, "-m", "deepfake_generalize", "score", video, "--frames", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
        env={key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"},
    )
    assert done.stderr == ""
    assert "mesonet-deepfakes" in done.stdout


def test_a_frame_that_is_well_has_no_reason(capsys: pytest.CaptureFixture[str]) -> None:
    frames: list[dict[str, Any]] = [
        {"frame": 3, "score": None, "status": "no_face", "reason": "nobody"},
        {"frame": 9, "score": 0.7, "status": "ok", "reason": None},
    ]
    scoring.show_scores("d", [scoring.ScoredVideo(Path("a.mp4"), 0.7, 2 / 3, frames)])
    text = capsys.readouterr().out
    assert "nobody" in text
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize(("coverage", "said"), [(0.4, True), (0.5, True), (0.6, False)])
def test_a_score_that_rests_on_few_frames_is_noted(
    coverage: float, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [{"frame": i} for i in range(10)]
    failed = scoring.ScoredVideo(Path("b.mp4"), None, 0.0, frames, errors.VideoError("no face."))
    scoring.note_low_coverage([scoring.ScoredVideo(Path("a.mp4"), 0.7, coverage, frames), failed])
    note = f"note: a.mp4: only {round(coverage * 10)} of 10 sampled frames have a score"
    err = capsys.readouterr().err
    assert err.startswith(note) if said else err == ""
    assert "b.mp4" not in err
