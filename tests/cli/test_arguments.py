"""The words that options take are those that the library takes."""

import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
import typer.main

from deepfake_generalize import data, models, study
from deepfake_generalize.cli import arguments
from deepfake_generalize.cli.app import app
from deepfake_generalize.errors import InputError

SCORES = pd.DataFrame({"label": [0, 1], "score": [0.1, 0.9]})


def benchmark(**options: Any) -> study.Benchmark:
    return study.benchmark("mine", original=SCORES, unseen={"A": SCORES}, **options)


def words_of(command: str, argument: str) -> set[str]:
    group: Any = typer.main.get_command(app)
    annotation = typing.get_type_hints(group.commands[command].callback)[argument]
    parts = [annotation, *typing.get_args(annotation)]
    lists = [typing.get_args(part) for part in parts if typing.get_origin(part) is Literal]
    return {word for words in lists for word in words}


@pytest.mark.parametrize(
    ("command", "argument", "use"),
    [
        (
            "extract",
            "aligner",
            lambda word: data.crop_video("a.mp4", finder=data.CascadeFinder(), aligner=word),
        ),
        (
            "split",
            "by",
            lambda word: data.balanced_splits(SCORES, train=2, val=2, test=2, by=word),
        ),
        (
            "train",
            "precision",
            lambda word: models.train("mesonet", None, None, precision=word),
        ),
        ("benchmark", "policy", lambda word: benchmark(policy=word)),
        ("benchmark", "polarity", lambda word: study.read_scores("a.csv", polarity=word)),
        ("benchmark", "number", lambda word: benchmark().frame(word)),
        ("benchmark", "table_format", lambda word: benchmark().table(word)),
    ],
)
def test_an_option_takes_the_words_that_the_library_lists_when_it_refuses_another(
    command: str, argument: str, use: Callable[[Any], object]
) -> None:
    with pytest.raises(InputError, match="received 'nothing'") as caught:
        use("nothing")
    listed = re.search(r"\b(?:one )?of (.*), received", caught.value.message)
    assert listed is not None
    assert words_of(command, argument) == {*re.findall(r"[\w-]+", listed[1])} - {
        "the",
        "tables",
        "and",
        "or",
        "None",
    }


def test_a_table_of_crops_is_not_taken_for_scores(tmp_path: Path) -> None:
    scores, crops = tmp_path / "scores.csv", tmp_path / "table.csv"
    scores.write_text("label;score\n1;0.5\n")
    crops.write_text("path,label\na.png,fake\n")
    assert arguments.load_scorer("mine", None, {"A": scores}) == "mine"
    with pytest.raises(InputError, match="received 'mine'"):
        arguments.load_scorer("mine", None, {"A": scores, "B": crops})
