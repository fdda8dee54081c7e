"""The commands around whole studies."""

import json
import tomllib

import pytest

from deepfake_generalize import cli, study
from deepfake_generalize.study import StudyConfig
from deepfake_generalize.study.report import results


@pytest.fixture
def finished(monkeypatch, tmp_path):
    """Let `run` and `publish` return at once, with findings that are known."""
    from deepfake_generalize.metrics import Interval
    from deepfake_generalize.study.report.findings import Fact, Finding

    fact = Fact("mean degradation (points)", Interval(40.0, 35.0, float("nan")))
    finding = Finding(1, "claim", "rule", "holds", "It does.", (fact,))
    monkeypatch.setattr(study.Study, "findings", [finding])
    monkeypatch.setattr(results.RunResults, "synthetic", True)
    monkeypatch.setattr(
        results.RunResults, "read", lambda *_: results.RunResults(tmp_path, None, [])
    )
    asked = {}

    def run(config, out, *, n_jobs, progress):
        asked.update(config=config, out=out, n_jobs=n_jobs)
        progress("rendering faces", 0.5)
        return study.Study(tmp_path, config)

    monkeypatch.setattr(study, "run", run)
    monkeypatch.setattr(study, "publish", lambda folder: study.Study(folder, StudyConfig.demo()))
    return asked


def test_demo_runs_the_demo_and_shows_its_findings(finished, capsys, tmp_path):
    assert cli.main(["demo", "--out", str(tmp_path), "--quick", "--seed", "4", "--jobs", "2"]) == 0
    assert finished["config"] == StudyConfig.demo(quick=True, seed=4)
    assert finished["n_jobs"] == 2
    shown = capsys.readouterr()
    assert "Finding 1 holds: It does." in shown.out
    assert f"report: {tmp_path / 'report.html'}" in shown.out
    assert "demo (quick): 50%, rendering faces, 0 s so far\n" in shown.err
    assert "the numbers say nothing about real deepfakes" in shown.err


def test_json_is_one_document(finished, capsys, tmp_path):
    assert cli.main(["demo", "--out", str(tmp_path), "--json"]) == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert set(document) == {"folder", "report", "config", "synthetic", "findings"}
    assert document["findings"][0]["facts"][0]["value"]["high"] is None
    assert shown.err == ""


def test_study_runs_what_the_file_says(finished, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('data = "synthetic"\narchitectures = ["mesonet"]\nseed = 9\n', encoding="utf-8")
    assert cli.main(["study", "--config", str(file), "--out", str(tmp_path / "run")]) == 0
    assert finished["config"].seed == 9
    assert finished["config"].architectures == ("mesonet",)


def test_report_publishes_again(finished, capsys, tmp_path):
    assert cli.main(["report", str(tmp_path)]) == 0
    assert "Finding 1 holds" in capsys.readouterr().out


def test_write_config_gives_a_file_to_fill_in(capsys, tmp_path):
    file = tmp_path / "paper.toml"
    assert cli.main(["study", "--write-config", str(file)]) == 0
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    assert values["data"] == {
        "faceforensics": "path/to/faceforensics",
        "celebdf_v2": "path/to/celebdf_v2",
        "celebdf_v1": "path/to/celebdf_v1",
    }
    config = StudyConfig.from_toml(file)
    assert config.data["celebdf_v1"] == str(tmp_path / "path/to/celebdf_v1")
    assert config.protocol.sizes == StudyConfig().protocol.sizes
    assert cli.main(["study", "--write-config", str(file)]) == 2
    assert "expected a new file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study"], "expected --config FILE and --out DIR"),
        (["study", "--config", "none.toml", "--out", "x"], "expected a configuration in TOML"),
        (["report", "."], "has no config.toml"),
    ],
)
def test_what_is_missing_is_said_with_a_hint(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "hint: " in shown
    assert not list(tmp_path.iterdir())
