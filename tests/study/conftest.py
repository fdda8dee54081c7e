"""One small study, run once for all tests that look at its folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import augment, models, study
from deepfake_generalize._system.files import lock
from deepfake_generalize.study.experiment import steps
from deepfake_generalize.study.experiment.records import read_all

_OPENED: list[str] = []
"""Crops that this process has opened, as the interpreter says, whoever opened them."""


@contextmanager
def _spied(file: Path) -> Iterator[None]:
    """Write down which crops each step of a study reads, and which as training and validation."""
    hooked: list[bool] = [True]

    def hear(event: str, arguments: tuple) -> None:
        if hooked and event == "open" and str(arguments[0]).endswith(".png"):
            _OPENED.append(str(arguments[0]))

    def note(folder: Path, name: str, step: tuple[str, str], began: object) -> None:
        found = {"step": step, "crops": list(dict.fromkeys(_OPENED)), **roles}
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(found) + "\n")
        _OPENED.clear()
        roles.clear()
        real_note(folder, name, step, began)

    def spying_on(train: Callable) -> Callable:
        def spy(start, train_data, val_data, **options):
            roles.update(train=list(train_data["path"]), val=list(val_data["path"]))
            roles.update(called=train.__name__, seed=options["seed"])
            roles.update(start=start if isinstance(start, str) else start.name)
            _OPENED.clear()  # What preparing the sets has opened is no part of the first step.
            return train(start, train_data, val_data, **options)

        return spy

    real_note, roles = steps.note, {}
    sys.addaudithook(hear)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "note", note)
        for room, name in ((models, "train"), (augment, "transfer"), (augment, "merge")):
            patch.setattr(room, name, spying_on(getattr(room, name)))
        yield
    hooked.clear()


@pytest.fixture(scope="session")
def tiny_config(tiny_study) -> study.StudyConfig:
    """A tiny study of MesoNet on CELEB, with an epoch to resume from."""
    return tiny_study("mesonet", epochs=2)


@pytest.fixture(scope="session")
def tiny_run(tiny_config, tmp_path_factory, testrun_uid) -> study.Study:
    """The same, finished: a copy of what the first process of the tests to want it has run.

    Where $DEEPFAKE_GENERALIZE_TINY_STUDY names a folder, later runs of the tests take it too, as
    `.ci/run` does: it is not looked whether the code is still the same.
    """
    named = os.environ.get("DEEPFAKE_GENERALIZE_TINY_STUDY")
    this = tmp_path_factory.getbasetemp().parent / f"study-{testrun_uid}"
    shared = Path(named) if named else this
    shared.mkdir(exist_ok=True)
    with (shared / "wanted").open("w") as file:
        lock(file.fileno(), wait=True)
        if not (shared / "run" / "report.html").exists():
            with _spied(shared / "spied.jsonl"):
                study.run(tiny_config, shared / "run")
    own = shutil.copytree(shared / "run", tmp_path_factory.mktemp("study") / "run")
    shutil.copy(shared / "spied.jsonl", own.parent)
    return study.Study(own, study.StudyConfig.from_toml(own / "config.toml"))


@pytest.fixture(scope="session")
def spied(tiny_run) -> dict[tuple[str, str], dict]:
    """Step's kind and key to what it read: crops within data/, the training and validation ones."""

    def within(value: object) -> object:
        if isinstance(value, list):
            return [path.replace("\\", "/").rpartition("/run/data/")[2] for path in value]
        return value

    lines = (tiny_run.folder.parent / "spied.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return {
        tuple(each.pop("step")): {name: within(value) for name, value in each.items()}
        for each in found
    }


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
    """A function that reads all that a run folder shows: tables, figures and the report.

    What the report says of when and where the study was run differs between two runs, and only
    that: it is taken out.
    """
    when_and_where = re.compile(rb'<dl id="when-and-where">.*?</dl>', re.DOTALL)

    def read(folder: Path) -> dict[str, bytes]:
        parts = [folder / "report.html"]
        parts += [each for name in ("tables", "figures") for each in (folder / name).iterdir()]
        found = {str(each.relative_to(folder)): each.read_bytes() for each in sorted(parts)}
        found["report.html"], times = when_and_where.subn(b"", found["report.html"])
        assert times == 1
        return found

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


@dataclass
class Redness:
    """P(fake) is the mean of the red channel."""

    name: str = "redness"
    calls: list[int] = field(default_factory=list)

    def scores(self, images) -> np.ndarray:
        self.calls.append(len(images))
        return np.array([image[..., 0].mean() / 255 for image in images], np.float32)


@pytest.fixture
def redness() -> Redness:
    """A detector whose scores are known by hand."""
    return Redness()


@pytest.fixture
def crops(tmp_path: Path):
    """Return a function from (label, red) pairs to a manifest of crops, each of another size."""

    def make(rows, *, name: str = "set", equal: bool = False) -> pd.DataFrame:
        paths = []
        for number, (label, red) in enumerate(rows):
            image = np.zeros((6 + (0 if equal else number), 8, 3), np.uint8)
            image[..., 2] = red  # OpenCV writes blue, green, red
            path = tmp_path / f"{name}-{number}-{label}.png"
            assert cv2.imwrite(str(path), image)
            paths.append(str(path))
        labels = [label for label, _ in rows]
        return pd.DataFrame({"path": paths, "label": labels})

    return make


@pytest.fixture
def scores_with() -> Callable[[float], pd.DataFrame]:
    """Return a function from a percentage to scores of 2,000 images with exactly this accuracy."""

    def make(percent: float) -> pd.DataFrame:
        right = round(percent * 20)
        label = np.tile([1, 0], 1000)
        correct = np.arange(2000) < right
        return pd.DataFrame(
            {"label": label, "score": np.where(correct, label, 1 - label) * 0.8 + 0.1}
        )

    return make
