"""What the package promises before any of its rooms is used."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import deepfake_generalize as dg

REPOSITORY = Path(__file__).resolve().parents[1]


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"tensorflow", "keras", "mediapipe", "matplotlib", "torch"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_after("import deepfake_generalize")
    assert not loaded & (HEAVY | {"numpy", "pandas", "cv2"})


def test_rooms_that_know_no_network_load_no_tensorflow() -> None:
    rooms = ", ".join(f"deepfake_generalize.{room}" for room in ("data", "metrics", "study"))
    assert not modules_after(f"import {rooms}") & HEAVY


@pytest.mark.slow
def test_no_room_loads_pytorch_unless_it_is_given_a_module() -> None:
    rooms = ", ".join(f"deepfake_generalize.{room}" for room in dg.__all__ if room != "errors")
    assert "torch" not in modules_after(f"import {rooms}")


def test_the_check_for_heavy_imports_can_fail() -> None:
    assert modules_after("import matplotlib") & HEAVY


def test_every_room_is_reachable_and_listed() -> None:
    for room in dg.__all__:
        assert getattr(dg, room).__name__ == f"deepfake_generalize.{room}"
        assert room in dir(dg)


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'registry'"):
        _ = dg.registry


def test_the_oldest_dependencies_that_ci_takes_are_the_lower_bounds() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    bounds = dict(re.sub(r"\[.*\]|,<.*", "", one).split(">=") for one in asked)
    pinned = (REPOSITORY / ".ci" / "oldest.txt").read_text("utf-8")
    assert dict(re.findall(r"^([\w-]+)==([\d.]+\d)", pinned, re.M)) == bounds


def test_the_citation_is_complete_and_of_this_version() -> None:
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    needed = {"cff-version", "message", "title", "authors"}  # By the schema of version 1.2.0.
    assert needed <= set(cited)
    assert cited["cff-version"] == "1.2.0"
    assert (cited["version"], cited["license"]) == (dg.__version__, "Apache-2.0")
    for one in cited["references"]:
        assert {"type", "title", "authors"} <= set(one)


def test_workflows_and_forms_are_read_and_only_publishing_asks_for_a_token() -> None:
    files = sorted((REPOSITORY / ".github").rglob("*.yml"))
    read = {file.name: yaml.safe_load(file.read_text("utf-8")) for file in files}
    jobs = {
        f"{name}: {job}": steps
        for name, flow in read.items()
        for job, steps in flow.get("jobs", {}).items()
    }
    with_token = {name for name, job in jobs.items() if "id-token" in job.get("permissions", {})}
    assert with_token == {"publish.yml: publish", "site.yml: deploy"}
    assert all("environment" in jobs[name] for name in with_token)
    forms = {name: form for name, form in read.items() if "body" in form}
    assert set(forms) == {"bug.yml", "data_set.yml", "question.yml"}
    for form in forms.values():  # GitHub shows no form that lacks one of these.
        assert {"name", "description", "body"} <= set(form)
        assert any(part["type"] != "markdown" for part in form["body"])
