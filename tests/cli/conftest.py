"""What the tests of the command line share."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from deepfake_generalize.cli import main

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
def assets(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Point at the model files of the shared test data."""
    for variable, path in (
        ("DEEPFAKE_GENERALIZE_FACE_MODEL", "mediapipe/face_detection_full_range_sparse.tflite"),
        ("DEEPFAKE_GENERALIZE_LANDMARK_MODEL", "mediapipe/face_landmark.tflite"),
        ("DEEPFAKE_GENERALIZE_MESONET_WEIGHTS", "mesonet/weights"),
    ):
        monkeypatch.setenv(variable, str(shared_data(path)))
