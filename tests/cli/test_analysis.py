"""The commands `grad-cam`, `causal` and `compare`: what the library gives, shown and written."""

import functools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import causal, data, interpret, metrics, models, study
from deepfake_generalize.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two detectors, crops of unequal sizes with masks, and tables of crops with videos."""
    folder = tmp_path_factory.mktemp("why")
    rng = np.random.default_rng(0)
    for name, label, side in (("a", "real", 24), ("b", "fake", 32), ("c", "fake", 32)):
        (folder / "crops" / label).mkdir(parents=True, exist_ok=True)
        (folder / "masks").mkdir(exist_ok=True)
        image = rng.integers(0, 256, (side, side, 3), np.uint8)
        cv2.imwrite(str(folder / "crops" / label / f"{name}.jpg"), image)
        mask = np.zeros((side, side), np.uint8)
        mask[:, : side // 4] = 255
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    for name in ("mine", "yours"):
        network = models.mesonet((32, 32, 3))
        network.set_weights([rng.normal(0, 0.3, w.shape) ** 2 for w in network.get_weights()])
        models.Detector(network, name=name).save(folder / f"{name}.keras")
    crops = data.read_crops(folder / "crops")
    crops["path"] = [Path(path).relative_to(folder).as_posix() for path in crops["path"]]
    crops.assign(video=["v1", "v2", "v3"])[["path", "label", "video"]].to_csv(
        folder / "videos.csv", index=False
    )
    return folder


# Each detector is loaded and compiled once for all tests.
LOAD = functools.cache(models.load_detector)


@pytest.fixture(autouse=True)
def _there(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(models, "load_detector", LOAD)


def output(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    assert main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_maps_are_those_of_the_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "maps"
    given = ("--detector", "mine.keras", "--detector", "yours.keras", "--masks", "masks")
    document = output(capsys, "grad-cam", "crops", *given, "--out", out)
    rows = pd.read_csv(out / "maps.csv")
    similarity = pd.read_csv(out / "similarity.csv")
    assert (document["images"], document["of"], len(rows)) == (3, 3, 6)
    loaded: list[Any] = [LOAD(f"{name}.keras", None) for name in ("mine", "yours")]
    for number, path in enumerate(similarity["path"]):
        image = data.read_image(path)[None]
        maps = [interpret.grad_cam(detector, image) for detector in loaded]
        mask = data.read_image(f"masks/{Path(path).stem}.png")[None, ..., 0]
        for detector, own in zip(loaded, maps, strict=True):
            row = rows[(rows["path"] == path) & (rows["detector"] == detector.name)].iloc[0]
            assert row["score"] == pytest.approx(detector.scores(image)[0], rel=1e-6)
            assert not row["empty"]
            mass = interpret.localization(own, mask)["mass"][0]
            assert row["mass"] == pytest.approx(mass)
            picture = data.read_image(out / detector.name / f"{number:05d}_{Path(path).stem}.png")
            np.testing.assert_array_equal(picture, interpret.overlay(own, image)[0])
        expected = interpret.congenetic_similarity(maps)[0]
        assert similarity["ssim"][number] == pytest.approx(expected)
    assert document["similarity"]["ssim"] == pytest.approx(similarity["ssim"].mean())
    assert [row["detector"] for row in document["maps"]] == ["mine", "yours"]
    assert document["maps"][1]["score"] == pytest.approx(
        rows["score"][rows["detector"] == "yours"].mean()
    )


def test_some_maps_are_chosen_evenly_and_one_detector_is_compared_with_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = f"grad-cam crops --detector mine.keras --images 2 --target real --out {tmp_path}"
    assert main(argv.split()) == 0
    shown = capsys.readouterr().out
    assert "maps of 2 of 3 crops" in shown
    assert "between detectors" not in shown
    paths = data.read_crops("crops")["path"]
    assert pd.read_csv(tmp_path / "maps.csv")["path"].tolist() == [paths.iloc[0], paths.iloc[2]]
    assert not (tmp_path / "similarity.csv").exists()


def test_effects_are_those_of_the_library_and_focus_takes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "effects.csv"
    sets = ("ALL=videos.csv", "FEW=videos.csv[label=fake]")
    given = ("--detector", "mine.keras", "--top", "4", "--resamples", "20", "--seed", "1")
    document = output(capsys, "causal", *sets, *given, "--out", out)
    detector: Any = LOAD("mine.keras", None)
    crops = data.read_crops("videos.csv")
    found = {
        name: causal.average_causal_effect(
            detector,
            rows,  # type: ignore[arg-type]
            labels=rows["label"],
            resampling=metrics.Resampling(n_resamples=20, seed=1),
            groups=rows["video"],
        )
        for name, rows in (("ALL", crops), ("FEW", crops[crops["label"] == 1]))
    }
    assert document["universal"] == causal.universal_neurons(found, 4).tolist()
    counts = causal.overlap(found, 4).counts.tolist()
    assert [row["neurons"] for row in document["shared"]] == counts
    table = pd.read_csv(out)
    for (name, of), told in zip(found.items(), document["sets"], strict=True):
        rows = table[table["set"] == name]
        np.testing.assert_allclose(rows["contribution"], of.contribution)
        np.testing.assert_allclose(rows["effect_4"], of.effects[:, 3])
        same = causal.top_stability(of, 4)
        assert told["jaccard"] == pytest.approx(same.jaccard)
        np.testing.assert_allclose(rows["inclusion"], same.inclusion)
        assert rows["neuron"][rows["top"]].tolist() == sorted(told["top"]) == sorted(same.top)
    universal = sorted(set(table["neuron"][table["universal"]]))
    assert universal == document["universal"]


def test_effects_of_crops_without_videos_say_nothing_of_other_videos(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["causal", "ALL=crops", "--detector", "mine.keras", "--resamples", "0"]) == 0
    shown = capsys.readouterr().out
    assert "the top 2 of 16 neurons of mine" in shown
    assert "in the top of all sets: " in shown


def test_pairs_are_those_of_the_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    labels, names = np.arange(20) % 2, [f"v{number // 4}" for number in range(20)]
    scores = {name: rng.random(20) for name in ("mine", "yours", "theirs")}
    for name, values in scores.items():
        frame = pd.DataFrame({"key": range(20), "label": labels, "score": values, "video": names})
        frame.loc[3, "score"] = np.nan if name == "yours" else 0.5
        study.write_scores(tmp_path, name, frame, {})
    files = [f"{name}={tmp_path / name}.csv" for name in scores]
    out = tmp_path / "pairs.csv"
    document = output(capsys, "compare", *files, "--resamples", 50, "--seed", 2, "--out", out)
    assert (document["images"], document["of"]) == (19, dict.fromkeys(scores, 20))
    kept = np.arange(20) != 3
    expected = metrics.compare_all(
        labels[kept],
        {name: values[kept] for name, values in scores.items()},
        groups=[f"{labels[row]}\t{names[row]}" for row in np.flatnonzero(kept)],
        n_resamples=50,
        seed=2,
    )
    other = pd.DataFrame({"key": ["e", "f"], "label": [0, 1], "score": 0.5})
    study.write_scores(tmp_path, "other", other, {})
    assert main(["compare", files[0], f"other={tmp_path / 'other.csv'}"]) == 2
    assert "images that mine, other all scored, none has the same key" in capsys.readouterr().err
    for found in (pd.DataFrame(document["pairs"]), pd.read_csv(out)):
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert main(["compare", *files]) == 0
    assert "19 images that all have scored, of 20 of mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said", "advice"),
    [
        ("causal crops --detector mine.keras", "expected NAME=", "DFD=crops"),
        ("causal A=crops A=crops --detector mine.keras", "A is given twice", ""),
        ("causal A=nowhere --detector mine.keras", "nowhere", ""),
        ("causal A=crops --detector mine.keras --top 99", "99", ""),
        ("causal A=crops --detector mine.keras --site gone", "gone", ""),
        ("grad-cam crops[label=fake|green] --detector mine.keras --out o", "green", ""),
        (
            "grad-cam crops --detector mine.keras --detector mine.keras --out o",
            "different names",
            "--name",
        ),
        ("grad-cam crops --detector mine.keras --out o --masks gone", "gone", ""),
        ("grad-cam crops --detector mine.keras --out mine.keras", "can be written", ""),
        ("compare a=x.csv b=videos.csv", "x.csv", ""),
        ("compare b=videos.csv c=videos.csv", "which way the scores of", "--polarity fake-high"),
        ("compare a=videos.csv", "of two detectors or more, received 1", "DETECTOR=SCORES.csv"),
        ("compare videos.csv", "expected DETECTOR=SCORES.csv", "MINE=DFD.csv"),
    ],
)
def test_refusals(argv: str, said: str, advice: str, fails: Any) -> None:
    code, error, hint = fails(*argv.split())
    assert code == 2
    assert said in error
    assert advice in hint
