"""Every check of `.ci/run` has a fault planted for it, and the planting itself can fail."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / ".ci" / "planted_faults.py"


@pytest.fixture(scope="module")
def planted() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted_faults", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("script", "listed"), [("run", "steps"), ("gates", "gates")])
def test_every_step_and_gate_has_a_fault(planted, script, listed) -> None:
    text = (REPOSITORY / ".ci" / script).read_text(encoding="utf-8")
    found = re.search(rf"^{listed}=\((.+)\)$", text, re.M)
    assert found is not None
    checked = {fault.check for fault in planted.FAULTS}
    assert {(f".ci/{script}", name) for name in found[1].split()} <= checked


def test_what_asks_for_pytorch_is_named_after_it_and_so_found_by_its_step() -> None:
    lines = [
        (path, node.name, ast.unparse(node))
        for path in (REPOSITORY / "tests").rglob("*.py")
        if "importorskip" in (text := path.read_text(encoding="utf-8"))
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    asking = {(path.name, name) for path, name, code in lines if "importorskip('torch')" in code}
    assert len(asking) > 8
    assert [one for one in asking if "torch" not in one[1].lower()] == []


@pytest.mark.parametrize("script", ["run", "gates"])
def test_a_name_that_is_none_is_refused(script) -> None:
    done = subprocess.run(
        ["bash", REPOSITORY / ".ci" / script, "sleep"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there are:" in done.stderr


def test_a_file_that_has_changed_is_told_of(planted, tmp_path) -> None:
    (tmp_path / "a").write_text("x", encoding="utf-8")
    with pytest.raises(SystemExit, match="no longer holds what the fault changes: y"):
        planted.replace("a", "y", "z")(tmp_path)


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ([(0, ""), (1, "the fault")], ""),
        ([(1, "why")], "fails without the fault:\nwhy"),
        ([(0, ""), (0, "fine")], "passed unseen:\nfine"),
        ([(0, ""), (1, "other")], "failed without 'the fault':\nother"),
    ],
)
def test_a_check_must_pass_without_and_fail_with_the_fault_and_name_it(
    planted, monkeypatch, tmp_path, capsys, outcomes, told
) -> None:
    left = iter(outcomes)
    monkeypatch.setattr(planted, "try_check", lambda *_: next(left))
    fault = planted.Fault("f", ("check",), lambda _: None, "the fault")
    assert planted.main([fault], tmp_path) == bool(told)
    assert list(left) == []
    assert told in capsys.readouterr().out


def test_a_tree_without_fault_is_checked_once(planted, monkeypatch, tmp_path) -> None:
    seen = []

    def try_check(fault, plant, environment):
        seen.append(plant)
        return (1, "said") if plant else (0, "")

    monkeypatch.setattr(planted, "try_check", try_check)
    faults = [planted.Fault(name, ("check",), lambda _: None, "said") for name in "ab"]
    assert planted.main(faults, tmp_path) == 0
    assert seen == [None, faults[0].plant, faults[1].plant]


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("ruff") is None, reason="needs the extra dev")
@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="needs a checkout")
def test_planted_faults_are_seen() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--environment", sys.prefix, "format", "lint", "docstring"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("seen  ") == 3
