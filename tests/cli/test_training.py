"""The command `train`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deepfake_generalize import models
from deepfake_generalize.cli import main


@pytest.fixture
def crops(tmp_path: Path) -> dict[str, Path]:
    """Two folders, real/ and fake/ in each."""
    rng = np.random.default_rng(0)
    folders = {}
    for part, count in (("train", 8), ("val", 4)):
        folders[part] = tmp_path / part
        for label in ("real", "fake"):
            (folders[part] / label).mkdir(parents=True)
            for index in range(count):
                image = rng.integers(0, 256, (16, 16, 3), np.uint8)
                cv2.imwrite(str(folders[part] / label / f"{part}{label}{index}.png"), image)
    return folders


def _arguments(crops: Mapping[str, Any], out: Path, *more: object) -> list[str]:
    given = ["train", "--architecture", "mesonet", "--train", crops["train"], "--val", crops["val"]]
    return [str(word) for word in (*given, "--out", out, *more)]


@pytest.mark.slow
def test_a_table_for_people_a_line_an_epoch_for_logs_and_the_record_as_json(
    crops: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "new" / "detector.keras"
    out.parent.mkdir()
    out.touch()
    options = ("--epochs", 2, "--batch-size", 4, "--seed", 5, "--size", 24, "--recipe", "scripts")
    against = ("--weight-decay", 0.001, "--dropout", 0.1, "--augmentation", "deepfakebench")
    named = ("--name", "mine", "--learning-rate", 0.01, "--overwrite", *against)
    again = _arguments(crops, out, *options, *named, "--checkpoint", tmp_path / "checkpoint")
    assert main(again) == 0
    said = capsys.readouterr()
    assert "mesonet-scripts, epochs 2" in said.out
    assert "best epoch" in said.out
    assert sum(line.startswith("epoch ") for line in said.err.splitlines()) == 2
    assert main(again) == 0
    assert "going on after epoch 2 of 2" in capsys.readouterr().err
    assert main([*again, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    detector = models.Detector.load(out)
    assert (detector.name, detector.size) == ("mine", (24, 24))
    assert document["training"] == detector.training
    assert set(document) == {"detector", "out", "training"}
    recipe = detector.training["recipe"]
    assert (recipe["epochs"], recipe["batch_size"], detector.training["seed"]) == (2, 4, 5)
    said = "mesonet-scripts, epochs 2, learning rate 0.01, batch size 4, dropout 0.1, weight decay "
    assert recipe["name"] == f"{said}0.001, augmentation deepfakebench"
    assert detector.training["data"]["train"]["images"] == 16
    again[again.index("--seed") + 1] = "1"
    assert main(again) == 4
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: expected a checkpoint of this training")
    assert hint.startswith("hint: Name another checkpoint")


@pytest.mark.parametrize("more", [(), ("--checkpoint", "empty")])
def test_a_detector_is_not_replaced_unasked(
    more: tuple[str, ...], crops: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "d.keras"
    out.write_text("hours of work")
    assert main(_arguments(crops, out, *more)) == 2
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert "expected --out to name a new file" in error
    assert "--overwrite" in hint
    assert out.read_text() == "hours of work"


def test_the_help_lists_all_networks(capsys: Any) -> None:
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"\b{name}\b", shown) for name in models.ARCHITECTURES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--out", "detector.h5"), "end in .keras"),
        (("--architecture", "resnet"), "efficientnet_b0"),
        (("--epochs", "0"), "--epochs"),
        (("--recipe", "mine"), "mine"),
        (("--precision", "float16"), "float16"),
        (("--val", "nowhere"), "nowhere"),
    ],
)
def test_refusals(
    change: tuple[str, str], said: str, crops: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    given = _arguments(crops, tmp_path / "d.keras")
    if change[0] in given:
        given[given.index(change[0]) + 1] = change[1]
    else:
        given += change
    assert main(given) == 2
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert said in error
    assert hint.startswith("hint: ")
    assert not (tmp_path / "d.keras").exists()
