"""The command line: thin commands over the library, one place for errors and exit codes.

Results go to stdout, everything else to stderr. A command that fails ends with one `error:` and
one `hint:` line and exits with 2 (usage or unusable input), 3 (partly done), 4 (data that does not
belong together) or 5 (a missing asset or dependency); anything unforeseen exits with 1.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_generalize import __version__, console, scoring
from deepfake_generalize.errors import (
    DeepfakeGeneralizeError,
    InputError,
    MissingDependencyError,
    PartialError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from deepfake_generalize.doctor import Diagnosis
    from deepfake_generalize.models import Detector
    from deepfake_generalize.study import Benchmark

PROGRAM = "deepfake-generalize"

app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Does a deepfake detector work on fakes it has never seen?",
    epilog="Exit codes: 0 done, 1 unforeseen, 2 usage or unusable input, 3 partly done, "
    "4 data that does not belong together, 5 missing asset or dependency.",
)


@dataclass
class _Session:
    """What the global options say."""

    debug: bool = False


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


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks, and what native libraries log.")
    ] = False,
) -> None:
    context.ensure_object(_Session).debug = debug
    if version:
        console.write_text(f"{PROGRAM} {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        console.write_text(context.get_help())
        raise typer.Exit


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: The arguments without the program's name; None takes those of the process.

    Returns:
        The exit code; see the module's docstring.

    Example:
        >>> main(["--version"])
        deepfake-generalize 0.1.0
        0
    """
    session = _Session()
    try:
        code = _run(argv, session)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except Exception as error:
        if session.debug:
            traceback.print_exc()
        return _report(error)
    return code


def _run(argv: Sequence[str] | None, session: _Session) -> int:
    command = typer.main.get_command(app)
    arguments = sys.argv[1:] if argv is None else list(argv)
    result = command.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=session)
    return result if isinstance(result, int) else 0


def _report(error: Exception) -> int:
    """Write the two lines of a failure and return its exit code."""
    if isinstance(error, DeepfakeGeneralizeError):
        message, hint, code = error.message, error.hint, error.exit_code
        hint = hint or f"see {PROGRAM} --help"
    elif hasattr(error, "format_message"):
        # A usage error: of click, or of the copy of click that newer versions of typer carry.
        context = getattr(error, "ctx", None)
        message, code = error.format_message(), getattr(error, "exit_code", 2)
        hint = f"see {context.command_path if context else PROGRAM} --help"
    else:
        message, code = f"{type(error).__name__}: {error}", 1
        hint = f"this was not foreseen; run {PROGRAM} --debug ... again to see where it happened"
    console.write_note(f"error: {_one_line(message)}\nhint: {_one_line(hint)}")
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _reader_left() -> int:
    """Let the process end silently after `| head`: what is still buffered goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


@app.command()
def extract(  # noqa: PLR0913  (the options are the arguments)
    context: typer.Context,
    root: Annotated[Path, typer.Argument(help="A data set as downloaded, or real/ and fake/.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the crops.")],
    layout: Annotated[str, typer.Option(help="How ROOT is laid out.")] = "auto",
    frames: Frames = 10,
    size: Annotated[int, typer.Option(min=16, help="Side of a crop in pixels.")] = 256,
    margin: Annotated[float, typer.Option(help="Side of a crop in face widths.")] = 1.3,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for one a processor.")] = 1,
    aligner: Annotated[Aligner, typer.Option(help="What finds the eyes.")] = Aligner.LANDMARKS,
    finder: Annotated[Finder, typer.Option(help="What finds faces.")] = Finder.MEDIAPIPE,
    json: Json = False,
) -> None:
    """Find videos and write aligned face crops; safe to stop and run again.

    Writes crops.csv and failures.csv beside the crops. JSON keys: folder, videos, videos_failed,
    crops, failures (status: count). Exits with 3 when some videos gave no crop.
    """
    with _quiet(context):
        from deepfake_generalize import data

        videos = data.find_videos(root, layout=layout)
        with console.progress("extracting", shown=not json) as advance:
            done = data.extract_faces(
                videos,
                out,
                frames_per_video=frames,
                size=size,
                margin=margin,
                finder=data.CascadeFinder() if finder is Finder.CASCADE else None,
                aligner=aligner.value,
                n_jobs=jobs,
                progress=advance,
            )
    summary = _extraction_summary(out, videos, done.crops, done.failures)
    if json:
        console.write_json(summary)
    else:
        rows = [("videos", summary["videos"]), ("videos without a crop", summary["videos_failed"])]
        rows += [("crops", summary["crops"])]
        rows += [(f"failed: {status}", n) for status, n in summary["failures"].items()]
        console.write_table(f"crops in {out}", ("what", "count"), rows)
    _account_for_failures(
        summary["videos_failed"],
        summary["videos"],
        done="cropped",
        hint=f"{out / 'failures.csv'} gives the reason for each.",
    )


def _extraction_summary(
    out: Path, videos: pd.DataFrame, crops: pd.DataFrame, failures: pd.DataFrame
) -> dict[str, Any]:
    cropped = set(crops["video"])
    return {
        "folder": out,
        "videos": len(videos),
        "videos_failed": sum(path not in cropped for path in videos["path"]),
        "crops": len(crops),
        "failures": failures["status"].value_counts().to_dict(),
    }


def _account_for_failures(failed: int, total: int, *, done: str, hint: str) -> None:
    """Raise when work on videos failed: partly, or for all of them."""
    if failed == total:
        raise InputError(f"none of the {total} videos could be {done}.", hint=hint)
    if failed:
        raise PartialError(f"{failed} of {total} videos could not be {done}.", hint=hint)


@app.command()
def score(
    context: typer.Context,
    videos: Annotated[list[Path], typer.Argument(help="Video files, or folders of them.")],
    detector: DetectorName = "mesonet-deepfakes",
    weights: Weights = None,
    frames: Frames = 10,
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV, a row a frame.")] = None,
    json: Json = False,
) -> None:
    """Score videos: P(fake) of each video and of each sampled frame.

    JSON keys: detector, videos (a list of: path, status, reason, score, verdict, coverage, and
    frames, a list with a dictionary a frame). Exits with 3 when some videos could not be scored.
    """
    with _quiet(context):
        paths = scoring.find_video_files(videos)
        loaded = _load_detector(detector, weights)
        scored = []
        with console.progress("scoring", shown=not json) as advance:
            for number, path in enumerate(paths):
                advance(number, len(paths))
                scored.append(scoring.score_one(loaded, path, frames_per_video=frames))
    if out is not None:
        scoring.write_scores(scored, out)
    if json:
        videos_found = [one.record() for one in scored]
        console.write_json({"detector": loaded.name, "videos": videos_found})
    else:
        _show_scores(loaded.name, scored)
    errors = [one.error for one in scored if one.error is not None]
    if len(scored) == 1 and errors:
        raise errors[0]
    _account_for_failures(len(errors), len(scored), done="scored", hint="See the column reason.")


def _show_scores(name: str, scored: Sequence[scoring.ScoredVideo]) -> None:
    console.write_table(
        f"P(fake) by {name}",
        ("video", "score", "verdict", "frames scored", "status"),
        [
            (one.path, _number(one.score), one.verdict, f"{one.coverage:.0%}", one.status)
            for one in scored
        ],
    )
    for one in scored:
        if one.error is not None:
            console.write_text(f"{one.path}: {one.error.message}")
            continue
        rows = [
            (frame["frame"], _number(frame.get("score")), frame.get("status", ""))
            for frame in one.frames
        ]
        console.write_table(str(one.path), ("frame", "score", "status"), rows)


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"


@app.command()
def benchmark(
    context: typer.Context,
    original: Annotated[
        Path,
        typer.Option(help="Crops like those the detector was trained on, or a CSV of scores."),
    ],
    unseen: Annotated[
        list[str], typer.Option(help="NAME=FOLDER of crops it has not seen; may be repeated.")
    ],
    detector: DetectorName = "mesonet-deepfakes",
    weights: Weights = None,
    specialized: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER of crops specialized to the original set's material."),
    ] = None,
    table_format: Annotated[
        TableFormat, typer.Option("--format", help="How the table is written.")
    ] = TableFormat.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="Write the table here.")] = None,
    json: Json = False,
) -> None:
    """Measure how much a detector loses on unseen sets: a row of the paper's Table V.

    A FOLDER is an extraction's, or holds real/ and fake/ images. JSON keys: detector, row (in
    percent), rank, rank_reason, notes, coverage. Ranks exist on the paper's FS, NT, DF and DFD.
    """
    with _quiet(context):
        from deepfake_generalize import study

        sets = {name: _evidence(path) for name, path in _named_folders(unseen).items()}
        special = {name: _evidence(p) for name, p in _named_folders(specialized or []).items()}
        result = study.benchmark(
            _load_detector(detector, weights),
            original=_evidence(original),
            unseen=sets,
            specialized=special or None,
        )
    if out is not None:
        chosen = "csv" if table_format is TableFormat.TEXT else table_format.value
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(result.table(chosen) + "\n", encoding="utf-8")
    if json:
        console.write_json(_benchmark_document(result))
    elif table_format is TableFormat.TEXT:
        _show_benchmark(result)
    elif out is None:
        console.write_text(result.table(table_format.value))


def _benchmark_document(result: Benchmark) -> dict[str, Any]:
    return {
        "row": dict(result.row),
        "rank": result.rank,
        "rank_reason": result.rank_reason,
        "notes": list(result.notes),
        "coverage": result.coverage,
    }


def _show_benchmark(result: Benchmark) -> None:
    row = dict(result.row)
    cells = [f"{value:.2f}" if isinstance(value, float) else value for value in row.values()]
    console.write_table("in the form of Table V, in percent", tuple(row), [cells])
    rank = f"rank: {result.rank}" if result.rank is not None else f"no rank: {result.rank_reason}"
    console.write_text("\n".join([rank, *(f"note: {note}" for note in result.notes)]))


def _named_folders(given: Sequence[str]) -> dict[str, Path]:
    """Read NAME=FOLDER options."""
    named: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise InputError(
                f"expected NAME=FOLDER, received {text!r}.",
                hint="Name the set and where its crops are, as in --unseen DFD=crops/dfd.",
            )
        if name in named:
            raise InputError(
                f"the set {name} is given twice.", hint="Give every set a name of its own."
            )
        named[name] = Path(folder)
    return named


def _evidence(path: Path) -> pd.DataFrame:
    """Read what a set is measured on: a CSV of scores, or crops to be scored."""
    if path.suffix == ".csv" and path.is_file():
        import pandas as pd

        table = pd.read_csv(path)
        if "score" in table.columns:
            return table
    from deepfake_generalize import data

    return data.read_crops(path)


def _load_detector(name: str, weights: Path | None) -> Detector:
    """Load a saved detector where `name` is a file, else a public one."""
    from deepfake_generalize import models

    if Path(name).suffix == ".keras" or Path(name).exists():
        return models.Detector.load(Path(name))
    return models.load_pretrained(name, path=weights)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is installed and found. Downloads nothing.

    JSON keys: ok, missing, versions, packages, extras, opencv, assets, cpus, memory_gib. Exits
    with 5 when something required is missing.
    """
    from deepfake_generalize.doctor import diagnose

    found = diagnose()
    if json:
        console.write_json(found.to_dict())
    else:
        _show_diagnosis(found)
    if found.missing:
        raise MissingDependencyError(
            f"not everything required is there: {'; '.join(found.missing)}.",
            hint=f"Install what is missing: pip install --upgrade {PROGRAM}.",
        )


def _show_diagnosis(found: Diagnosis) -> None:
    memory = "unknown" if found.memory_gib is None else f"{found.memory_gib} GiB"
    machine = {**found.versions, "processors": found.cpus, "memory": memory}
    console.write_table("machine", ("what", "value"), machine.items())
    console.write_table(
        "packages",
        ("package", "installed", "required", "status"),
        [
            (package.name, package.version or "-", package.required, package.status)
            for package in found.packages
            if package.extra is None
        ],
    )
    wheels = ", ".join(f"{name} {version}" for name, version in found.opencv.wheels.items())
    console.write_text(f"cv2: from {found.opencv.owner or 'no wheel'} (installed: {wheels})")
    for extra, names in found.missing_extras.items():
        console.write_text(f"extra {extra}: {'missing ' + ', '.join(names) if names else 'ok'}")


def _quiet(context: typer.Context) -> contextlib.AbstractContextManager[None]:
    session = context.find_object(_Session) or _Session()
    return console.quiet_native_libraries(enabled=not session.debug)
