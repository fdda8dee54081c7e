"""A model card that the Hub reads, and citations that BibTeX reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from deepfake_generalize import study
from deepfake_generalize.cli.app import app

REPOSITORY = Path(__file__).resolve().parents[3]
HOSTILE = 'MesoNet: "x"\n---\n# y & <b> \U0001f600 \x85'


def scores(right: int) -> pd.DataFrame:
    """Ten reals that are called so, and ten fakes of which so many are found."""
    rows = pd.DataFrame({"label": [0] * 10 + [1] * 10, "video": range(20)})
    rows["score"] = [0.1] * 10 + [0.9] * right + [0.2] * (10 - right)
    return rows.astype({"video": str})


@pytest.fixture(scope="module")
def result() -> study.Benchmark:
    sets = {"FS": scores(4), HOSTILE: scores(2)}
    with pytest.warns(match="share"):
        return study.benchmark(HOSTILE, original=scores(9), unseen=sets, trained_on={"CELEB": None})


def test_the_card_has_the_hubs_metadata_and_says_what_was_measured(result):
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    _, head, text = re.split(r"^---$", result.model_card(), maxsplit=2, flags=re.MULTILINE)
    (index,) = yaml.safe_load(head)["model-index"]
    shown = HOSTILE.replace("\n", "\\n").replace("\x85", "\\x85")
    assert index["name"] == shown
    by_name = {of["dataset"]["name"]: of for of in index["results"]}
    assert list(by_name) == ["original", "FS", shown]
    # 10 of 10 reals and 4 of 10 fakes are right; a fake found is above all reals, others too.
    assert by_name["FS"]["task"]["type"] == "image-classification"
    assert [of["type"] for of in by_name["FS"]["metrics"]] == ["accuracy", "roc_auc"]
    assert [of["value"] for of in by_name["FS"]["metrics"]] == [0.7, 1.0]
    headings = re.findall("^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "Intended use", "Training data", "Evaluation data", "Results", "Limits", "Leaks",
    ]  # fmt: skip
    assert "Trained on CELEB" in text
    assert "| FS | 70.00 [47.80, 85.60] | 100.00 [" in text
    assert "| FS | 20 | 20 | - |" in text
    assert "<b>" not in text
    assert "The audit found 40 things shared" in text
    assert "The training data were not given: what the tests share" in text


def test_the_citations_are_of_what_was_used_and_of_nothing_else(result, tmp_path):
    text = result.citations()
    assert re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE) == [
        "li2023generalizable", "deepfake_generalize", "li2020celebdf",
        "roessler2019faceforensics", "afchar2018mesonet",
    ]  # fmt: skip
    assert text.count("% No entry is known") == 1
    own = (REPOSITORY / "CITATION.cff").read_text("utf-8")
    for line in [*re.findall('title: "(.*)"', own), "2308.04177"]:
        assert line in re.sub(r"[{}\\]", "", text)
    if (bibtex := shutil.which("bibtex")) is None:
        pytest.skip("needs bibtex")
    (tmp_path / "used.bib").write_text(text, "utf-8")
    (tmp_path / "page.aux").write_text("\\citation{*}\n\\bibstyle{plain}\n\\bibdata{used}\n")
    subprocess.run([bibtex, "page"], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "page.bbl").read_text("utf-8").count("\\bibitem") == 5


def test_the_command_writes_both(tmp_path):
    scores(9).to_csv(tmp_path / "a.csv", index=False)
    files = [tmp_path / "README.md", tmp_path / "CITATIONS.bib"]
    said = ["benchmark", "--detector", "mine", "--original", f"{tmp_path}/a.csv", "--no-audit"]
    said += ["--unseen", f"DFDC={tmp_path}/a.csv", "--card", f"{files[0]}"]
    done = CliRunner().invoke(app, [*said, "--citations", f"{files[1]}"])
    assert done.exit_code == 0, done.output
    assert "Not looked for" in files[0].read_text("utf-8")
    assert "dolhansky2020dfdc" in files[1].read_text("utf-8")
