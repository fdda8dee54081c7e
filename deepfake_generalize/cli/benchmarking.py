"""The `benchmark` command: a detector's row of the paper's tables, from crops or score files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import DetectorName, Json, Weights
from deepfake_generalize.errors import PartialError

if TYPE_CHECKING:
    from deepfake_generalize.study import Benchmark

Specialized = Annotated[
    list[str] | None,
    typer.Option(help="NAME=SET that shares method or people with the training data."),
]
TrainedOn = Annotated[
    str | None,
    typer.Option(help="Crops it was trained on, to audit; or NAME=CROPS, as in CELEB=crops."),
]
PolicyName = Annotated[
    Literal["exclude", "as-real", "as-fake", "as-chance"],
    typer.Option(help="What counts for images without a score."),
]
PolarityName = Annotated[
    Literal["fake-high", "real-high"] | None,
    typer.Option(help="Which way scores made elsewhere point: P(fake) is fake-high."),
]
TableNumber = Annotated[
    Literal["V", "VI", "VII"] | None,
    typer.Option("--table", help="One of the paper's tables, by its rule."),
]
TableFormat = Annotated[
    Literal["text", "markdown", "latex", "html", "csv"],
    typer.Option("--format", help="How the table is written."),
]


def benchmark(
    detector: DetectorName,
    original: Annotated[
        str, typer.Option(help="New material of the kind that the detector was trained on.")
    ],
    unseen: Annotated[
        list[str], typer.Option(help="NAME=SET that it has never seen; may be repeated.")
    ],
    weights: Weights = None,
    specialized: Specialized = None,
    trained_on: TrainedOn = None,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Do not look for what the sets share.")
    ] = False,
    policy: PolicyName = "exclude",
    polarity: PolarityName = None,
    number: TableNumber = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Print the interval beside each number.")
    ] = False,
    table_format: TableFormat = "text",
    out: Annotated[Path | None, typer.Option("--out", help="Write the table here.")] = None,
    save_scores: Annotated[
        Path | None,
        typer.Option("--save-scores", help="Write one score file per set into this folder."),
    ] = None,
    json: Json = False,
) -> None:
    """Measure how much a detector loses on unseen sets: a row of the paper's Table V.

    A set is a folder of crops (an extraction's, or real/ and fake/ with images), or a CSV of
    scores with the columns label (1 = fake) and score; where all are scores, any name will do for
    the detector. A query in brackets chooses rows by any column: FS="crops[method=FaceSwap]" is
    the fakes of FaceSwap beside the reals of their data set, "crops[compression=c23,method!=DF]"
    what both conditions leave; | joins alternatives. Ranks exist where the unseen sets are FS, NT,
    DF and DFD. Tables VI and VII hold detectors that degrade by more than 30 points.

    JSON keys: detector, row (percent), intervals, rank, rank_interval, rank_reason, metrics, auc,
    coverage, policy, leakage, notes, provenance. Exits with 3 when less than 99 % of the images of
    a set have a score.
    """
    unseen_sets = arguments.named_sets(unseen)
    special_sets = arguments.named_sets(specialized or [])
    arguments.check_out(out)
    sets = {"original": original} | unseen_sets | special_sets
    scorer = arguments.load_scorer(detector, weights, sets)
    from deepfake_generalize import study

    result = study.benchmark(
        scorer,
        original=original,
        unseen=unseen_sets,
        specialized=special_sets or None,
        trained_on=_training(trained_on),
        audit=not no_audit,
        policy=policy,
        polarity=polarity,
    )
    table = result.table(table_format, number, intervals=intervals)
    remarks = "\n".join(_remarks(result))
    if json:
        console.write_json(_document(result))
    elif table_format == "text":
        console.write_text(f"{table}\n{remarks}")
    else:  # A paper or a program takes the table as it is.
        console.write_text(table)
        console.write_note(remarks)
    if out is not None:  # After the row is shown: a full disk must not lose it.
        arguments.write_out(out, f"{table}\n")
    if save_scores is not None:
        result.save_scores(save_scores)
    _account_for_coverage(result)


def _training(given: str | None) -> str | dict[str, str] | None:
    if given is None:
        return None
    named = "=" in given.partition("[")[0] and not Path(given).exists()
    return arguments.named_sets([given]) if named else given


def _document(result: Benchmark) -> dict[str, Any]:
    same = ("rank", "rank_interval", "metrics", "auc", "coverage", "policy", "leakage", "notes")
    return {
        "detector": result.detector,
        "row": result.row.iloc[0].to_dict(),
        "intervals": {name: [lost.low, lost.high] for name, lost in result.intervals.items()},
        "rank_reason": result.rank_reason or None,
        **{name: getattr(result, name) for name in same},
        "provenance": result.provenance,
    }


def _remarks(result: Benchmark) -> list[str]:
    """Return the lines below a row: its rank or why there is none, coverage, notes."""
    lines = [result.ranked]
    if (lost := result.intervals.get("degradation")) is not None:
        lines.append(f"degradation: 95 % interval {lost.low:.2f} to {lost.high:.2f}")
    scored = [f"{name} {n['ok']} of {n['total']}" for name, n in result.coverage.items()]
    hashes = [f"{name} {sha[:12]}" for name, sha in result.provenance["data_sha256"].items()]
    return [
        *lines,
        f"images scored: {', '.join(scored)} (policy {result.policy})",
        f"data: {', '.join(hashes)}",
        *(f"note: {note}" for note in result.notes),
    ]


def _account_for_coverage(result: Benchmark) -> None:
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
