"""A whole study on synthetic faces: its folder, its records, and going on after a stop."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data, metrics, models, study
from deepfake_generalize._system.file_locks import lock_file
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study.experiment import ROOTS
from deepfake_generalize.study.experiment.records import read_all, read_lines

SETS = ["CELEB", "FS", "NT", "DF", "DFD", "CELEB-M", "NULL"]


def test_the_run_folder_is_laid_out_as_designed(tiny_run):
    folder = tiny_run.folder
    assert (folder / "config.toml").is_file()
    assert sorted(path.name for path in (folder / "detectors").iterdir()) == [
        f"MesoNet{i}.keras" for i in (1, 2, 3)
    ]
    for number in ("iv", "v", "vi", "vii"):
        for suffix in ("csv", "md", "tex"):
            assert (folder / "tables" / f"table_{number}.{suffix}").stat().st_size
    for name in ("figure_2_mesonet", "figure_3", "figure_5_mesonet"):
        for suffix in ("png", "svg"):
            assert (folder / "figures" / f"{name}.{suffix}").stat().st_size
    assert len(list((folder / "scores").glob("*.csv"))) == 3 * len(SETS)
    assert len(list((folder / "scores").glob("*.json"))) == 3 * len(SETS)
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
            assert sum(each["bins"].values()) == len(each["values"]) == 4
            assert each["bins"]["empty"] == each["comparable"].count(False)
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


def test_the_tables_add_up(tiny_run):
    five = tiny_run.table("V")
    unseen = five[["FS", "NT", "DF", "DFD"]].mean(axis=1)
    np.testing.assert_allclose(five["average"], unseen)
    np.testing.assert_allclose(five["degradation"], five["original_accuracy"] - unseen)
    assert five["degradation"].is_monotonic_increasing
    assert five["rank"].tolist() == five["degradation"].round(6).rank(method="min").tolist()
    four = tiny_run.table("IV")
    assert four["fine_tuning"].tolist() == ["none", "transfer", "merge"]
    with pytest.raises(InputError, match="table to be one of IV, V, VI, VII, received 'I'"):
        tiny_run.table("I")


def test_a_finished_study_is_not_run_again(tiny_run, tiny_config):
    before = {path: path.read_bytes() for path in (tiny_run.folder / "records").iterdir()}
    report = tiny_run.report.read_bytes()
    again = study.run(tiny_config, tiny_run.folder)
    assert {path: path.read_bytes() for path in (again.folder / "records").iterdir()} == before
    assert again.report.read_bytes() == report


def test_everything_shown_is_made_of_records_alone(tiny_run, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns("data", "detectors", "checkpoints", "tables", "figures")
    shutil.copytree(tiny_run.folder, copy, ignore=left_out)
    (copy / "report.html").unlink()
    again = study.publish(copy)
    for path in sorted((tiny_run.folder / "tables").iterdir()):
        assert (again.folder / "tables" / path.name).read_bytes() == path.read_bytes()
    for path in sorted((tiny_run.folder / "figures").iterdir()):
        assert (again.folder / "figures" / path.name).read_bytes() == path.read_bytes()
    assert again.report.read_bytes() == tiny_run.report.read_bytes()


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


def test_progress_ends_at_the_whole(tiny_run, tiny_config):
    said = []
    study.run(tiny_config, tiny_run.folder, progress=lambda what, part: said.append((what, part)))
    assert said[-1] == ("tables, figures, report", 1.0)
    assert all(0 <= part <= 1 for _, part in said)


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
    config = dataclasses.replace(tiny_config, data="videos", roots=roots)
    with pytest.raises(InputError, match=r"received none for celebdf|nothing is there|none for"):
        study.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
