"""The command line: thin commands over the library, one place for errors and exit codes.

Results go to stdout, everything else to stderr. A command that fails ends with one `error:` and
one `hint:` line and exits with 2 (usage or unusable input), 3 (partly done), 4 (data that does not
belong together) or 5 (a missing asset or dependency); anything unforeseen exits with 1.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from pathlib import Path  # noqa: TC003  (typer reads the annotations at run time)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_generalize._version import __version__
from deepfake_generalize.cli import (
    arguments,
    benchmarking,
    console,
    failures,
    scoring,
    show,
    splitting,
    studies,
    training,
    wording,
)
from deepfake_generalize.cli.failures import PROGRAM
from deepfake_generalize.cli.options import Aligner, DetectorName, Finder, Frames, Json, Weights
from deepfake_generalize.cli.session import Session, quiet
from deepfake_generalize.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Does a deepfake detector work on fakes it has never seen?",
    epilog="Exit codes: 0 done, 1 unforeseen, 2 usage or unusable input, 3 partly done, "
    "4 data that does not belong together, 5 missing asset or dependency.",
)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks, and what native libraries log.")
    ] = False,
) -> None:
    session = context.ensure_object(Session)
    session.debug = debug
    if version:
        console.write_text(f"{PROGRAM} {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        console.write_text(context.get_help())
        raise typer.Exit
    group: Any = context.command
    session.command = group.commands.get(context.invoked_subcommand)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: The arguments without the program's name; None takes those of the process.

    Returns:
        The exit code; see the module's docstring.

    Examples:
        >>> main(["--version"])
        deepfake-generalize 0.1.0
        0
    """
    session = Session()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: console.show_warning(
                wording.for_command(str(message), session.command)
            )
            code = _run(argv, session)
        sys.stdout.flush()
        if code == failures.INTERRUPTED:  # Newer versions of typer return it, older ones raise.
            return failures.interrupted()
    except BrokenPipeError:
        return failures.reader_left()
    except (KeyboardInterrupt, typer.Abort):
        return failures.interrupted()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except Exception as error:
        if session.debug:
            traceback.print_exc()
        return failures.report(error, session.command)
    return code


def _run(argv: Sequence[str] | None, session: Session) -> int:
    command = typer.main.get_command(app)
    arguments = sys.argv[1:] if argv is None else list(argv)
    result = command.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=session)
    return result if isinstance(result, int) else 0


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

    Writes crops.csv and failures.csv beside the crops. JSON keys: folder, layout, recognised_by
    (what in the folder made this the layout), videos, videos_failed, crops, failures (status:
    count), problems (what was missing or could not be placed: path, status, reason). Exits with 3
    when some videos gave no crop, with 2 when none gave one.
    """
    with quiet(context):
        from deepfake_generalize import data

        with warnings.catch_warnings():
            # What it warns of, the summary lists.
            warnings.simplefilter("ignore", data.LayoutWarning)
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
    summary = show.extraction_summary(out, videos, done.crops, done.failures)
    if json:
        console.write_json(summary)
    else:
        show.extraction(summary)
        show.failed_videos(done.failures, out)
    failures.account_for(
        summary["videos_failed"],
        summary["videos"],
        done="cropped",
        hint=f"{out / 'failures.csv'} gives the reason for each.",
    )


@app.command()
def score(
    context: typer.Context,
    videos: Annotated[list[Path], typer.Argument(help="Video files, or folders of them.")],
    detector: DetectorName = "mesonet-deepfakes",
    weights: Weights = None,
    frames: Frames = 10,
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV, a row a frame.")] = None,
    save_scores: Annotated[
        Path | None,
        typer.Option(help="Write a score file here, for `benchmark`: labels by real/ and fake/."),
    ] = None,
    json: Json = False,
) -> None:
    """Score videos: P(fake) of each video and of each sampled frame.

    JSON keys: detector, synthetic (trained on drawn faces), videos (a list of: path, status,
    reason, score, verdict, coverage, and frames, a list with a dictionary a frame). Exits with 3
    when some videos could not be scored, with 2 when none could.
    """
    with quiet(context):
        # All that can be refused at once comes before TensorFlow, which takes seconds to load.
        paths = scoring.find_video_files(videos)
        scoring.check_some_open(paths)
        arguments.check_out(out)
        labels = None if save_scores is None else scoring.labels_of(paths)
        arguments.require_detector(detector, weights, videos=True)
        loaded = arguments.load_detector(detector, weights)
        with console.progress("scoring", shown=not json) as advance:
            scored = scoring.score_all(loaded, paths, frames_per_video=frames, progress=advance)
    if json:
        videos_found = [one.record() for one in scored]
        console.write_json(
            {"detector": loaded.name, "synthetic": loaded.synthetic, "videos": videos_found}
        )
    else:
        show.scores(loaded.name, scored)
        show.low_coverage(scored)
    if loaded.synthetic:
        console.write_note(show.DRAWN)
    if out is not None:  # After the results are shown: a full disk must not lose them.
        scoring.write_scores(scored, out)
    if save_scores is not None and labels is not None:
        scoring.save_score_file(scored, labels, loaded, save_scores)
    errors = [one.error for one in scored if one.error is not None]
    if len(scored) == 1 and errors:
        raise errors[0]
    failures.account_for(
        len(errors), len(scored), done="scored", hint="The result gives the reason for each."
    )


app.command()(splitting.split)
app.command()(training.train)
app.command()(benchmarking.benchmark)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is installed and found. Downloads nothing.

    JSON keys: ok, missing, versions, packages, extras, opencv, assets, cpus, memory_gib. Exits
    with 5 when something required is missing.
    """
    from deepfake_generalize.cli.doctor import diagnose

    found = diagnose()
    if json:
        console.write_json(found.to_dict())
    else:
        show.diagnosis(found)
    if found.missing:
        raise MissingDependencyError(
            f"not everything required is there: {'; '.join(found.missing).rstrip('.')}.",
            hint=f"Run pip install --upgrade {PROGRAM}, or mend the variable that is named.",
        )


app.command()(studies.demo)
app.command()(studies.study)
app.command()(studies.report)
