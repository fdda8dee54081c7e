"""The commands of whole studies on a study that was really run."""

import json
import shutil

import pytest

from deepfake_generalize import cli, study


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of the finished study's folder, for commands to write into."""
    return shutil.copytree(tiny_run.folder, tmp_path / "run")


@pytest.fixture
def config(tiny_config, tmp_path):
    """Its configuration, as a user's file."""
    file = tmp_path / "mine.toml"
    file.write_text(tiny_config.to_toml(), encoding="utf-8")
    return file


def stamps(run):
    """When everything that costs work was written."""
    made = [path for name in ("records", "scores", "detectors", "data") for path in run.glob(name)]
    return {
        path: path.stat().st_mtime_ns
        for folder in made
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_report_makes_again_what_was_lost_of_records_alone(run, tiny_run, shown, capsys):
    for name in ("data", "detectors", "tables", "figures"):
        shutil.rmtree(run / name)
    (run / "report.html").unlink()
    before = stamps(run)
    assert cli.main(["report", str(run)]) == 0
    said = capsys.readouterr()
    for number in (1, 2, 3, 4):
        assert f"Finding {number} " in said.out
    assert f"report: {run / 'report.html'}" in said.out
    assert "the numbers say nothing about real deepfakes" in said.err
    assert shown(run) == shown(tiny_run.folder)
    assert stamps(run) == before


@pytest.mark.slow
def test_a_finished_study_is_shown_and_not_run_again(run, config, capsys):
    before = stamps(run)
    assert cli.main(["study", "--config", str(config), "--out", str(run), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["config"], said["synthetic"], len(said["findings"])) == ("tiny", True, 4)
    assert stamps(run) == before


@pytest.mark.nightly  # A study from a file is not, above, by the same code.
def test_the_demo_is_not_run_again(run, tiny_config, monkeypatch, capsys):
    monkeypatch.setattr(study.StudyConfig, "demo", lambda **_: tiny_config)
    before = stamps(run)
    assert cli.main(["demo", "--quick", "--seed", "5", "--out", str(run), "--jobs", "1"]) == 0
    assert "Finding 4 " in capsys.readouterr().out
    assert stamps(run) == before


@pytest.mark.parametrize("command", ["study", "demo"])
def test_the_folder_of_another_study_is_refused_and_left_alone(
    tiny_run, tiny_config, tmp_path, command, capsys
):
    other = tmp_path / "other.toml"
    other.write_text(tiny_config.to_toml().replace("seed = 5", "seed = 6"), encoding="utf-8")
    arguments = {"study": ["--config", str(other)], "demo": ["--quick"]}[command]
    before = {path: path.stat().st_mtime_ns for path in tiny_run.folder.rglob("*")}
    assert cli.main([command, *arguments, "--out", str(tiny_run.folder)]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "holds 'tiny' with other settings" in said.err
    assert said.err.splitlines()[-1].startswith("hint: Choose another folder")
    assert {path: path.stat().st_mtime_ns for path in tiny_run.folder.rglob("*")} == before


def test_a_study_that_was_stopped_before_its_sets_has_no_report(run, capsys):
    shutil.rmtree(run / "records")
    assert cli.main(["report", str(run)]) == 2
    said = capsys.readouterr().err
    assert f"expected a study whose sets are made in '{run}', there are none." in said
    assert said.splitlines()[-1] == "hint: Run the study first."


def test_a_study_that_was_stopped_at_work_has_no_report(run, capsys):
    (file,) = (run / "records").glob("mesonet-*.jsonl")
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-20]), encoding="utf-8")
    assert cli.main(["report", str(run)]) == 2
    said = capsys.readouterr().err
    assert f"in '{run}', 20 of its {len(lines)} steps are left, first the similarity of" in said
    assert said.splitlines()[-1].startswith("hint: Run the study again with the same folder")


def test_damaged_heat_maps_are_said_to_be(run, capsys):
    (file,) = (run / "heat_maps").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert cli.main(["report", str(run)]) == 2
    said = capsys.readouterr().err
    assert f"expected the heat maps of Figure 2 in '{file}', cannot read them" in said
    assert said.splitlines()[-1].startswith("hint: Remove the records of kind maps")


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("evaluation", "scores", None),
        *(
            pytest.param(*each, marks=pytest.mark.nightly)
            for each in (
                ("similarity", "compared", {"own": {"ssim": [7.0]}}),
                ("data", "splits", []),
                ("data", "audit", {"x": 3}),
                ("evaluation", "set", {}),
                ("similarity", "compared", {"own": {"ssim": ["x"]}}),
            )
        ),
    ],
)
def test_altered_records_are_said_to_be(run, capsys, kind, field, value):
    for file in (run / "records").glob("*.jsonl"):
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        changed = [r | {field: value} if r["kind"] == kind else r for r in records]
        text = "".join(json.dumps(record) + "\n" for record in changed)
        file.write_text(text, encoding="utf-8")
    assert cli.main(["report", str(run)]) == 4
    said = capsys.readouterr().err
    assert f"error: expected the records of '{run}' as a study writes them" in said
