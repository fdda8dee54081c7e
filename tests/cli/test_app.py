"""The program as a whole: version, help, misuse, and its life as a process in a shell."""

import os
import subprocess
import sys
from typing import Any

import pytest

from deepfake_generalize._version import __version__
from deepfake_generalize.cli import main


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


def test_a_reader_that_leaves_is_no_error() -> None:
    done = in_a_shell('"$PYTHON" -m deepfake_generalize doctor | true')
    assert done.stderr == ""
