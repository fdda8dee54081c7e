"""The whole study in one call: data, thirty detectors, tables, figures and the report."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from joblib import Parallel, delayed, effective_n_jobs

from deepfake_generalize._system.files import absolute, claim_folder, remove_abandoned, write_whole
from deepfake_generalize._system.processes import ending_with_parent
from deepfake_generalize.errors import DataMismatchError, DeepfakeGeneralizeError, InputError
from deepfake_generalize.notebooks import card
from deepfake_generalize.study.experiment import (
    CHECKPOINTS,
    CONFIG,
    RECORDS,
    StudyConfig,
    all_families,
    check_data,
    plan_steps,
    prepare,
    read_facts,
    read_lines,
    work_on,
    workers_ended_by_signals,
)
from deepfake_generalize.study.render import render
from deepfake_generalize.validation import check_jobs, check_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from deepfake_generalize.study.experiment import DetectorFamily, Step
    from deepfake_generalize.study.paper_tables import Unit
    from deepfake_generalize.study.report import Finding, RunResults

_Plans: TypeAlias = "dict[DetectorFamily, list[Step]]"
_LOCK = ".lock"
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        folder: The run folder: config.toml, records/, scores/, detectors/, tables/, figures/ and
            report.html.
        config: What was run.
    """

    folder: Path
    config: StudyConfig

    @property
    def report(self) -> Path:
        """The page that tells it all."""
        return self.folder / "report.html"

    @cached_property
    def results(self) -> RunResults:
        """Its numbers, read back from the records."""
        from deepfake_generalize.study.report import RunResults

        return RunResults.read(self.folder, self.config)

    def _repr_html_(self) -> str:
        """Show Table V and the findings' verdicts in a notebook, and where the report is."""
        said = [f"Finding {of.number}, {of.claim}: {of.verdict}" for of in self.findings]
        title, table = f"Study {self.config.name}", render(self.table("V"), "html")
        title += ", on synthetic faces" if self.results.synthetic else ""
        return card(title, [table], [*said, f"Report: {self.report}"])

    @property
    def findings(self) -> list[Finding]:
        """The paper's four findings, each checked against the records."""
        return self.results.findings

    def table(self, number: str, metric: str = "accuracy", unit: Unit = "frame") -> pd.DataFrame:
        """Return Table "IV", "V", "VI" or "VII", columns as in `published`, in percent.

        Args:
            number: Of the paper.
            metric: "accuracy", "accuracy_real", "accuracy_fake", "balanced_accuracy", "auc",
                "average_precision" or "eer"; the column "original_accuracy" is then "original_auc"
                and so on. The detectors of VI and VII are those that lose more than 30 points of
                accuracy over frames, whatever the metric.
            unit: "frame", or "video" for the mean score of a video's frames ("original_video_auc").

        Raises:
            InputError: There is no such table, metric or unit, or videos are not known.
        """
        return self.results.table(number, metric, unit)


def run(
    config: StudyConfig,
    out_dir: str | Path,
    *,
    n_jobs: int = 1,
    progress: Callable[[str, float], None] | None = None,
) -> Study:
    """Run a study, or what is left of it.

    Every finished step has a record; a study that was killed goes on at the step it was in, and a
    finished one only makes its tables, figures and report again.

    Args:
        config: The study.
        out_dir: The run folder; made if missing. A folder of another study is refused.
        n_jobs: Families at a time, each in a process of its own; -1 for one a processor. On a
            cluster, call this within `joblib.parallel_config(backend="dask")`, with `out_dir` on a
            disk that all machines share.
        progress: Called with what is being done and the part that is done, in [0, 1].

    Returns:
        The study.

    Raises:
        InputError: No configuration, one without the folders of its data sets, data that cannot
            give the sizes asked for, or no number of jobs.
        DataMismatchError: The folder holds another study, or one is running in it.

    Reproduction notes:
        "How Generalizable are Deepfake Detectors?", whole: sections III and IV, Tables IV to VII,
        Figures 2, 3 and 5. Originals are selected on the source's validation split, fine-tuned
        detectors on the validation part of what they are fine-tuned on, never on a test set.
    """
    check_type(
        "a StudyConfig",
        config,
        StudyConfig,
        hint="Begin with StudyConfig.demo() or StudyConfig.from_toml(path).",
    )
    check_jobs(n_jobs)
    folder, config = absolute(out_dir), config.absolute()
    say = progress or (lambda _what, _part: None)
    with _claimed(folder, config):
        plans = _plan(config, prepare(config, folder, n_jobs=n_jobs, progress=say))
        _say_what_is_left(plans, folder, say)
        with _watched(plans, folder, say), workers_ended_by_signals():
            # Where families have processes of their own, threads are enough to wait for them.
            waiting = None if config.threads is None else "threads"
            order = _in_order(plans, effective_n_jobs(n_jobs))
            work = delayed(ending_with_parent(work_on))
            # Maps of a further training are compared with those of the first, which is done before.
            for again in (False, True):
                jobs = (
                    work(config, family, folder)
                    for family in order
                    if (family.retrained is not None) == again
                )
                Parallel(n_jobs=n_jobs, prefer=waiting)(jobs)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        say("tables, figures, report", 1.0)
        return publish(folder, n_jobs=n_jobs)


def publish(folder: str | Path, *, n_jobs: int = 1) -> Study:
    """Make tables, figures and report of a run folder again, from its records alone.

    Args:
        folder: A run folder.
        n_jobs: Figures of heat maps drawn at a time, in processes of their own; -1 for one a
            processor.

    Returns:
        The study.

    Raises:
        InputError: The folder holds no study, or one that is not finished; or no number of jobs.
        DataMismatchError: Its records are not what a study writes.
    """
    check_jobs(n_jobs)  # Here: what is refused further down is taken for a fault of the records.
    path = absolute(folder)
    if not (path / CONFIG).is_file():
        raise InputError(
            f"expected the folder of a study, {str(path)!r} has no {CONFIG}.",
            hint="Pass the folder that study.run wrote.",
        )
    from deepfake_generalize.study.report import publish_results

    study = Study(path, StudyConfig.from_toml(path / CONFIG))
    with _failing_in_words(path):
        _check_finished(study)
        publish_results(study.results, n_jobs=n_jobs)
    return study


@contextmanager
def _failing_in_words(folder: Path) -> Iterator[None]:
    """Say of what came to grief over a run folder's records that they are not a study's.

    All that is read here is in the records and what they name: any value of them may be another
    than a study writes, in a folder that somebody sent.
    """
    import jinja2

    try:
        yield
    except DeepfakeGeneralizeError:
        raise
    except (
        *(LookupError, TypeError, ValueError, ArithmeticError, AttributeError),
        jinja2.UndefinedError,  # A part that the page's template shows.
    ) as error:
        raise DataMismatchError(
            f"expected the records of {str(folder)!r} as a study writes them, received others: "
            f"{type(error).__name__}: {error}.",
            hint="They were altered, or are of another version: run the study again in a new "
            "folder. If nobody altered them, please report this.",
        ) from error


def _plan(config: StudyConfig, available: tuple[str, ...]) -> _Plans:
    return {family: plan_steps(config, family, available) for family in all_families(config)}


def _done(family: DetectorFamily, folder: Path) -> list[tuple[str, str]]:
    """Return kind and key of each step of a family that has a record."""
    lines = read_lines(folder / RECORDS / f"{family.name}.jsonl")
    return [(record["kind"], record["key"]) for record in lines]


def _check_finished(study: Study) -> None:
    plans = _plan(study.config, tuple(read_facts(study.folder)["sets"]))
    wanted = [(step.kind, step.key) for plan in plans.values() for step in plan]
    done = {name for family in plans for name in _done(family, study.folder)}
    left = [name for name in wanted if name not in done]
    if left:
        raise InputError(
            f"expected a finished study in {str(study.folder)!r}, {len(left)} of its "
            f"{len(wanted)} steps are left, first the {left[0][0]} of {left[0][1]}.",
            hint="Run the study again with the same folder: it goes on where it was.",
        )


def _say_what_is_left(plans: _Plans, folder: Path, say: Callable[[str, float], None]) -> None:
    """Where a study goes on, say what each family has done, and what the rest waits for."""
    done = {family: _done(family, folder) for family in plans}
    if not any(done.values()):
        return
    steps = sum(map(len, plans.values()))
    waiting = steps
    for family, plan in plans.items():
        left = [step for step in plan if (step.kind, step.key) not in done[family]]
        waiting -= len(plan) - len(left)
        what = f"{family.name}: {len(plan) - len(left)} of {len(plan)} steps are done"
        if left:
            what += f", next the {left[0].kind} of {left[0].key}"
            if family.retrained is not None:
                what += f", which waits for {family.first.name}"
        say(what, 0.0)
    say(f"tables, figures and report wait for {waiting} of {steps} steps", 1 - waiting / steps)


def _in_order(plans: _Plans, n_jobs: int) -> list[DetectorFamily]:
    """Return the slowest first, so that no processor waits for one of them alone at the end.

    The two slowest, where they are of one architecture, are also the largest: the second is put
    where the first should be done, so that the memory need not hold both.
    """
    weights = {family: sum(step.weight for step in plan) for family, plan in plans.items()}
    order = sorted(weights, key=lambda family: -weights[family])
    if len(order) < 3 or order[0].architecture != order[1].architecture:
        return order
    first, second, *others = order
    place, meanwhile = 0, 0.0
    while place < len(others) and meanwhile < weights[first] * (n_jobs - 1):
        meanwhile += weights[others[place]]
        place += 1
    return [first, *others[:place], second, *others[place:]]


@contextmanager
def _claimed(folder: Path, config: StudyConfig) -> Iterator[None]:
    """Be the only study in a folder that is new, or holds a part of this very one."""
    # Before anything is made: what is refused leaves a folder of others as it was.
    if not _is_there(folder, config):
        check_data(config)
    with claim_folder(folder, _LOCK, work="study"):
        if not _is_there(folder, config):
            write_whole(folder / CONFIG, config.to_toml().encode())
        yield


def _is_there(folder: Path, config: StudyConfig) -> bool:
    """Return whether a folder holds this study; raise where it holds another, or other files."""
    file = folder / CONFIG
    if file.exists():
        there = StudyConfig.from_toml(file)
        if there.sha256 != config.sha256:
            raise DataMismatchError(
                f"expected a new folder or one of this very study, {str(folder)!r} holds "
                f"{there.name!r} with other settings.",
                hint="Choose another folder, or run the configuration that is there.",
            )
        return True
    if folder.is_dir():
        remove_abandoned(file)
        if any(path.name != _LOCK for path in folder.iterdir()):
            raise InputError(
                f"expected a new or empty folder, {str(folder)!r} holds other files.",
                hint="Choose another folder.",
            )
    return False


@contextmanager
def _watched(plans: _Plans, folder: Path, say: Callable[[str, float], None]) -> Iterator[None]:
    """Report progress from the records while the families write them, wherever they run."""
    weights = {(step.kind, step.key): step.weight for plan in plans.values() for step in plan}
    done = threading.Event()

    def look() -> None:
        finished = [step for family in plans for step in _done(family, folder)]
        weight = sum(weights.get(step, 0.0) for step in finished)
        # Where nothing is trained, detectors are there from the beginning.
        kind = "detector" if any(kind == "detector" for kind, _ in weights) else "evaluation"
        made, of_all = (sum(each == kind for each, _ in of) for of in (finished, weights))
        steps = f"{len(finished)} of {len(weights)} steps"
        say(f"{steps}, {made} of {of_all} {kind}s", weight / sum(weights.values()))

    def watch() -> None:
        while not done.wait(_POLL_SECONDS):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    look()
