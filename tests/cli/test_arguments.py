"""The words that options take are those that the library takes."""

import typing
from typing import Any, Literal

import pytest
import typer.main

from deepfake_generalize.cli.app import app
from deepfake_generalize.data.faces.alignment import AlignerName
from deepfake_generalize.data.splits.balanced import By
from deepfake_generalize.models.training.construction import PRECISIONS
from deepfake_generalize.study.benchmarking.missing_scores import Policy
from deepfake_generalize.study.benchmarking.result import Number
from deepfake_generalize.study.scores.files import Polarity
from deepfake_generalize.study.tables.render import TABLE_FORMATS


def words_of(command: str, argument: str) -> list[str]:
    group: Any = typer.main.get_command(app)
    annotation = typing.get_type_hints(group.commands[command].callback)[argument]
    parts = [annotation, *typing.get_args(annotation)]
    return [
        word
        for part in parts
        if typing.get_origin(part) is Literal
        for word in typing.get_args(part)
    ]


@pytest.mark.parametrize(
    ("command", "argument", "words"),
    [
        ("extract", "aligner", typing.get_args(AlignerName)),
        ("split", "by", typing.get_args(By)),
        ("train", "precision", PRECISIONS),
        ("benchmark", "policy", typing.get_args(Policy)),
        ("benchmark", "polarity", typing.get_args(Polarity)),
        ("benchmark", "number", typing.get_args(Number)),
        ("benchmark", "table_format", TABLE_FORMATS),
    ],
)
def test_an_option_takes_the_words_of_the_library(command: str, argument: str, words: Any) -> None:
    assert sorted(words_of(command, argument)) == sorted(words)
