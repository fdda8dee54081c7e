"""The command line: what goes to which stream, how failures end, and the main jobs end to end."""

import contextlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import __version__, errors, study
from deepfake_generalize.cli import arguments, console, doctor, main, scoring
from deepfake_generalize.cli.doctor import Diagnosis, OpenCV, Package
from deepfake_generalize.data import mediapipe_finder
from deepfake_generalize.models.video import NoScoredFrameError

# An argument of a function, a room of the library or a call: words of no command line.
PYTHON = re.compile(r"\b[a-z_]+=|\b(data|models|study)\.[a-z]|\w\(\)")


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command that fails: its code, and what its error and hint lines say."""

    def run(*argv: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in argv])
        lines = capsys.readouterr().err.splitlines()
        error, hint = lines[-2:]
        assert error.startswith("error: ")
        assert hint.startswith("hint: ")
        assert len(hint) > len("hint: ")
        assert "Traceback" not in "".join(lines)
        assert not PYTHON.search(error + hint)
        return code, error, hint

    return run


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let the `score` command meet an exception."""

    def arm(error: BaseException) -> None:
        def raise_it(*_: object) -> None:
            raise error

        monkeypatch.setattr(scoring, "find_video_files", raise_it)

    return arm


class Stub:
    """A detector that knows its answers: a score of .75, or a video it cannot read."""

    name = "stub"
    synthetic = False

    def score_video(self, path: Path, *, frames_per_video: int, finder: None) -> SimpleNamespace:
        assert finder is None
        if "faceless" in path.name:
            frames = pd.DataFrame({"frame": [4, 9], "score": np.nan, "status": "no_face"})
            raise NoScoredFrameError("no face.", hint="Look.", status="no_face", frames=frames)
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
    monkeypatch.setattr(mediapipe_finder, "MediaPipeFinder", contextlib.nullcontext)


def in_a_shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        check=False,
    )


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"deepfake-generalize {__version__}\n"
    assert main([]) == 0
    help_text = capsys.readouterr().out
    for command in ("extract", "score", "benchmark", "doctor"):
        assert command in help_text


@pytest.mark.parametrize("command", ["extract", "score", "benchmark", "doctor"])
def test_every_command_documents_its_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "JSON keys:" in capsys.readouterr().out


def test_help_and_usage_errors_load_nothing_heavy() -> None:
    code = (
        "import sys; from deepfake_generalize.cli import main; main(['score', '--help']);"
        "main(['score']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & {"tensorflow", "keras", "mediapipe", "pandas", "numpy", "cv2"}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["score"], "videos"),
        (["score", "a.mp4", "--nope"], "--nope"),
        (["--nope"], "--nope"),
        (["fly"], "fly"),
        (["extract", "x"], "--out"),
        (["extract", "x", "--out", "y", "--aligner", "nose"], "nose"),
        (["score", "a.mp4", "--frames", "0"], "--frames"),
    ],
)
def test_usage_errors_exit_with_2_and_a_hint(argv: list[str], said: str, fails: Any) -> None:
    code, error, hint = fails(*argv)
    assert code == 2
    assert said in error.lower()  # Some versions of typer name an argument in capitals.
    assert "--help" in hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("expected a, received b.", hint="Do c."), 2),
        (errors.VideoError("expected a, received b.", hint="Do c.", status="empty"), 2),
        (errors.PartialError("expected a, received b.", hint="Do c."), 3),
        (errors.DataMismatchError("expected a, received b.", hint="Do c."), 4),
        (errors.MissingAssetError("expected a, received b.", hint="Do c."), 5),
        (errors.MissingDependencyError("expected a, received b.", hint="Do c."), 5),
    ],
)
def test_errors_of_the_library_keep_their_code(
    error: Exception, code: int, raising: Any, fails: Any
) -> None:
    raising(error)
    assert fails("score", "x") == (code, "error: expected a, received b.", "hint: Do c.")


def test_an_error_without_a_hint_still_ends_with_one(raising: Any, fails: Any) -> None:
    raising(errors.InputError("two\nlines"))
    assert fails("score", "x") == (2, "error: two lines", "hint: see deepfake-generalize --help")


def test_the_unforeseen_exits_with_1_and_points_to_debug(raising: Any, fails: Any) -> None:
    raising(ZeroDivisionError("by zero"))
    code, error, hint = fails("score", "x")
    assert (code, error) == (1, "error: ZeroDivisionError: by zero")
    assert "--debug" in hint


def test_what_an_exception_was_raised_at_is_shown_with_it(raising: Any, fails: Any) -> None:
    error = ZeroDivisionError("by zero")
    error.add_note("while mine scored the set DFD")
    raising(error)
    _, shown, _ = fails("score", "x")
    assert shown == "error: ZeroDivisionError: by zero (while mine scored the set DFD)"


def test_warnings_speak_of_options(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def warn(*_: object) -> list[Path]:
        warnings.warn("use save_scores='x'", UserWarning, stacklevel=1)
        raise errors.InputError("a", hint="b")

    monkeypatch.setattr(scoring, "find_video_files", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["score", "x"]) == 2
    assert capsys.readouterr().err.startswith("warning: use --save-scores x\n")


def test_debug_shows_the_traceback(raising: Any, capsys: pytest.CaptureFixture[str]) -> None:
    raising(ZeroDivisionError("by zero"))
    assert main(["--debug", "score", "x"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_exits_with_130(raising: Any, fails: Any) -> None:
    raising(KeyboardInterrupt())
    assert fails("score", "x")[:2] == (130, "error: interrupted")


def test_the_module_runs_and_sets_the_exit_status() -> None:
    assert in_a_shell('"$PYTHON" -m deepfake_generalize --version').stdout.endswith(
        f"{__version__}\n"
    )
    assert in_a_shell('"$PYTHON" -m deepfake_generalize score').returncode == 2


def test_a_reader_that_leaves_is_no_error() -> None:
    done = in_a_shell('"$PYTHON" -m deepfake_generalize doctor | true')
    assert done.stderr == ""


def test_doctor_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["versions"]["deepfake_generalize"] == __version__
    assert {"packages", "extras", "opencv", "assets", "cpus", "memory_gib"} <= set(document)


def test_doctor_exits_with_5_when_something_required_is_missing(
    monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    found = Diagnosis(
        {}, (Package("tensorflow", None, ">=2.20", None),), OpenCV({}, None), (), 1, None
    )
    monkeypatch.setattr(doctor, "diagnose", lambda: found)
    code, error, hint = fails("doctor")
    assert code == 5
    assert "tensorflow>=2.20 is missing" in error
    assert "pip install" in hint


def test_plain_leaves_nothing_that_json_lacks() -> None:
    frame = pd.DataFrame({"frame": [1, 2], "score": [0.25, np.nan], "note": [pd.NA, "x"]})
    value = {"path": Path("a"), "frames": frame, "n": np.int64(3), "x": np.float32(np.inf)}
    document = json.loads(json.dumps(console.plain(value), allow_nan=False))
    assert document == {
        "path": "a",
        "frames": [
            {"frame": 1, "score": 0.25, "note": None},
            {"frame": 2, "score": None, "note": "x"},
        ],
        "n": 3,
        "x": None,
    }


GUARDED = """
import os, sys
from deepfake_generalize.cli.console import quiet_native_libraries
try:
    with quiet_native_libraries(enabled={enabled}):
        os.write(2, b"I0000 00:00:17.1 chatter\\n")
        os.write(2, b"F0000 00:00:17.1 a real failure\\n")
        print("progress", file=sys.stderr)
        {last}
except ValueError:
    pass
print("after", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("enabled", "last", "chatter"),
    [(True, "pass", False), (True, "raise ValueError", True), (False, "pass", True)],
)
def test_native_chatter_is_held_back_and_failures_are_not(
    enabled: bool, last: str, chatter: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GUARDED.format(enabled=enabled, last=last)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("chatter" in done.stderr) is chatter
    for line in ("a real failure", "progress", "after"):
        assert line in done.stderr


@pytest.mark.parametrize("text", ["DFD", "=folder", "DFD="])
def test_sets_need_a_name_and_a_folder(text: str, fails: Any) -> None:
    code, error, hint = fails("benchmark", "--detector", "d", "--original", "x", "--unseen", text)
    assert code == 2
    assert "expected NAME=FOLDER or NAME=SCORES.csv" in error
    assert "--unseen DFD=" in hint


def test_a_set_given_twice_is_refused(fails: Any) -> None:
    code, error, _ = fails(
        "benchmark", "--detector=d", "--original=x", "--unseen=A=x", "--unseen=A=y"
    )
    assert code == 2
    assert "A is given twice" in error


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


def test_sets_that_lead_nowhere_are_refused(tmp_path: Path, fails: Any) -> None:
    code, error, _ = fails("benchmark", "--detector=d", f"--original={tmp_path}", "--unseen=A=no")
    assert code == 2
    assert "for the set A, no does not exist" in error


def test_an_unknown_detector_is_refused(tmp_path: Path, fails: Any) -> None:
    argv = ["--detector=nonet", f"--original={tmp_path}", f"--unseen=A={tmp_path}"]
    code, error, hint = fails("benchmark", *argv)
    assert code == 2
    assert "received 'nonet'" in error
    assert "mesonet-deepfakes" in hint


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


def test_a_detector_of_drawn_faces_says_what_its_verdict_is_worth(
    stub: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stub, "synthetic", True)
    assert main(["score", "a.mp4", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["synthetic"] is True
    assert shown.err == (
        "This detector was trained on drawn faces: it says nothing about real videos.\n"
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


@pytest.mark.parametrize("command", ["extract", "score"])
def test_the_help_tells_failure_from_partial_failure(command: str, capsys: Any) -> None:
    assert main([command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Exits with 3 when some" in text
    assert "with 2 when none" in text


@pytest.mark.parametrize("content", ["", "\x00\x01", 'label,score\n1,"0.5\n2,3,4'])
def test_a_file_that_is_no_table_is_refused(content: str, tmp_path: Path, fails: Any) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_text(content)
    argv = ["--detector=mine", f"--original={scores}", f"--unseen=A={scores}"]
    code, error, _ = fails("benchmark", *argv)
    assert code == 2
    assert "the set original" in error
    assert error.isprintable()


def test_warnings_are_one_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(_: object) -> list[Path]:
        warnings.warn("two\nlines", UserWarning, stacklevel=1)
        raise errors.InputError("a", hint="b")

    monkeypatch.setattr(scoring, "find_video_files", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["score", "x"]) == 2
    assert capsys.readouterr().err == "warning: two lines\nerror: a\nhint: b\n"


@pytest.fixture
def score_files(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return the options of a benchmark on score files whose accuracies are 90, 60 and so on."""

    def options(*names: str) -> list[str]:
        def write(name: str, fakes_found: int) -> Path:
            found = [0.9] * fakes_found + [0.1] * (10 - fakes_found)
            table = pd.DataFrame({"label": [1] * 10 + [0] * 10, "score": found + [0.1] * 10})
            table.to_csv(tmp_path / f"{name}.csv", index=False)
            return tmp_path / f"{name}.csv"

        unseen = [f"--unseen={name}={write(name, 2)}" for name in names]
        return ["benchmark", "--detector=mine", f"--original={write('home', 8)}", *unseen]

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
    assert f"\nrank: {better + 1}\n" in shown.out
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
    assert "images scored: original 20 of 20, A 20 of 20" in shown.err


@pytest.fixture
def assets(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Point at the model files of the shared test data."""
    for variable, path in (
        ("DEEPFAKE_GENERALIZE_FACE_MODEL", "mediapipe/face_detection_full_range_sparse.tflite"),
        ("DEEPFAKE_GENERALIZE_LANDMARK_MODEL", "mediapipe/face_landmark.tflite"),
        ("DEEPFAKE_GENERALIZE_MESONET_WEIGHTS", "mesonet/weights"),
    ):
        monkeypatch.setenv(variable, str(shared_data(path)))


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
    assert summary["crops"] == len(list(crops.rglob("*.png"))) > 0

    original = shared_data("mesonet/test_images")
    argv = ["benchmark", "--detector", "mesonet-deepfakes", "--original", str(original)]
    assert main([*argv, "--unseen", f"DFDC={crops}", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["row"]["original_accuracy"] == 100.0
    assert result["coverage"]["DFDC"] == {"ok": summary["crops"], "total": summary["crops"]}
    assert result["rank"] is None
    assert "ranks do not compare" in result["rank_reason"]


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
