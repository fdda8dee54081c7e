"""A whole study on synthetic faces: its folder, its records, and going on after a stop."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    recall_score,
    roc_auc_score,
)

from deepfake_generalize import data, metrics, models, study
from deepfake_generalize._system.files import lock_file
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study.experiment import ROOTS
from deepfake_generalize.study.experiment.records import read_all, read_lines
from deepfake_generalize.study.report.sections import overview

SETS = ["CELEB", "FS", "NT", "DF", "DFD", "CELEB-M", "NULL"]


def test_the_run_folder_is_laid_out_as_designed(tiny_run):
    folder = tiny_run.folder
    assert (folder / "config.toml").is_file()
    assert sorted(path.name for path in (folder / "detectors").iterdir()) == [
        f"MesoNet{i}.keras" for i in (1, 2, 3)
    ]
    for number in ("iv", "v", "vi", "vii"):
        for suffix in ("csv", "md", "tex"):
            for name in (f"table_{number}", f"table_{number}_intervals"):
                assert (folder / "tables" / f"{name}.{suffix}").stat().st_size
    assert (folder / "tables" / "thresholds.csv").stat().st_size
    for name in ("figure_2_mesonet-celeb", "figure_3", "figure_5_mesonet-celeb"):
        for suffix in ("png", "svg"):
            assert (folder / "figures" / f"{name}.{suffix}").stat().st_size
    assert len(list((folder / "scores").glob("*.csv"))) == 3 * (len(SETS) + 1)
    assert len(list((folder / "scores").glob("*.json"))) == 3 * (len(SETS) + 1)
    assert tiny_run.report.is_file()
    assert not [path for path in folder.rglob("*") if "partial" in path.name or "tmp" in path.name]


def test_every_step_has_one_record_that_says_where_it_comes_from(tiny_run, tiny_config):
    records = read_lines(tiny_run.folder / "records" / "mesonet-celeb.jsonl")
    kinds = pd.Series([each["kind"] for each in records]).value_counts().to_dict()
    assert kinds == {
        "detector": 3,
        "evaluation": 21,
        "similarity": 5,
        "maps": 1,
        "causal": 15,
        "control": 3,
    }
    for each in records:
        assert each["config_sha256"] == tiny_config.sha256
        assert each["seed"] == tiny_config.seed
        assert each["synthetic"] is True
    for each in records:
        if each["kind"] == "similarity":
            assert len(each["videos"]) == 4
            assert list(each["compared"]) == ["ceiling", "floor", "own"]
            for compared in each["compared"].values():
                assert sum(compared["bins"].values()) == len(compared["top_overlap"]) == 4
                assert compared["bins"]["empty"] == compared["ssim"].count(None)
    training = [each["training"] for each in records if each["kind"] == "detector"]
    assert all("val_accuracy" in json.dumps(each) for each in training)
    assert training[1]["parent"]["name"] == training[2]["parent"]["name"] == "MesoNet1"


def test_a_recorded_accuracy_is_what_the_saved_detector_gets(tiny_run):
    detector = models.Detector.load(tiny_run.folder / "detectors" / "MesoNet3.keras")
    splits = data.Splits.load(tiny_run.folder / "splits" / "DFD.csv")
    images = np.stack([data.read_image(path) for path in splits.test["path"]])
    expected = 100 * metrics.accuracy(splits.test["label"], detector.scores(images))
    (record,) = [
        each
        for each in tiny_run.results.of("evaluation")
        if (each["detector"], each["set"]) == ("MesoNet3", "DFD")
    ]
    assert record["frame_accuracy"] == pytest.approx(expected)
    assert record["split_sha256"] == splits.sha256
    table = tiny_run.table("V").set_index("detector")
    assert table.loc["MesoNet3", "DFD"] == pytest.approx(expected)


def test_the_validation_threshold_is_from_scores_of_the_sources_validation_split(tiny_run):
    detector = models.Detector.load(tiny_run.folder / "detectors" / "MesoNet2.keras")
    val = data.Splits.load(tiny_run.folder / "splits" / "CELEB.csv").val
    scores = detector.scores(np.stack([data.read_image(path) for path in val["path"]]))
    own = tiny_run.results.validation["MesoNet2"]
    np.testing.assert_allclose(own["score"], scores, atol=1e-6)
    assert own["label"].tolist() == val["label"].tolist()
    threshold = metrics.choose_threshold(own["label"], own["score"])
    found = tiny_run.results.thresholds.set_index(["detector", "set"])
    assert sorted(found.index) == sorted(
        (f"MesoNet{i}", name) for i in (1, 2, 3) for name in ("FS", "NT", "DF", "DFD")
    )
    on_df = study.read_scores(tiny_run.folder / "scores" / "MesoNet2-DF.csv").frame
    for name, used in (("accuracy", 0.5), ("validation_accuracy", threshold)):
        expected = 100 * metrics.accuracy(on_df["label"], on_df["score"], threshold=used)
        assert found.loc[("MesoNet2", "DF"), name] == pytest.approx(expected)
    assert found["threshold_moved"].is_monotonic_decreasing


def test_the_parts_of_a_degradation_add_up_to_table_vs(tiny_run):
    five = overview(tiny_run.results)
    np.testing.assert_allclose(five["ranking_lost"] + five["threshold_moved"], five["degradation"])
    text = tiny_run.report.read_text(encoding="utf-8")
    assert "Did the ranking go, or the threshold?" in text
    assert text.count("Threshold moved (% points)") == 2  # Side by side, and set by set.


@pytest.mark.parametrize("unit", ["frame", pytest.param("video", marks=pytest.mark.slow)])
def test_tables_are_there_in_other_metrics_and_named_by_them(tiny_run, unit):
    by = "" if unit == "frame" else "video_"
    frame = study.read_scores(tiny_run.folder / "scores" / "MesoNet1-NT.csv").frame
    if unit == "video":
        frame = frame.groupby(["label", "method", "video"], as_index=False)["score"].mean()
    pair = frame["label"], frame["score"]
    expected = {
        "auc": roc_auc_score(*pair),
        "average_precision": average_precision_score(*pair),
        "balanced_accuracy": balanced_accuracy_score(pair[0], pair[1] >= 0.5),
        "accuracy_fake": recall_score(pair[0], pair[1] >= 0.5),
        "accuracy_real": recall_score(pair[0], pair[1] >= 0.5, pos_label=0),
    }
    for metric, value in expected.items():
        found = tiny_run.table("V", metric, unit).set_index("detector")
        assert found.loc["MesoNet1", "NT"] == pytest.approx(100 * value)
        lost = found[f"original_{by}{metric}"] - found[["FS", "NT", "DF", "DFD"]].mean(axis=1)
        np.testing.assert_allclose(found["degradation"], lost)
        assert {*tiny_run.table("VI", metric, unit)["detector"]} == {
            *tiny_run.table("VI")["detector"]
        }
    assert f"average_{by}auc" in tiny_run.table("IV", "auc", unit)
    with pytest.raises(InputError, match="expected metric to be one of accuracy, accuracy_real"):
        tiny_run.table("V", "f1", unit)


def test_an_equal_error_rate_degrades_by_growing(tiny_run):
    found = tiny_run.table("V", "eer")
    grown = found[["FS", "NT", "DF", "DFD"]].mean(axis=1) - found["original_eer"]
    np.testing.assert_allclose(found["degradation"], grown)
    np.testing.assert_allclose(found["average"], found[["FS", "NT", "DF", "DFD"]].mean(axis=1))
    scores = study.read_scores(tiny_run.folder / "scores" / "MesoNet1-FS.csv").frame
    expected = 100 * metrics.eer(scores["label"], scores["score"])
    assert found.set_index("detector").loc["MesoNet1", "FS"] == pytest.approx(expected)


def test_benchmark_reads_a_studys_score_files_as_paths_and_as_they_are_read(tiny_run):
    name = str(tiny_run.folder / "scores" / "MesoNet1-{}.csv")
    for read in (Path, study.read_scores):
        result = study.benchmark(
            "MesoNet1",
            original=read(name.format("CELEB")),
            unseen={key: read(name.format(key)) for key in ("FS", "NT", "DF", "DFD")},
            specialized={"CELEB-M": read(name.format("CELEB-M"))},
            audit=False,
            resampling=None,
        )
        assert not any("score file" in note for note in result.notes)
        own = tiny_run.table("V").set_index("detector").loc["MesoNet1"]
        for column in ("original_accuracy", "FS", "NT", "DF", "DFD", "degradation"):
            assert result.row[column].item() == pytest.approx(own[column])
    swapped = study.benchmark(
        "MesoNet1", original=name.format("FS"), unseen={"FS": name.format("FS")}, audit=False
    )
    assert "original: the score file was written for FS" in swapped.notes


def test_the_tables_add_up(tiny_run):
    five = tiny_run.table("V")
    unseen = five[["FS", "NT", "DF", "DFD"]].mean(axis=1)
    np.testing.assert_allclose(five["average"], unseen)
    np.testing.assert_allclose(five["degradation"], five["original_accuracy"] - unseen)
    ranked = five[five["original_accuracy"] > 50.0]
    assert ranked["degradation"].is_monotonic_increasing
    assert ranked["rank"].tolist() == ranked["degradation"].round(6).rank(method="min").tolist()
    assert five["rank"].isna().sum() == len(five) - len(ranked)
    four = tiny_run.table("IV")
    assert four["fine_tuning"].tolist() == ["none", "transfer", "merge"]
    with pytest.raises(InputError, match="table to be one of IV, V, VI, VII, received 'I'"):
        tiny_run.table("I")


@pytest.mark.nightly  # By the command it is not in test_run_commands.
def test_a_finished_study_is_not_run_again(tiny_run, tiny_config):
    before = {path: path.read_bytes() for path in (tiny_run.folder / "records").iterdir()}
    report = tiny_run.report.read_bytes()
    said = []
    again = study.run(
        tiny_config, tiny_run.folder, progress=lambda what, part: said.append((what, part))
    )
    assert said[-1] == ("tables, figures, report", 1.0)
    assert all(0 <= part <= 1 for _, part in said)
    assert {path: path.read_bytes() for path in (again.folder / "records").iterdir()} == before
    assert again.report.read_bytes() == report


def test_a_folder_of_another_study_is_refused(tiny_run, tiny_config):
    other = dataclasses.replace(tiny_config, seed=6)
    with pytest.raises(DataMismatchError, match="holds 'tiny' with other settings"):
        study.run(other, tiny_run.folder)


def test_a_folder_of_other_files_is_refused_and_left_alone(tiny_config, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="expected a new or empty folder"):
        study.run(tiny_config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_no_configuration_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a StudyConfig, received"):
        study.run("demo", tmp_path)


def test_a_folder_without_a_study_has_no_report(tmp_path):
    with pytest.raises(InputError, match=r"has no config\.toml"):
        study.publish(tmp_path)


def test_records_of_another_configuration_are_not_mixed_in(tiny_run, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.folder, copy, ignore=shutil.ignore_patterns("data", "detectors"))
    config = copy / "config.toml"
    config.write_text(config.read_text().replace("seed = 5", "seed = 7"), encoding="utf-8")
    with pytest.raises(DataMismatchError, match="is of another one"):
        study.publish(copy)


def test_the_audit_of_the_drawn_sets_finds_no_leak(tiny_run):
    (record,) = [each for each in read_all(tiny_run.folder / "records") if each["kind"] == "data"]
    assert record["audit"]["leaks"] == 0
    assert set(record["splits"]) >= set(SETS)


def test_a_second_study_in_one_folder_is_refused_at_once(tiny_config, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with lock_file(folder / ".lock"), pytest.raises(DataMismatchError, match="no study is running"):
        study.run(tiny_config, folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("roots", [{}, {"faceforensics": "{tmp}"}, dict.fromkeys(ROOTS, "/no")])
def test_a_study_without_its_data_sets_claims_no_folder(tiny_config, tmp_path, roots):
    roots = {name: place.format(tmp=tmp_path) for name, place in roots.items()}
    config = dataclasses.replace(tiny_config, data=roots)
    with pytest.raises(InputError, match=r"expected a place of celebdf_v|nothing is there"):
        study.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
