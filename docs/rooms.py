"""Draw the rooms and who imports whom from the code, for docs/development/architecture.md.

`python docs/rooms.py` prints the drawing; `--write` puts it into the page. A test compares the two.
"""

import ast
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "deepfake_generalize"
PAGE = REPOSITORY / "docs" / "development" / "architecture.md"
ROOMS = ("data", "models", "augment", "metrics", "interpret", "causal", "study", "cli")
HEAVY = ("tensorflow", "keras", "mediapipe", "torch", "matplotlib")
BLOCK = re.compile(r"(?<=<!-- rooms -->\n).*?(?=<!-- /rooms -->)", re.S)


def imports_of(room: str) -> set[str]:
    """Return the rooms that any module of a room imports, anywhere in its code."""
    found = set()
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif names == ["deepfake_generalize"]:
                names = [f"deepfake_generalize.{alias.name}" for alias in node.names]
            found |= {
                name.split(".")[1] for name in names if name.startswith("deepfake_generalize.")
            }
    return found & set(ROOMS) - {room}


def heavy_of(room: str) -> list[str]:
    """Return the heavy libraries that a module of a room imports at its top."""
    found = set()
    for path in (PACKAGE / room).rglob("*.py"):
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
    """Return who imports whom as a matrix, and a table of the rooms."""
    width = max(map(len, ROOMS)) + 2
    head = "imports".ljust(width) + "".join(room.ljust(width) for room in ROOMS[:-1])
    lines = ["```text", head.rstrip()]
    for room in ROOMS:
        found = imports_of(room)
        marks = ("x" if other in found else "." for other in ROOMS[:-1])
        lines.append((room.ljust(width) + "".join(mark.ljust(width) for mark in marks)).rstrip())
    lines += ["```", "", "| room | purpose | loads at the top of a module |", "| --- | --- | --- |"]
    lines += [
        f"| `{room}` | {purpose_of(room)} | {', '.join(heavy_of(room)) or 'nothing heavy'} |"
        for room in ROOMS
    ]
    return "\n".join(["", *lines, "", ""])


if __name__ == "__main__":
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda _: drawing(), text), encoding="utf-8")
    else:
        print(drawing())
