"""The command line: thin commands over the library, one place for errors and exit codes.

Results go to stdout, everything else to stderr. A command that fails ends with one `error:` and
one `hint:` line and exits with 2 (usage or unusable input), 3 (partly done), 4 (data that does not
belong together) or 5 (a missing asset or dependency); anything unforeseen exits with 1, a signal
with 128 and its number.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import traceback
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_generalize._system.native_logs import quiet_native_logs_of_command
from deepfake_generalize._system.paths import find_temporary_folder
from deepfake_generalize._system.processes import interrupted_by_termination
from deepfake_generalize._system.standard_streams import (
    open_closed_streams,
    show_what_cannot_be_encoded,
)
from deepfake_generalize._version import __version__
from deepfake_generalize.cli import (
    analysis,
    benchmarking,
    console,
    doctor,
    extraction,
    failures,
    scoring,
    shortcuts,
    splitting,
    studies,
    training,
)
from deepfake_generalize.cli.failures import INTERRUPTED, PROGRAM

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
for command in (
    extraction.extract,
    scoring.score,
    splitting.split,
    training.train,
    training.transfer,
    training.merge,
    training.focus,
    benchmarking.benchmark,
    analysis.grad_cam,
    analysis.causal,
    analysis.compare,
    shortcuts.shortcuts,
    shortcuts.robustness,
    doctor.doctor,
    studies.demo,
    studies.study,
    studies.report,
):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[  # noqa: ARG001  (`main` reads it: it counts before any command does)
        bool, typer.Option("--debug", help="Show tracebacks, and what native libraries log.")
    ] = False,
) -> None:
    if version or context.invoked_subcommand is None:
        console.write_text(f"{PROGRAM} {__version__}" if version else context.get_help())
        raise typer.Exit


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: The arguments without the program's name; None takes those of the process.

    Returns:
        The exit code; see the module's docstring.

    Examples:
        >>> main(["--version"])
        deepfake-generalize 0.2.0
        0
    """
    open_closed_streams()
    show_what_cannot_be_encoded(sys.stdout, sys.stderr)
    arguments = sys.argv[1:] if argv is None else list(argv)
    group: Any = typer.main.get_command(app)
    globals_given = list(itertools.takewhile(lambda word: word.startswith("-"), arguments))
    debug = "--debug" in globals_given
    out = (word for option, word in itertools.pairwise(arguments) if option == "--out")
    find_temporary_folder(next(map(Path, out), None))
    command = group.commands.get("".join(arguments[len(globals_given) :][:1]))
    native_logs = contextlib.nullcontext() if debug else quiet_native_logs_of_command()
    try:
        with warnings.catch_warnings(), native_logs, interrupted_by_termination() as came:
            show = cache(console.show_warning)  # What several sets have in common is told once.
            warnings.showwarning = lambda message, *_, **__: show(
                failures.for_command(str(message), command)
            )
            code = _run(group, arguments)
        with console.writing_results():
            sys.stdout.flush()
    except BrokenPipeError:
        return failures.reader_left()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        return failures.report(error, command)
    return failures.interrupted(*came[:1]) if code == INTERRUPTED else code


def _run(group: Any, arguments: list[str]) -> int:
    try:
        result = group.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):  # Newer versions of typer return the code instead.
        return INTERRUPTED
    return result if isinstance(result, int) else 0
