"""The whole study: data, thirty detectors, tables, figures and the report, in one call."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed, effective_n_jobs

from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study.experiment import (
    CHECKPOINTS,
    CONFIG,
    RECORDS,
    DetectorFamily,
    StudyConfig,
    datasets,
    read_all,
    read_lines,
    steps,
    worker,
)
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from deepfake_generalize.study.report import Finding, RunResults

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

    @property
    def findings(self) -> list[Finding]:
        """The paper's four findings, each checked against the records."""
        return self.results.findings

    def table(self, number: str) -> pd.DataFrame:
        """Return Table "IV", "V", "VI" or "VII", columns as in `published`, in percent.

        Raises:
            InputError: There is no such table.
        """
        return self.results.table(number)


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
        InputError: No configuration, or data that cannot give the sizes asked for.
        DataMismatchError: The folder holds another study.

    Reproduction notes:
        "How Generalizable are Deepfake Detectors?", whole: sections III and IV, Tables IV to VII,
        Figures 2, 3 and 5. Originals are selected on the source's validation split, fine-tuned
        detectors on the validation part of what they are fine-tuned on, never on a test set.
    """
    if not isinstance(config, StudyConfig):
        raise InputError(
            f"expected a StudyConfig, received {describe(config)}.",
            hint="Begin with StudyConfig.demo() or StudyConfig.from_toml(path).",
        )
    folder = Path(out_dir).absolute()
    _claim(folder, config)
    say = progress or _silent
    available = datasets.prepare(config, folder, n_jobs=n_jobs, progress=say)
    families = [DetectorFamily(*pair) for pair in config.families]
    with _watched(config, families, available, folder, say):
        # Where families have processes of their own, threads are enough to wait for them.
        waiting = None if config.threads is None else "threads"
        jobs = (
            delayed(_run_one)(config, each, folder)
            for each in _in_order(config, families, available, effective_n_jobs(n_jobs))
        )
        Parallel(n_jobs=n_jobs, prefer=waiting)(jobs)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    say("tables, figures, report", 1.0)
    return publish(folder)


def publish(folder: str | Path) -> Study:
    """Make tables, figures and report of a run folder again, from its records alone.

    Args:
        folder: A run folder.

    Returns:
        The study.

    Raises:
        InputError: The folder holds no study, or one that is not finished.
    """
    path = Path(folder).absolute()
    if not (path / CONFIG).is_file():
        raise InputError(
            f"expected the folder of a study, {str(path)!r} has no {CONFIG}.",
            hint="Pass the folder that study.run wrote.",
        )
    from deepfake_generalize.study.report import publish_results

    study = Study(path, StudyConfig.from_toml(path / CONFIG))
    _check_finished(study)
    publish_results(study.results)
    return study


def _check_finished(study: Study) -> None:
    available = tuple(datasets.read_facts(study.folder)["sets"])
    wanted = [
        (step.kind, step.key)
        for pair in study.config.families
        for step in steps(study.config, DetectorFamily(*pair), available)
    ]
    done = {(each["kind"], each["key"]) for each in read_all(study.folder / RECORDS)}
    left = [each for each in wanted if each not in done]
    if left:
        raise InputError(
            f"expected a finished study in {str(study.folder)!r}, {len(left)} of its "
            f"{len(wanted)} steps are left, first the {left[0][0]} of {left[0][1]}.",
            hint="Run the study again with the same folder: it goes on where it was.",
        )


def _silent(_what: str, _part: float) -> None:
    """Say nothing."""


def _run_one(config: StudyConfig, family: DetectorFamily, folder: Path) -> None:
    if config.threads is not None:
        worker.work_apart(family, folder)
        return
    # Imported here: the process that only waits for the others needs no TensorFlow.
    from deepfake_generalize.study.experiment.steps import run_family

    run_family(config, family, folder)


def _in_order(
    config: StudyConfig, families: Sequence[DetectorFamily], available: tuple[str, ...], n_jobs: int
) -> list[DetectorFamily]:
    """Return the slowest first, so that no processor waits for one of them alone at the end.

    The two slowest, where they are of one architecture, are also the largest: the second is put
    where the first should be done, so that the memory need not hold both.
    """
    weights = {each: _weight(config, each, available) for each in families}
    order = sorted(families, key=lambda each: -weights[each])
    if len(order) < 3 or order[0].architecture != order[1].architecture:
        return order
    first, second, *others = order
    place, meanwhile = 0, 0.0
    while place < len(others) and meanwhile < weights[first] * (n_jobs - 1):
        meanwhile += weights[others[place]]
        place += 1
    return [first, *others[:place], second, *others[place:]]


def _claim(folder: Path, config: StudyConfig) -> None:
    """Write the configuration into a new folder, or see that the folder's is the same."""
    file = folder / CONFIG
    if file.exists():
        there = StudyConfig.from_toml(file)
        if there.sha256 != config.sha256:
            raise DataMismatchError(
                f"expected a new folder or one of this very study, {str(folder)!r} holds "
                f"{there.name!r} with other settings.",
                hint="Choose another folder, or run the configuration that is there.",
            )
        return
    partial = file.with_suffix(".partial")
    if folder.exists() and any(each != partial for each in folder.iterdir()):
        raise InputError(
            f"expected a new or empty folder, {str(folder)!r} holds other files.",
            hint="Choose another folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    partial.write_text(config.to_toml(), encoding="utf-8")
    partial.replace(file)


def _weight(config: StudyConfig, family: DetectorFamily, available: tuple[str, ...]) -> float:
    return sum(step.weight for step in steps(config, family, available))


@contextmanager
def _watched(
    config: StudyConfig,
    families: Sequence[DetectorFamily],
    available: tuple[str, ...],
    folder: Path,
    say: Callable[[str, float], None],
) -> Iterator[None]:
    """Report progress from the records while the families write them, wherever they run."""
    everything = {
        (step.kind, step.key): step.weight
        for family in families
        for step in steps(config, family, available)
    }
    done = threading.Event()

    def look() -> None:
        finished: list[dict[str, Any]] = [
            record
            for family in families
            for record in read_lines(folder / RECORDS / f"{family.name}.jsonl")
        ]
        weight = sum(everything.get((each["kind"], each["key"]), 0.0) for each in finished)
        detectors = sum(each["kind"] == "detector" for each in finished)
        say(f"{detectors} of {3 * len(families)} detectors", weight / sum(everything.values()))

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
