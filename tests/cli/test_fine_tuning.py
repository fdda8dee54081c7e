"""The commands `transfer`, `merge` and `focus`."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import augment, data, models
from deepfake_generalize.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector, and crops of three sets: original, unseen, and some to choose on."""
    folder = tmp_path_factory.mktemp("few")
    rng = np.random.default_rng(0)
    for part in ("original", "unseen", "val"):
        for label in ("real", "fake"):
            (folder / part / label).mkdir(parents=True)
            for index in range(3):
                image = rng.integers(0, 256, (16, 16, 3), np.uint8)
                cv2.imwrite(str(folder / part / label / f"{part}{label}{index}.png"), image)
    models.Detector(models.mesonet((16, 16, 3)), name="mine").save(folder / "mine.keras")
    (folder / "effects.csv").write_text("set,neuron,universal\nFS,0,True\nFS,1,False\nNT,3,True\n")
    (folder / "none.csv").write_text("set,neuron,universal\nFS,0,False\n")
    return folder


def command(kind: str, folder: Path, out: Path, *more: object) -> list[str]:
    given = (kind, "--detector", folder / "mine.keras", "--val", folder / "val", "--out", out)
    return [str(word) for word in (*given, "--train", folder / "original", *more)]


@pytest.mark.parametrize(
    ("kind", "options", "first", "given"),
    [
        (
            "transfer",
            ["--unfreeze", "2", "--checkpoint", "half"],
            [],
            {"unfreeze": 2, "checkpoint": Path("half"), "early_stopping": None},
        ),
        ("merge", ["--early-stopping", "4", "--recipe", "xception"], [], {"early_stopping": 4}),
        (
            "focus",
            ["--neurons", "effects.csv", "--mode", "silence"],
            [[0, 3]],
            {"mode": "silence", "factor": 2.0, "site": "paper"},
        ),
    ],
)
def test_the_library_is_called_with_what_the_command_line_says(
    kind: str,
    options: list[str],
    first: list[list[int]],
    given: dict[str, Any],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    calls: list[tuple[Any, ...]] = []

    def record(detector: models.Detector, *crops: Any, **settings: Any) -> models.Detector:
        calls.append((*crops, settings))
        return detector

    monkeypatch.setattr(augment, kind, record)
    out = tmp_path / "new.keras"
    few = ("--epochs", 2, "--batch-size", 4, "--seed", 3, "--train", "unseen[label=fake]", "--json")
    assert main(command(kind, folder, out, *options, *few)) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"detector": "mine", "out": str(out), "training": None}
    assert "note: label=fake chose 3 of 6 rows" in said.err
    assert models.Detector.load(out).name == "mine"
    ((*before, train, val, settings),) = calls
    assert before == first
    unseen = data.read_crops("unseen")
    parts = [data.read_crops("original"), unseen[unseen["label"] == 1]]
    pd.testing.assert_frame_equal(train, pd.concat(parts, ignore_index=True))
    pd.testing.assert_frame_equal(val, data.read_crops("val"))
    recipe = settings.pop("recipe")
    assert recipe == (models.RECIPES["xception"].fine_tuning if kind == "merge" else None)
    same = {"epochs": 2, "batch_size": 4, "seed": 3, "progress": None, "name": None}
    assert settings.items() >= (same | given).items()


def test_what_is_moved_without_training_is_told_as_such(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new.keras"
    options = ("--neurons", "0, 3", "--mode", "upweight", "--factor", "3", "--name", "louder")
    assert main(command("focus", folder, out, *options)) == 0
    shown = capsys.readouterr().out
    assert "trained louder" in shown
    assert "mine, by focus" in shown
    assert "epoch" not in shown
    kernels = [
        models.Detector.load(path).model.get_layer("dense1").kernel.numpy()
        for path in (out, folder / "mine.keras")
    ]
    np.testing.assert_allclose(kernels[0][[0, 3]], 3 * kernels[1][[0, 3]])
    np.testing.assert_array_equal(kernels[0][1:3], kernels[1][1:3])


@pytest.mark.parametrize(
    ("more", "said", "advice"),
    [
        (["--neurons", "all"], "received 'all'", "--neurons 3,17,42"),
        (["--neurons", "mine.keras"], "received 'mine.keras'", "--neurons 3,17,42"),
        (["--neurons", "none.csv"], "none.csv has none", "larger --top"),
        (["--neurons", "0", "--recipe", "resnet"], "mesoinception", ""),
        (["--neurons", "0", "--detector", "code.py:bright[size=8]"], "models.Detector", "Wrap a"),
    ],
)
def test_refusals(
    more: list[str],
    said: str,
    advice: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    (folder / "code.py").write_text("def bright(images):\n    return images.mean((1, 2, 3))\n")
    assert main(command("focus", folder, tmp_path / "new.keras", *more)) == 2
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert said in error
    assert advice in hint
    assert not (tmp_path / "new.keras").exists()
