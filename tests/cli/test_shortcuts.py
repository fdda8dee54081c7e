"""The commands `shortcuts` and `robustness`: what the library gives, shown and written."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data, metrics, models, study
from deepfake_generalize.cli import main

FEW = metrics.Resampling(n_resamples=20, seed=3)
OPTIONS = ("--resamples", 20, "--seed", 3)
CHOICE = {"contrast": [1, 3], "gend_noise": [1, 2, 3, 4, 5]}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops whose fakes are redder and saved as JPEG, and a detector that reads red."""
    folder = tmp_path_factory.mktemp("shortcuts")
    rng = np.random.default_rng(0)
    for label, red, ending in (("real", 100, "png"), ("fake", 140, "jpg")):
        (folder / "crops" / label).mkdir(parents=True)
        for number in range(8):
            image = rng.normal((90, 90, red), 20, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "crops" / label / f"{number}.{ending}"), image)
    code = "def red(images):\n    return images[..., 0].mean((1, 2))\n"
    (folder / "net.py").write_text(code)
    return folder


@pytest.fixture(autouse=True)
def _there(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)


def output(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    assert main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.filterwarnings("always")
def test_cues_are_those_of_the_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(data.ShortcutWarning):
        found = data.audit_shortcuts({"mine": "crops"}, resampling=FEW)
    document = output(capsys, "shortcuts", "mine=crops", "--out", tmp_path / "cues.csv", *OPTIONS)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "cues.csv"), found)
    assert [row["cue"] for row in document["cues"]] == found["cue"].tolist()
    assert document["cues"][0]["auc"] == pytest.approx(found["auc"][0])
    assert main(["shortcuts", "mine=crops", *map(str, OPTIONS)]) == 0
    told = capsys.readouterr()
    assert "tells real from fake in mine" in told.out
    assert "warning: real and fake of the set mine can be told apart" in told.err


def test_robustness_is_the_librarys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("crops", "--detector", "net.py:red[size=32]", *OPTIONS, "--out", tmp_path / "all.csv")
    given = (*given, "--perturbation", "contrast=1,3", "--perturbation", "gend_noise")
    document = output(capsys, "robustness", *given, "--figure", tmp_path / "drawn.png")
    detector = models.load_detector("net.py:red[size=32]")
    found = study.robustness(detector, "crops", perturbations=CHOICE, resampling=FEW, seed=3)
    rows = pd.read_csv(tmp_path / "all.csv", dtype={"level": "Int64"})
    pd.testing.assert_frame_equal(rows, found.frame)
    assert document["applied_to"] == "crops, after they were cut out"
    lost = [row["degradation"] for row in document["rows"]]
    assert lost == pytest.approx(found.frame["degradation"].tolist())
    assert {file.name for file in tmp_path.glob("drawn*")} == {"drawn.png", "drawn.svg"}


@pytest.mark.filterwarnings("always")
def test_one_side_at_a_time_tells_what_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("robustness", "crops", "--detector", "net.py:red[size=32]", "--one-sided", *OPTIONS)
    assert main([*map(str, argv), "--perturbation", "contrast=5"]) == 0
    told = capsys.readouterr()
    assert "warning: contrast 5 looks real to " in told.err
    assert "note: contrast" not in told.err
    assert [line.split()[3] for line in told.out.splitlines()[-3:]] == ["reals", "fakes", "both"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--perturbation", "fog"], "expected --perturbation to be one of saturation, "),
        (["--perturbation", "blur=1,x"], "expected levels of blur as numbers, received '1,x'"),
        (["--perturbation", "blur="], "expected levels of blur as numbers, received ''"),
        (["--figure", "taken"], "expected a file that can be written as --figure, received taken."),
        (["--resamples", "0"], "greater than or equal to 1"),
        (["--perturbation", "blur=9"], "expected the level of blur to be a whole number from 1 to"),
        (["--one-sided", "--figure", "drawn"], "expected --figure without --one-sided"),
    ],
)
def test_refusals(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("taken.svg").mkdir(exist_ok=True)
    assert main(["robustness", "crops", "--detector", "net.py:red[size=32]", *options]) == 2
    assert said in capsys.readouterr().err
