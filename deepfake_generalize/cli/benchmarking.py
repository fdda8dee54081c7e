"""The `benchmark` command: a detector's row of the paper's tables, from crops or score files."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepfake_generalize.cli import arguments, console, show
from deepfake_generalize.cli.options import DetectorName, Json, TableFormat, Weights
from deepfake_generalize.cli.session import quiet
from deepfake_generalize.errors import PartialError

if TYPE_CHECKING:
    from deepfake_generalize.study import Benchmark


class PolicyName(enum.StrEnum):
    """What counts for images without a score."""

    EXCLUDE = "exclude"
    AS_REAL = "as-real"
    AS_FAKE = "as-fake"
    AS_CHANCE = "as-chance"


class PolarityName(enum.StrEnum):
    """Which way scores made elsewhere point."""

    FAKE_HIGH = "fake-high"
    REAL_HIGH = "real-high"


class Number(enum.StrEnum):
    """Which of the paper's tables."""

    V = "V"
    VI = "VI"
    VII = "VII"


def benchmark(  # noqa: PLR0913  (the options are the arguments)
    context: typer.Context,
    detector: DetectorName,
    original: Annotated[
        Path, typer.Option(help="A set like what the detector was trained on, but not of it.")
    ],
    unseen: Annotated[
        list[str], typer.Option(help="NAME=SET that it has never seen; may be repeated.")
    ],
    weights: Weights = None,
    specialized: Annotated[
        list[str] | None,
        typer.Option(help="NAME=SET that shares method or people with the training data."),
    ] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(help="Crops it was trained on, to audit; or NAME=CROPS, as in CELEB=crops."),
    ] = None,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Do not look for what the sets share.")
    ] = False,
    policy: Annotated[
        PolicyName, typer.Option(help="What counts for images without a score.")
    ] = PolicyName.EXCLUDE,
    polarity: Annotated[
        PolarityName | None,
        typer.Option(help="Which way scores made elsewhere point: P(fake) is fake-high."),
    ] = None,
    number: Annotated[
        Number | None, typer.Option("--table", help="One of the paper's tables, by its rule.")
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Print the interval beside each number.")
    ] = False,
    table_format: Annotated[
        TableFormat, typer.Option("--format", help="How the table is written.")
    ] = TableFormat.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="Write the table here.")] = None,
    save_scores: Annotated[
        Path | None,
        typer.Option("--save-scores", help="Write a score file a set into this folder."),
    ] = None,
    json: Json = False,
) -> None:
    """Measure how much a detector loses on unseen sets: a row of the paper's Table V.

    A set is a folder of crops (an extraction's, or real/ and fake/ with images), or a CSV of
    scores with the columns label (1 = fake) and score; where all are scores, any name will do for
    the detector. Ranks exist where the unseen sets are FS, NT, DF and DFD. Tables VI and VII hold
    detectors that degrade by more than 30 points.

    JSON keys: detector, row (percent), intervals, rank, rank_interval, rank_reason, metrics, auc,
    coverage, policy, leakage, notes, provenance. Exits with 3 when less than 99 % of the images of
    a set have a score.
    """
    unseen_sets = arguments.named_sets(unseen)
    special_sets = arguments.named_sets(specialized or [])
    with quiet(context):
        everything = {"original": original} | unseen_sets | special_sets
        arguments.check_out(out)
        scorer = arguments.load_scorer(detector, weights, everything)
        from deepfake_generalize import study

        result = study.benchmark(
            scorer,
            original=original,
            unseen=unseen_sets,
            specialized=special_sets or None,
            trained_on=_training(trained_on),
            audit=not no_audit,
            policy=policy.value,
            polarity=None if polarity is None else polarity.value,
        )
    table = result.table(
        table_format.value, None if number is None else number.value, intervals=intervals
    )
    _show(result, table, table_format, json=json)
    if out is not None:  # After the row is shown: a full disk must not lose it.
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(f"{table}\n", encoding="utf-8")
    if save_scores is not None:
        result.save_scores(save_scores)
    _account_for_coverage(result)


def _training(given: str | None) -> Path | dict[str, Path] | None:
    if given is None:
        return None
    named = arguments.named_sets([given]) if "=" in given and not Path(given).exists() else None
    return named or Path(given)


def _show(result: Benchmark, table: str, table_format: TableFormat, *, json: bool) -> None:
    remarks = "\n".join(show.remarks(result))
    if json:
        console.write_json(show.benchmark_document(result))
    elif table_format is TableFormat.TEXT:
        console.write_text(f"{table}\n{remarks}")
    else:  # A paper or a program takes the table as it is.
        console.write_text(table)
        console.write_note(remarks)


def _account_for_coverage(result: Benchmark) -> None:
    """Raise `PartialError` where less than 99 % of the images of a set have a score."""
    from deepfake_generalize.study.benchmarking import COVERAGE_WANTED

    poor = [
        f"{name} {count['ok']} of {count['total']}"
        for name, count in result.coverage.items()
        if count["ok"] < COVERAGE_WANTED * count["total"]
    ]
    if poor:
        raise PartialError(
            f"less than {COVERAGE_WANTED:.0%} of the images have a score: {', '.join(poor)} "
            f"(policy {result.policy}).",
            hint="The notes say why; --policy as-chance counts them instead of leaving them out.",
        )
