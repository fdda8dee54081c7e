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

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data, errors, models, study
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
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the commands use `Stub` as the detector, and need neither videos nor a face finder."""
    monkeypatch.setattr(arguments, "require_detector", lambda *_, **__: None)
    monkeypatch.setattr(models, "load_detector", lambda *_: Stub())
    monkeypatch.chdir(tmp_path)
    for name in ("a", "[red]a", "broken", "broken-1", "faceless", "real/a"):
        (tmp_path / f"{name}.mp4").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.mp4").touch()
    monkeypatch.setattr(scoring, "check_some_open", lambda _: None)
    monkeypatch.setattr(data, "MediaPipeFinder", contextlib.nullcontext)


def test_a_folder_without_videos_is_refused(tmp_path: Path, fails: Any) -> None:
    (tmp_path / "notes.txt").write_text("x")
    code, error, hint = fails("score", tmp_path)
    assert code == 2
    assert f"expected videos or pictures in {tmp_path}, found none" in error
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
    found = [source.path for source in scoring.find_sources(given)]
    assert found == [tmp_path / "odd.name", tmp_path / "a" / "b.MP4"]


def write_pictures(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.full((8, 8, 3), 40 * number, np.uint8))
    return paths


def test_folders_are_walked_as_everywhere_and_what_is_left_out_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = write_pictures(tmp_path / "set", "real/a.png", "real/b.JPG")
    (tmp_path / "set/real/clip.MTS").touch()
    (tmp_path / "set/scan.tif").touch()
    (tmp_path / "set/again.png").symlink_to(kept[0])
    (tmp_path / "set/round").symlink_to(tmp_path / "set")
    sources = scoring.find_sources([tmp_path / "set"])
    names = {source.path.name for source in sources}
    assert names == {"again.png", "b.JPG", "clip.MTS"}
    told = capsys.readouterr().err
    assert "not scored: 2 files" in told
    assert "links make it the same file" in told
    assert all(source.crops is None for source in sources)
    cut = scoring.find_sources([tmp_path / "set"], crops=True)
    assert names - {source.path.name for source in cut} == {"clip.MTS"}
    assert all(source.crops is not None for source in cut)


def test_folders_that_contradict_each_other_are_told_for_a_score_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (twice,) = write_pictures(tmp_path / "fake-hunt/real", "fake/a.png")
    with pytest.raises(errors.InputError, match="one label, it is in real and in fake"):
        scoring.find_sources([tmp_path / "fake-hunt"], labelled=True)
    assert [s.label for s in scoring.find_sources([twice.parent], labelled=True)] == [1]
    good, linked = write_pictures(tmp_path / "set", "real/a.png", "real/b.png")
    (tmp_path / "set/df").mkdir()
    (tmp_path / "set/df/c.png").symlink_to(linked)
    found = scoring.find_sources([tmp_path / "set"], labelled=True)
    assert [(source.path, source.label) for source in found] == [(good, 0)]
    assert "places that call it real and fake" in capsys.readouterr().err


class Bright(Stub):
    """A detector whose scores are the brightness of a picture."""

    def scores(self, images: list[np.ndarray]) -> np.ndarray:
        return np.array([image.mean() / 255 for image in images])


@pytest.fixture
def bright(stub: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "load_detector", lambda *_: Bright())
    monkeypatch.setattr(data, "MediaPipeFinder", lambda: pytest.fail("looked for faces"))


def test_pictures_that_are_cut_already_are_scored_as_they_are(
    bright: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "set", "fake/a.png", "fake/b.png")
    (tmp_path / "set/fake/c.png").write_bytes(b"")
    argv = ["score", str(tmp_path / "set"), "--crops", "--json", "--save-scores", str(tmp_path)]
    assert main(argv) == 3
    videos = json.loads(capsys.readouterr().out)["videos"]
    assert [video["score"] for video in videos] == [0.0, pytest.approx(40 / 255), None]
    assert "empty" in videos[2]["reason"]
    saved = study.read_scores(tmp_path / "scores.csv").frame
    assert saved["label"].tolist() == [1, 1, 1]
    assert [Path(path).name for path in saved["path"]] == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("packed", [True, False])
def test_crops_of_an_extraction_are_scored_by_video_with_labels_or_without(
    bright: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], packed: bool
) -> None:
    paths = write_pictures(tmp_path / "crops", "a-0.png", "a-1.png", "b-0.png")
    table = pd.DataFrame({"path": paths, "video": ["/v/a.mp4"] * 2 + ["/v/b.mp4"]})
    table["frame"] = [3, 8, 5]
    source = tmp_path / "crops/crops.csv"
    table.to_csv(source, index=False)
    if packed:
        source = data.pack(data.read_crops(source), tmp_path / "crops.h5")
    assert main(["score", str(source if packed else source.parent), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["videos"]
    assert (first["path"], second["path"]) == ("/v/a.mp4", "/v/b.mp4")
    assert first["score"] == pytest.approx(20 / 255)
    assert [frame["frame"] for frame in first["frames"]] == [3, 8]
    assert main(["score", str(source), "--save-scores", str(tmp_path / "out")]) == 2
    assert "has neither" in capsys.readouterr().err


def test_a_table_of_videos_is_scored_as_videos(
    stub: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text("path,label,video\na.mp4,0,x\nreal/a.mp4,1,x\n")
    assert main(["score", "list.csv", "--json", "--save-scores", "out"]) == 0
    videos = json.loads(capsys.readouterr().out)["videos"]
    both = [str(tmp_path / name) for name in ("a.mp4", "real/a.mp4")]
    assert [video["path"] for video in videos] == both
    assert main(["score", "list.csv[label=fake]", "--json"]) == 0
    shown = capsys.readouterr()
    assert [video["path"] for video in json.loads(shown.out)["videos"]] == both[1:]
    assert "label=fake chose 1 of 2 rows" in shown.err
    assert set(study.read_scores("out/scores.csv").frame["label"]) == {0, 1}


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


def test_a_summary_counts_verdicts_failures_and_frames(
    stub: None, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("a.mp4", "real/a.mp4", "broken.mp4", "broken-1.mp4", "faceless.mp4")
    assert main(["score", *names, "--frames", "4", "--summary"]) == 3
    shown = capsys.readouterr().out
    assert "5 videos: 2 fake, 0 real, 2 empty, 1 no_face without a score" in shown
    assert "mean score 0.7500, 6 of 10 frames scored" in shown
    assert "nobody" not in shown
    assert "broken.mp4 is empty" in shown
    assert main(["score", *names, "--frames", "4", "--summary", "--json"]) == 3
    assert "videos" not in json.loads(capsys.readouterr().out)
    assert main(["score", *names, "--frames", "4", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["summary"] == {
        "videos": 5,
        "fake": 2,
        "real": 0,
        "failed": {"empty": 2, "no_face": 1},
        "mean_score": 0.75,
        "frames": 10,
        "frames_scored": 6,
    }


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
    assert "a.mp4 has neither" in error


def test_scoring_photographs_with_the_public_weights(
    assets: None, shared_data: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    photo, group = shared_data("photos/obama.jpg"), shared_data("photos/two_people.jpg")
    face = shared_data("dfdc_crops/real/abarnvbtwb-000-00.png")
    assert main(["score", str(photo), str(group), "--json"]) == 0
    alone, largest = json.loads(capsys.readouterr().out)["videos"]
    assert [frame["faces"] for frame in alone["frames"] + largest["frames"]] == [1, 2]
    assert main(["score", str(face), "--crops", "--json"]) == 0
    (cut,) = json.loads(capsys.readouterr().out)["videos"]
    detector = models.load_detector("mesonet-deepfakes")
    assert detector.scores([face]).tolist() == [cut["score"]]
    assert detector.score_video(photo).score == alone["score"]


@pytest.mark.slow
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
