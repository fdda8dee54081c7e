"""One small study, run once for all tests that look at its folder."""

import dataclasses
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deepfake_generalize import study
from deepfake_generalize.study.records import read_all


@pytest.fixture(scope="session")
def tiny_config() -> study.StudyConfig:
    """A study that learns nothing and passes through every step: MesoNet on CELEB."""
    demo = study.StudyConfig.demo(quick=True, seed=5)
    return dataclasses.replace(
        demo,
        name="tiny",
        sources=("CELEB",),
        threads=None,
        sizes=study.Sizes(
            train=32, val=16, test=16, few_shot_original=16, few_shot_unseen=16, few_shot_val=8
        ),
        schedules={
            "mesonet": study.Schedule(
                epochs=2, batch_size=16, fine_tuning_epochs=2, fine_tuning_batch_size=16
            )
        },
        analysis=study.Analysis(heat_map_fakes=4, causal_images=8, resamples=100),
    )


@pytest.fixture(scope="session")
def tiny_run(tiny_config, tmp_path_factory) -> study.Study:
    """The same, finished."""
    return study.run(tiny_config, tmp_path_factory.mktemp("study") / "run")


@pytest.fixture(scope="session")
def untimed_records() -> Callable[[Path], list]:
    """A function that reads a run folder's records, without what a clock said."""

    def untimed(value):
        if isinstance(value, dict):
            return {key: untimed(item) for key, item in value.items() if key != "seconds"}
        return [untimed(item) for item in value] if isinstance(value, list) else value

    return lambda folder: untimed(read_all(folder / "records"))


@pytest.fixture(scope="session")
def shown() -> Callable[[Path], dict[str, bytes]]:
    """A function that reads all that a run folder shows: tables, figures and the report."""

    def read(folder: Path) -> dict[str, bytes]:
        parts = [folder / "report.html"]
        parts += [each for name in ("tables", "figures") for each in (folder / name).iterdir()]
        return {str(each.relative_to(folder)): each.read_bytes() for each in sorted(parts)}

    return read


@pytest.fixture(scope="session")
def browse() -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that opens a page in headless Chromium with the switches given."""
    program = next(
        (
            found
            for name in ("chromium", "google-chrome", "chrome")
            if (found := shutil.which(name))
        ),
        None,
    )
    if program is None:
        pytest.skip("needs Chromium")

    def run(page: Path, *switches: str) -> subprocess.CompletedProcess[str]:
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--enable-logging=stderr", *switches, page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    return run
