"""How failures end: one error and one hint in the command's words, the exit code of their kind."""

import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from deepfake_generalize import errors
from deepfake_generalize.cli import main, scoring
from deepfake_generalize.cli.app import app
from deepfake_generalize.cli.failures import for_command


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let the `score` command meet an exception."""

    def arm(error: BaseException) -> None:
        def raise_it(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(scoring, "find_sources", raise_it)

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
    def warn(*_: object, **__: object) -> list[Path]:
        warnings.warn("use save_scores='x'", UserWarning, stacklevel=1)
        raise errors.InputError("a", hint="b")

    monkeypatch.setattr(scoring, "find_sources", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["score", "x"]) == 2
    assert capsys.readouterr().err.startswith("warning: use --save-scores x\n")


def test_warnings_are_one_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(*_: object, **__: object) -> list[Path]:
        warnings.warn("two\nlines", UserWarning, stacklevel=1)
        raise errors.InputError("a", hint="b")

    monkeypatch.setattr(scoring, "find_sources", warn)
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


def test_a_termination_is_said_and_exits_with_its_number(
    monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    def be_terminated(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr("deepfake_generalize.cli.scoring.find_sources", be_terminated)
    code, error, hint = fails("score", "x")
    assert (code, error) == (143, "error: terminated by SIGTERM")
    assert "go on where they stopped" in hint


def _command(name: str) -> Any:
    group: Any = typer.main.get_command(app)
    return group.commands[name]


@pytest.mark.parametrize(
    ("command", "said", "shown"),
    [
        ("extract", "with layout=, such as layout='csv'.", "--layout, such as --layout csv."),
        ("extract", "choose one with layout=, or put", "choose one with --layout, or put"),
        ("extract", "Use finder=CascadeFinder().", "Use --finder cascade."),
        ("extract", "Choose another out_dir, or delete", "Choose another --out, or delete"),
        ("extract", "expected n_jobs to be", "expected --jobs to be"),
        ("extract", "frames_per_video=3 or 5", "--frames=3 or 5"),
        ("train", "by video: data.balanced_splits.", "by video: `split`."),
        ("train", "the folder that extract_faces wrote.", "the folder that `extract` wrote."),
        ("benchmark", 'pass polarity="real-high"; if', "pass --polarity real-high; if"),
        ("benchmark", 'Pass trained_on={"CELEB": crops}.', "Pass --trained-on CELEB=crops."),
        ("benchmark", 'Pass unseen={"DFD": crops}: so', "Pass --unseen DFD=crops: so"),
        ("benchmark", "use audit=False, or", "use --no-audit, or"),
        ("benchmark", "intervals=True", "--intervals"),
        ("score", "as_detector(..., logits=True) puts", "[logits=true] behind --detector puts"),
        ("benchmark", "to load_pretrained(name, path=).", "to --detector NAME --weights FILE."),
        ("benchmark", "use Detector.load(path)", "use --detector FILE.keras"),
        ("benchmark", "first: data.extract_faces(videos, folder).crops.", "first: `extract`."),
    ],
)  # fmt: skip
def test_arguments_become_options_and_functions_commands(
    command: str, said: str, shown: str
) -> None:
    assert for_command(said, _command(command)).endswith(shown)


@pytest.mark.parametrize(
    "said",
    [
        "expected videos in /data/size=256/real, found none.",
        "expected videos in size=256/real, found none.",
        "no folder 'size=256'",
        "no file run-out=3.csv or jobs",
        "expected videos in out_dir/n_jobs.mp4, found none.",
        "Pass near_duplicates=False, or cache=False.",
        "Wrap it: Detector(model, fake_index=...).",
        "an average is a mean of layouts",
    ],
)
def test_paths_and_what_is_no_option_stay_as_they_are(said: str) -> None:
    assert for_command(said, _command("extract")) == said


def test_without_a_command_only_functions_are_named_otherwise() -> None:
    assert for_command("layout='csv' of find_videos", None) == "layout='csv' of `extract`"


def test_each_thing_of_a_list_has_its_line(
    raising: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    raising(errors.InputError("2 things are wrong:\n- one\n  still one.\n- two.", hint="Mend."))
    assert main(["score", "video.mp4"]) == 2
    assert "error: 2 things are wrong:\n- one still one.\n- two.\nhint: " in capsys.readouterr().err
