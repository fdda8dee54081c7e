"""A study of finished detectors in which each source is an unseen set of the other."""

import dataclasses

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import study
from deepfake_generalize.study.report.curves import draw_curves
from deepfake_generalize.study.report.sections import report_page
from deepfake_generalize.study.scores import read_scores

SCORERS = "def red(images):\n    return images[..., 0].mean((1, 2))\n"


def crops(folder, name, seed):
    """Two noisy crops of each of eight people, fakes a little redder."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(16):
        path = folder / name / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        picture = rng.integers(0, 256, (16, 16, 3))
        picture[..., 2] = rng.integers(90, 165) + 5 * (number % 2)
        cv2.imwrite(str(path), picture.astype(np.uint8))
        rows.append(
            {
                "path": str(path),
                "video": f"{name}/{number}.mp4",
                "label": number % 2,
                "dataset": name,
                "target_identity": f"{name}{number // 2}",
            }
        )
    file = folder / f"{name}.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return str(file)


@pytest.fixture(scope="module")
def said():
    """What the study said while it ran."""
    return []


@pytest.fixture(scope="module")
def crossed(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("crossed")
    (folder / "nets.py").write_text(SCORERS)
    protocol = study.Protocol(
        {"a": study.Source(("b",)), "b": study.Source(("a",))},
        sizes=study.Sizes(test=16),
        analyses=(),
    )
    config = study.StudyConfig(
        protocol=protocol,
        data={name: crops(folder, name, seed) for seed, name in enumerate("ab")},
        architectures=(),
        detectors={"red": f"{folder / 'nets.py'}:red[size=16]"},
        image_size=16,
        analysis=study.Analysis(resamples=20),
    )
    return study.run(config, folder / "run", progress=lambda what, _: said.append(what))


def test_each_source_is_tested_on_the_other(crossed):
    found = crossed.table("V").set_index("detector")
    accuracy = {}
    for name in "ab":
        frame = read_scores(crossed.folder / "scores" / f"red-a-{name}.csv").frame
        accuracy[name] = 100 * ((frame["score"] > 0.5) == frame["label"]).mean()
    assert accuracy["a"] != accuracy["b"]
    for home, away in ("ab", "ba"):
        row = found.loc[f"red-{home}"]
        assert pd.isna(row[home])
        assert row[away] == pytest.approx(accuracy[away])
        assert row["degradation"] == pytest.approx(accuracy[home] - accuracy[away])


def test_progress_counts_measurements_where_nothing_is_trained(crossed, said):
    assert "4 of 4 steps, 4 of 4 evaluations" in said
    assert not any("detectors" in what for what in said)


def test_the_page_says_what_was_studied_and_how_sets_were_split(crossed):
    text = crossed.report.read_text(encoding="utf-8")
    assert "The study of the paper" not in text
    assert "asked of a protocol of one" in text
    assert "no official split; splits " in text
    assert "no detector trained here has several neurons" in text


def test_what_is_left_out_stands_under_its_own_heading(crossed):
    left = {"red, heat maps": "It has no maps.", "red, neurons": "It has no layers."}
    results = dataclasses.replace(crossed.results)
    vars(results)["left_out"] = left
    page = report_page(results, {}, draw_curves(results))
    maps, _, neurons = page.partition("<h2>Neurons")
    assert "Left out: red, heat maps" in maps
    assert "Left out: red, neurons" not in maps
    assert "Left out: red, neurons" in neurons
