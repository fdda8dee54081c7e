"""Data flows one way through rooms and districts, and so do imports; no room is a heap."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import deepfake_generalize

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "deepfake_generalize"
PACKAGE = Path(deepfake_generalize.__file__).parent
SHARED = {"_system", "_version", "errors", "notebooks", "types", "validation"}
MAY_IMPORT = {
    "metrics": set(),
    "data": {"metrics"},
    "models": {"data"},
    "augment": {"data", "models"},
    "interpret": {"data", "models", "augment", "metrics"},
    "causal": {"data", "models", "augment", "metrics"},
    "study": {"data", "models", "augment", "metrics", "interpret", "causal"},
    "cli": {"data", "models", "augment", "metrics", "interpret", "causal", "study"},
}
# A district imports only those to the left of it in its room.
DISTRICTS = {
    "data": ["layouts", "crops", "video", "faces", "synthetic"],
    "models": ["detectors", "training"],
    "study": ["benchmarking", "experiment", "figures", "report"],
}
# Doors beside a district's own: modules that load TensorFlow, which its door must not.
SIDE_DOORS = {"study.experiment.steps"}
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_ENTRIES = 650, 60, 13
# The house itself and its first and last room, whose folders and files the design names.
MORE_ENTRIES = {"": 18, "data": 17, "study": 14}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {
    module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__main__.py"
}


def handed_on(module: str) -> set[str]:
    """Return the names in a module's `__all__`: a function may bear the name of its module."""
    for node in ast.parse(FILES[module].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


FACES = {module: handed_on(module) for module in FILES if FILES[module].name == "__init__.py"}


def imported(source: str) -> Iterator[str]:
    """Name the package's modules that a source imports, wherever in it and for whatever use."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names]
        else:
            continue
        for base, name in names:
            if base.partition(".")[0] == NAME:
                below = base.partition(".")[2]
                full = f"{below}.{name}".strip(".")
                whole = full in FILES and (not below or name not in FACES.get(below, ()))
                yield full if whole else below


def room_of(module: str) -> str:
    return module.partition(".")[0]


def district_of(module: str) -> str:
    """Return `room.district`, or the room where it has no districts or the module is its own."""
    parts = module.split(".")
    return (
        ".".join(parts[:2])
        if len(parts) > 1 and parts[1] in DISTRICTS.get(parts[0], ())
        else parts[0]
    )


def misdirected(importer: str, target: str) -> str:
    """Say what is wrong with an import, or nothing."""
    room, other = room_of(importer), room_of(target)
    if room in SHARED:
        return "" if other in SHARED else "what all rooms share imports a room"
    if other in MAY_IMPORT and other != room and other not in MAY_IMPORT[room]:
        return "a room imports one that comes after it"
    here, there = district_of(importer), district_of(target)
    if there in MAY_IMPORT or other in SHARED or here == there:
        return ""
    if target != there and target not in SIDE_DOORS:
        return "past a district's door"
    order = DISTRICTS[other]
    if (
        room == other
        and here != room
        and order.index(here[len(room) + 1 :]) < order.index(there[len(room) + 1 :])
    ):
        return "a district imports one that comes after it"
    return ""


def imports() -> Iterator[tuple[str, str]]:
    for module, path in FILES.items():
        for target in imported(path.read_text(encoding="utf-8")):
            if target:
                yield module, target


def test_imports_run_one_way_and_through_the_doors() -> None:
    wrong = {
        f"{module} -> {target}: {why}"
        for module, target in imports()
        if module and (why := misdirected(module, target))
    }
    assert sorted(wrong) == []


def test_every_folder_of_a_room_is_a_district_in_order() -> None:
    for room, order in DISTRICTS.items():
        folders = {path.parent.name for path in (PACKAGE / room).glob("*/__init__.py")}
        assert folders == set(order), room


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module, target in imports():
        # A package's own face is imported with each of its modules, and hands their names on.
        if module and not module.startswith(f"{target}.") and FILES[module].name != "__init__.py":
            graph.setdefault(module, set()).add(target)
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("importer", "target", "why"),
    [
        ("data.crops.manifest", "study", "a room imports one that comes after it"),
        ("metrics.ranking", "data.crops", "a room imports one that comes after it"),
        ("errors", "data", "what all rooms share imports a room"),
        ("models.training.train", "data.crops.manifest", "past a district's door"),
        ("data.splits", "data.crops.manifest", "past a district's door"),
        ("data.crops.manifest", "data.faces", "a district imports one that comes after it"),
        ("cli.app", "study.report.html", "past a district's door"),
    ],
)
def test_each_wrong_direction_is_seen(importer: str, target: str, why: str) -> None:
    assert misdirected(importer, target) == why


def test_right_directions_are_let_pass() -> None:
    assert misdirected("data.splits", "data.crops") == ""
    assert misdirected("data.crops.manifest", "data.crops.images") == ""
    assert misdirected("models.training.train", "data.crops") == ""
    assert misdirected("study.run", "study.experiment.steps") == ""
    assert misdirected("cli.app", "_system.processes") == ""


def test_imports_are_found_however_they_are_written() -> None:
    assert list(imported(f"from {NAME} import study")) == ["study"]
    assert list(imported(f"from {NAME}.study.report import results")) == ["study.report.results"]
    assert list(imported(f"from {NAME}.study import run")) == ["study"]
    assert list(imported(f"def f():\n    import {NAME}.cli")) == ["cli"]
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_no_folder_is_a_heap() -> None:
    for folder in {path.parent for path in FILES.values()}:
        entries = {path.name for path in folder.iterdir()} - {"__init__.py", "__pycache__"}
        where = str(folder.relative_to(PACKAGE)).strip(".")
        assert len(entries) <= MORE_ENTRIES.get(where, MOST_ENTRIES), where


def test_no_module_and_no_function_is_longer_than_one_thought() -> None:
    long = []
    for module, path in FILES.items():
        source = path.read_text(encoding="utf-8")
        if (length := len(source.splitlines())) > MOST_LINES:
            long.append(f"{module}: {length} lines")
        long += [
            f"{module}.{node.name}: {length} lines of code"
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef)
            and (length := code_lines(node)) > MOST_LINES_OF_A_FUNCTION
        ]
    assert long == []


def code_lines(function: ast.FunctionDef) -> int:
    """Count a function's lines without its docstring."""
    first = function.body[0]
    said = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if said else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring
