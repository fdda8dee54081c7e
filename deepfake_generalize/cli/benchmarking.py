"""The `benchmark` command: a detector's row of the paper's tables, from crops or score files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import Detectors, Json, Weights
from deepfake_generalize.errors import InputError, PartialError, UndefinedMetricError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from deepfake_generalize.study import Benchmark, Benchmarks

By = Annotated[
    list[str] | None,
    typer.Option(help="Break the sets down by a column, such as method or gender."),
]
Metric = Annotated[str, typer.Option(help="What --by measures, such as auc or accuracy_fake.")]
Shared = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SET,SET,...",
        help="Sets, original among them, that share material on purpose, such as the same reals.",
    ),
]
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


Original = Annotated[
    str, typer.Option(help="New material of the kind that the detector was trained on.")
]
Unseen = Annotated[
    list[str], typer.Option(help="NAME=SET that it has never seen; may be repeated.")
]
NoAudit = Annotated[bool, typer.Option("--no-audit", help="Do not look for what the sets share.")]
Intervals = Annotated[
    bool, typer.Option("--intervals", help="Print the interval beside each number.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Write the table here.")]
SaveScores = Annotated[
    Path | None,
    typer.Option("--save-scores", help="Write one score file per set into this folder."),
]
Card = Annotated[Path | None, typer.Option("--card", help="Write a model card here.")]
Citations = Annotated[
    Path | None, typer.Option("--citations", help="Write BibTeX of what was used here.")
]

_EACH = "{detector}"


def benchmark(
    detector: Detectors,
    original: Original,
    unseen: Unseen,
    weights: Weights = None,
    specialized: Specialized = None,
    trained_on: TrainedOn = None,
    no_audit: NoAudit = False,
    shared_by_design: Shared = None,
    policy: PolicyName = "exclude",
    polarity: PolarityName = None,
    by: By = None,
    metric: Metric = "auc",
    number: TableNumber = None,
    intervals: Intervals = False,
    table_format: TableFormat = "text",
    out: Out = None,
    save_scores: SaveScores = None,
    card: Card = None,
    citations: Citations = None,
    json: Json = False,
) -> None:
    """Measure how much a detector loses on unseen sets: a row of the paper's Table V.

    A set is a folder of crops (an extraction's, or real/ and fake/ with images), or a CSV of
    scores with the columns label (1 = fake) and score; where all are scores, any name will do for
    the detector. A query in brackets chooses rows by any column: FS="crops[method=FaceSwap]" is
    the fakes of FaceSwap beside the reals of their data set, "crops[compression=c23,method!=DF]"
    what both conditions leave; | joins alternatives. Ranks exist where the unseen sets are FS, NT,
    DF and DFD. Tables VI and VII hold detectors that degrade by more than 30 points. Of several
    detectors each has a row; {detector} in the place of a set stands for the name of each.

    JSON keys: detector, row (percent), intervals, rank, rank_interval, rank_reason, metrics, auc,
    coverage, policy, leakage, breakdowns and gaps (by column), notes, provenance; of several
    detectors: table, comparisons, notes, detectors (name to these keys). Exits with 3 when less
    than 99 % of the images of a set have a score.
    """
    unseen_sets, special_sets = map(arguments.named_sets, (unseen, specialized or []))
    written = {"--out": out, "--card": card, "--citations": citations}
    _check_options(detector, metric, written, weights or number or intervals or card or citations)
    sets = {"original": original} | unseen_sets | special_sets
    scorers = [arguments.load_scorer(name, weights, _of(sets, name)) for name in detector]
    places: dict[str, Any] = {
        key: {name: _of(sets, name)[key] for name in detector} if _EACH in place else place
        for key, place in sets.items()
    }
    from deepfake_generalize import study

    found = study.benchmark(
        scorers,
        original=places["original"],
        unseen={key: places[key] for key in unseen_sets},
        specialized={key: places[key] for key in special_sets} or None,
        trained_on=_training(trained_on),
        audit=not no_audit,
        shared_by_design=[tuple(group.split(",")) for group in shared_by_design or ()],
        policy=policy,
        polarity=polarity,
    )
    results = [*found.results.values()]
    parts = [_breakdowns(of, by or (), metric) for of in results]
    one = results[0] if len(results) == 1 else None
    own = one and one.table(table_format, number, intervals=intervals)
    table = own or found.table(table_format)
    remarks, document = _told(found, parts)
    remarks += [line for part in parts for line in _lines(part)]
    _show(table, remarks, None if not json else document, as_text=table_format == "text")
    if out is not None:  # After the row is shown: a full disk must not lose it.
        arguments.write_out(out, f"{table}\n")
    for file, write in ((card, results[0].model_card), (citations, results[0].citations)):
        if file is not None:
            arguments.write_out(file, write())
    if save_scores is not None:
        (one or found).save_scores(save_scores)
    _account_for_coverage(results)


def _told(found: Benchmarks, parts: Sequence[dict[str, Any]]) -> tuple[list[str], dict[str, Any]]:
    """Return what stands below the table, and the JSON document."""
    documents = {
        name: _document(of) | part
        for (name, of), part in zip(found.results.items(), parts, strict=True)
    }
    if len(documents) == 1:
        ((name, document),) = documents.items()
        return _remarks(found.results[name]), document
    document = {"table": found.frame, "comparisons": found.comparisons, "notes": found.notes}
    return [f"note: {note}" for note in found.notes], document | {"detectors": documents}


def _show(
    table: str, remarks: Sequence[str], document: dict[str, Any] | None, *, as_text: bool
) -> None:
    if document is not None:
        console.write_json(document)
    elif as_text:
        console.write_text("\n".join([table, *remarks]))
    else:  # A paper or a program takes the table as it is.
        console.write_text(table)
        console.write_note("\n".join(remarks))


def _check_options(
    detectors: Sequence[str], metric: str, written: Mapping[str, Path | None], of_one: object
) -> None:
    from deepfake_generalize.metrics.weighted import METRICS
    from deepfake_generalize.validation import check_choice

    for option, file in written.items():
        arguments.check_out(file, option=option)
    check_choice("--metric", metric, METRICS)
    if of_one and len(detectors) > 1:
        options = "--weights, --table, --intervals, --card or --citations"
        raise InputError(
            f"expected one --detector with {options}, received {len(detectors)}.",
            hint="Leave the option out, or run the command for each detector.",
        )


def _of(sets: Mapping[str, str], detector: str) -> dict[str, str]:
    return {key: place.replace(_EACH, detector) for key, place in sets.items()}


def _breakdowns(result: Benchmark, columns: Sequence[str], metric: str) -> dict[str, Any]:
    breakdowns = {by: result.breakdown(by, metric) for by in columns}
    gaps = {}
    for by in columns:
        with contextlib.suppress(UndefinedMetricError):  # Sets of one group have no gaps.
            gaps[by] = result.gaps(by)
    return {"breakdowns": breakdowns, "gaps": gaps}


def _lines(part: Mapping[str, Mapping[str, pd.DataFrame]]) -> Iterator[str]:
    """Yield the tables of groups, the worst first, and those of the gaps between them."""
    for what, tables in part.items():
        for by, table in tables.items():
            yield f"{what} by {by}:\n{table.round(4).to_string(index=False)}"
            yield from (f"note: {note}" for note in table.attrs["notes"])


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


def _account_for_coverage(results: Sequence[Benchmark]) -> None:
    from deepfake_generalize.study.benchmarking import COVERAGE_WANTED

    poor = [
        f"{name} {count['ok']} of {count['total']}"
        for result in results
        for name, count in result.coverage.items()
        if count["ok"] < COVERAGE_WANTED * count["total"]
    ]
    if poor:
        raise PartialError(
            f"less than {COVERAGE_WANTED:.0%} of the images have a score: {', '.join(poor)} "
            f"(policy {results[0].policy}).",
            hint="The notes say why; --policy as-chance counts them instead of leaving them out.",
        )
