"""The versions that the checks install: every dependency has one, and it is one that we allow."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHONS = ["3.11.7", "3.12.1", "3.13.0"]
MACHINES = ["x86_64", "aarch64"]


def lines_of(text: str) -> list[Requirement]:
    wanted = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in wanted if line]


def on(python: str, machine: str) -> dict[str, str]:
    return default_environment() | {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "platform_machine": machine,
        "sys_platform": "linux",
    }


def wrong(declared: list[Requirement], pins: list[Requirement], where: dict[str, str]) -> list[str]:
    """Say of what is declared which has no pin there, or several, or one out of its bounds."""
    found = []
    for each in declared:
        name = canonicalize_name(each.name)
        versions = [
            pin.specifier
            for pin in pins
            if canonicalize_name(pin.name) == name
            and (pin.marker is None or pin.marker.evaluate(where))
        ]
        exact = [re.fullmatch(r"==([\w.]+)", str(one)) for one in versions]
        if len(exact) != 1 or exact[0] is None or exact[0][1] not in each.specifier:
            found.append(f"{each}: {[str(one) for one in versions]}")
    return found


def declared() -> list[Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    return [Requirement(one) for one in asked]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_within_its_bounds(python: str, machine: str) -> None:
    pins = lines_of((REPOSITORY / ".ci" / "constraints.txt").read_text("utf-8"))
    assert len(declared()) > 30
    assert wrong(declared(), pins, on(python, machine)) == []


def test_what_is_missing_double_or_out_of_bounds_is_told() -> None:
    pins = lines_of("a==1.0\nb==2 ; python_version < '3.12'\nc==1\nc==2\nd>=1")
    where = on("3.12.1", "x86_64")
    asked = [Requirement(one) for one in ("a>=1", "a>=2", "b", "c", "d")]
    assert wrong(asked, pins, where) == [
        "a>=2: ['==1.0']",
        "b: []",
        "c: ['==1', '==2']",
        "d: ['>=1']",
    ]


def test_no_pin_names_an_address() -> None:
    text = (REPOSITORY / ".ci" / "constraints.txt").read_text("utf-8")
    assert "://" not in text
    assert all(not one.extras and one.url is None for one in lines_of(text))


def test_the_commands_of_the_readme_install_what_is_pinned() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    commands = re.findall(r"<!-- command: \w+ -->\s*```bash\n(.*?)```", text, re.S)
    assert len(commands) == 2
    assert all("pip install --quiet -c .ci/constraints.txt " in one for one in commands)
