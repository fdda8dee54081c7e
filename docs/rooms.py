"""Draw the rooms and who imports whom from the code, for docs/development/architecture.md.

`python docs/rooms.py` prints the drawing; `--write` puts it into the page. A test compares the two.
"""

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "deepfake_generalize"
PAGE = REPOSITORY / "docs" / "development" / "architecture.md"
ROOMS = ("data", "models", "augment", "metrics", "interpret", "causal", "study", "cli")
HEAVY = ("tensorflow", "keras", "mediapipe", "torch", "matplotlib")
BLOCK = re.compile(r"(?<=<!-- rooms -->\n).*?(?=<!-- /rooms -->)", re.S)


def imports_of(place: str) -> set[str]:
    """Return the rooms (of a room), or the districts of its room (of a district), it imports.

    Args:
        place: "data", or "data/crops".
    """
    found = set()
    for path in (PACKAGE / place).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    folder, depth = PACKAGE / place, place.count("/") + 2
    near = {PACKAGE.parent.joinpath(*name.split(".")[:depth]) for name in found}
    doors = {path for path in near if path.parent == folder.parent and path.is_dir()} - {folder}
    return {str(path.relative_to(PACKAGE)) for path in doors}


def districts_of(room: str) -> list[str]:
    """Return a room's districts, each after those that it imports."""
    doors = (PACKAGE / room).glob("*/__init__.py")
    places = {f"{room}/{door.parent.name}" for door in doors}
    graph = {place: sorted(imports_of(place) & places) for place in sorted(places)}
    return list(TopologicalSorter(graph).static_order())


def heavy_of(room: str) -> list[str]:
    """Return the heavy libraries that a module of a room imports at its top.

    Those called torch_... are loaded when a module of PyTorch is explained, and not with the room.
    """
    found = set()
    paths = (path for path in (PACKAGE / room).rglob("*.py") if path.stem[:6] != "torch_")
    for path in paths:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return sorted(found & set(HEAVY))


def purpose_of(room: str) -> str:
    """Return the first line of a room's docstring."""
    text = (PACKAGE / room / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]


def drawing() -> str:
    """Return who imports whom as a matrix, and tables of the rooms and their districts."""
    width = max(map(len, ROOMS)) + 2
    head = "imports".ljust(width) + "".join(room.ljust(width) for room in ROOMS[:-1])
    lines = ["```text", head.rstrip()]
    for room in ROOMS:
        found = imports_of(room) & set(ROOMS)
        marks = ("x" if other in found else "." for other in ROOMS[:-1])
        lines.append((room.ljust(width) + "".join(mark.ljust(width) for mark in marks)).rstrip())
    lines += ["```", "", "| room | purpose | loads at the top of a module |", "| --- | --- | --- |"]
    lines += [
        f"| `{room}` | {purpose_of(room)} | {', '.join(heavy_of(room)) or 'nothing heavy'} |"
        for room in ROOMS
    ]
    lines += ["", "Districts, each after those it imports:", ""]
    lines += ["| district | behind its door | imports, in its room |", "| --- | --- | --- |"]
    for place in (place for room in ROOMS for place in districts_of(room)):
        near = ", ".join(sorted(name.rpartition("/")[2] for name in imports_of(place)))
        lines.append(f"| `{place}` | {purpose_of(place)} | {near or 'none'} |")
    return "\n".join(["", *lines, "", ""])


if __name__ == "__main__":
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda _: drawing(), text), encoding="utf-8")
    else:
        print(drawing())
