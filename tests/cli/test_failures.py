"""How failures end: one error, one hint, the exit code of their kind, and warnings in one line."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepfake_generalize import errors
from deepfake_generalize.cli import main, scoring


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let the `score` command meet an exception."""

    def arm(error: BaseException) -> None:
        def raise_it(*_: object) -> None:
            raise error

        monkeypatch.setattr(scoring, "find_video_files", raise_it)

    return arm


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


def test_debug_shows_the_traceback(raising: Any, capsys: pytest.CaptureFixture[str]) -> None:
    raising(ZeroDivisionError("by zero"))
    assert main(["--debug", "score", "x"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_exits_with_130(raising: Any, fails: Any) -> None:
    raising(KeyboardInterrupt())
    assert fails("score", "x")[:2] == (130, "error: interrupted")
