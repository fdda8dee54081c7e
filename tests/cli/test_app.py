"""The program as a whole: version, help, misuse, and its life as a process in a shell."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deepfake_generalize._version import __version__
from deepfake_generalize.cli import app, main


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


@pytest.mark.parametrize("command", ["extract", "score"])
def test_the_help_tells_failure_from_partial_failure(command: str, capsys: Any) -> None:
    assert main([command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Exits with 3 when some" in text
    assert "with 2 when none" in text


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


def test_the_module_runs_and_sets_the_exit_status() -> None:
    assert in_a_shell('"$PYTHON" -m deepfake_generalize --version').stdout.endswith(
        f"{__version__}\n"
    )
    assert in_a_shell('"$PYTHON" -m deepfake_generalize score').returncode == 2


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error() -> None:
    done = in_a_shell('"$PYTHON" -m deepfake_generalize doctor | true')
    assert done.stderr == ""


@pytest.fixture
def split_command(tmp_path: Path) -> str:
    """A command that reads files, has a result, and opens files to write them."""
    for name in ("real/a.png", "fake/b.png"):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    sizes = "--by video --train 2 --val 0 --test 0"
    return f'"$PYTHON" -m deepfake_generalize split {tmp_path} {sizes} --out {tmp_path / "sets"}'


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        pytest.param("2>&-", 0, marks=pytest.mark.nightly),
        pytest.param("<&- >&- 2>&-", 0, marks=pytest.mark.slow),
        pytest.param(">/dev/full", 2, marks=pytest.mark.slow),
        pytest.param("2>/dev/full >/dev/null", 0, marks=pytest.mark.nightly),
    ],
)
def test_closed_or_full_streams_cost_no_work(
    streams: str, code: int, split_command: str, tmp_path: Path
) -> None:
    done = in_a_shell(f"{split_command} {streams}")
    assert done.returncode == code, done.stderr
    if code:
        assert "error: expected to write the result to standard output" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
    else:
        assert (tmp_path / "sets/train/crops.csv").exists()


@pytest.mark.parametrize(
    "streams", ["2>/dev/full", pytest.param("2>&-", marks=pytest.mark.nightly)]
)
def test_a_refusal_that_cannot_be_said_has_its_exit_code(streams: str) -> None:
    assert in_a_shell(f'"$PYTHON" -m deepfake_generalize score nothere {streams}').returncode == 2


@pytest.mark.parametrize(
    "command", ["--help", pytest.param("doctor --json", marks=pytest.mark.slow)]
)
def test_a_full_standard_output_is_said(command: str) -> None:
    done = in_a_shell(f'"$PYTHON" -m deepfake_generalize {command} >/dev/full')
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Exception" not in done.stderr


def test_what_steers_a_terminal_is_shown_by_its_code(tmp_path: Path, capsys: Any) -> None:
    evil = "\x1b]0;OWNED\a\x1b[2J\r\u202eX"
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / f"{evil}.mp4").touch()
    assert main(["score", str(tmp_path)]) == 2
    assert main(["extract", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    scores = tmp_path / "s.csv"
    scores.write_text("label,score\n" + "1,0.9\n0,0.1\n" * 20)
    for form in ("text", "markdown", "latex", "html", "csv"):
        sets = [f"--original={scores}", f"--unseen={evil}={scores}", "--polarity=fake-high"]
        assert main(["benchmark", f"--detector={evil}\ud800", *sets, f"--format={form}"]) == 0
    said = "".join(capsys.readouterr())
    assert "x1b[2J" in said
    assert all(char.isprintable() or char == "\n" for char in said)


def test_a_warning_that_comes_twice_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object) -> int:
        warnings.simplefilter("always")
        for number, text in enumerate(("a is odd", "a is odd", "b is odd")):
            warnings.warn_explicit(text, UserWarning, "sets.py", number)
        return 0

    monkeypatch.setattr(app, "_run", run)
    assert main([]) == 0
    assert capsys.readouterr().err == "warning: a is odd\nwarning: b is odd\n"
