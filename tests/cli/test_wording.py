"""What the library says of its arguments, as a command says it."""

from typing import Any

import pytest
import typer.main

from deepfake_generalize.cli.app import app
from deepfake_generalize.cli.wording import for_command


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
        ("extract", "frames_per_video=3 or 5", "--frames 3 or 5"),
        ("train", "by video: data.balanced_splits.", "by video: `split`."),
        ("train", "the folder that extract_faces wrote.", "the folder that `extract` wrote."),
        ("benchmark", 'pass polarity="real-high"; if', "pass --polarity real-high; if"),
        ("benchmark", 'Pass trained_on={"CELEB": crops}.', "Pass --trained-on CELEB=crops."),
        ("benchmark", 'Pass unseen={"DFD": crops}: so', "Pass --unseen DFD=crops: so"),
        ("benchmark", "use audit=False, or", "use --no-audit, or"),
        ("benchmark", "intervals=True", "--intervals"),
        ("benchmark", "to load_pretrained(name, path=).", "to --detector NAME --weights FILE."),
        ("benchmark", "use Detector.load(path)", "use --detector FILE.keras"),
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
        "Pass near_duplicates=False, or cache=False.",
        "Wrap it: Detector(model, fake_index=...).",
        "an average is a mean of layouts",
    ],
)
def test_paths_and_what_is_no_option_stay_as_they_are(said: str) -> None:
    assert for_command(said, _command("extract")) == said


def test_without_a_command_only_functions_are_named_otherwise() -> None:
    assert for_command("layout='csv' of find_videos", None) == "layout='csv' of `extract`"
