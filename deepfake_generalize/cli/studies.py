"""The commands around whole studies: demo, study, report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import Json, Seed
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from deepfake_generalize.study import Study, StudyConfig

Jobs = Annotated[
    int, typer.Option("--jobs", help="Families of detectors at a time; -1 for one per processor.")
]


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="The run folder; an unfinished run is continued.")
    ],
    quick: Annotated[bool, typer.Option("--quick", help="MesoNet only.")] = False,
    seed: Seed = 0,
    jobs: Jobs = -1,
    browser: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Show the report; by default where a desktop is."),
    ] = None,
    json: Json = False,
) -> None:
    """Run the whole study on synthetic faces, offline: every table and figure, and a report.

    Trains the paper's thirty detectors and six that ask what else helps; with --quick the six
    of MesoNet. Safe to stop and run again. The numbers show how the study works and
    say nothing about real deepfakes.

    JSON keys: folder, report, config, synthetic, findings (number, claim, verdict, why, rule,
    facts).
    """
    from deepfake_generalize.study import StudyConfig

    done = _run(StudyConfig.demo(quick=quick, seed=seed), out, jobs, json=json)
    console.show_page(done.report, asked=False if json and browser is None else browser)


def study(
    config: Annotated[
        Path | None, typer.Option("--config", help="A TOML file that describes the study.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run folder.")] = None,
    write_config: Annotated[
        Path | None,
        typer.Option("--write-config", help="Write the paper's study here, to be filled in."),
    ] = None,
    jobs: Jobs = 1,
    json: Json = False,
) -> None:
    """Run a study on videos of your own, as a TOML file describes it.

    Begin with --write-config paper.toml, enter the folders of the data sets, then run with
    --config paper.toml --out RUN. Safe to stop and run again. JSON keys: as of demo.
    """
    if write_config is not None:
        _write_template(write_config)
    elif config is None or out is None:
        raise InputError(
            "expected --config FILE and --out DIR, or --write-config FILE.",
            hint="deepfake-generalize study --write-config paper.toml makes a file to begin with.",
        )
    else:
        from deepfake_generalize.study import StudyConfig

        _run(StudyConfig.from_toml(config), out, jobs, json=json)


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished study.")],
    json: Json = False,
) -> None:
    """Make the tables, figures and report of a study again, from its records alone.

    JSON keys: as of demo.
    """
    from deepfake_generalize.study import publish

    _show(publish(run), json=json)


def _run(config: StudyConfig, out: Path, jobs: int, *, json: bool) -> Study:
    from deepfake_generalize.study import run

    with console.stages(config.name, shown=not json) as advance:
        done = run(config, out, n_jobs=jobs, progress=advance)
    _show(done, json=json)
    return done


def _show(done: Study, *, json: bool) -> None:
    findings, synthetic = done.findings, done.results.synthetic
    if json:
        console.write_json(
            {
                "folder": done.folder,
                "report": done.report,
                "config": done.config.name,
                "synthetic": synthetic,
                "findings": findings,
            }
        )
        return
    for finding in findings:
        console.write_text(f"Finding {finding.number} {finding.verdict}: {finding.why}")
    if synthetic:
        console.write_note("The faces are synthetic: the numbers say nothing about real deepfakes.")
    console.write_text(f"report: {done.report}")


def _write_template(path: Path) -> None:
    from deepfake_generalize.study import StudyConfig
    from deepfake_generalize.study.experiment import ROOTS

    if path.exists():
        raise InputError(f"expected a new file, {str(path)!r} exists.", hint="Choose another name.")
    # Relative, so that they are looked for beside the file; `paper` would make them absolute.
    places = {name: f"path/to/{name}" for name in ROOTS}
    text = dataclasses.replace(StudyConfig.paper(places), data=places).to_toml()
    arguments.check_out(path, option="--write-config")
    arguments.write_out(path, text)
    console.write_text(f"wrote {path}: enter the folders under [data].")
