"""The options that several commands share, and the words that some of them take."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class Aligner(enum.StrEnum):
    """Where the eyes come from that a crop is turned by."""

    LANDMARKS = "landmarks"
    SHORT_RANGE = "short-range"
    FINDER = "finder"


class Finder(enum.StrEnum):
    """What finds the faces."""

    MEDIAPIPE = "mediapipe"
    CASCADE = "cascade"


class TableFormat(enum.StrEnum):
    """How the benchmark's table is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    CSV = "csv"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Frames sampled from each video.")]
DetectorName = Annotated[
    str,
    typer.Option("--detector", help="A public detector's name, or a saved .keras file."),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="The public detector's weights file, instead of a download."),
]
