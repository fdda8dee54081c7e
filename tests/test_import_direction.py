"""Data flows one way through the rooms, and so do imports."""

import ast
from pathlib import Path

import pytest

import deepfake_generalize

PACKAGE = Path(deepfake_generalize.__file__).parent
SHARED = {"errors", "machine", "notes", "types", "validation"}
MAY_IMPORT = {
    "data": set(),
    "models": {"data"},
    "augment": {"data", "models"},
    "metrics": set(),
    "interpret": {"data", "models", "augment"},
    "causal": {"data", "models", "augment"},
    "study": {"data", "models", "augment", "metrics", "interpret", "causal"},
}


def imported_rooms(source: str) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "deepfake_generalize" and len(parts) > 1:
                rooms.add(parts[1])
    return rooms & (MAY_IMPORT.keys() | SHARED | {"cli"})


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_before_it(room: str) -> None:
    for path in sorted((PACKAGE / room).rglob("*.py")):
        found = imported_rooms(path.read_text(encoding="utf-8"))
        assert found <= MAY_IMPORT[room] | SHARED | {room}, path


@pytest.mark.parametrize("module", sorted(SHARED))
def test_what_all_rooms_share_imports_no_room(module: str) -> None:
    source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    assert imported_rooms(source) <= SHARED


def test_the_check_can_fail() -> None:
    assert imported_rooms("from deepfake_generalize import study") == {"study"}
    assert imported_rooms("import deepfake_generalize.cli") == {"cli"}
