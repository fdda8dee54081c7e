"""Videos of which nothing tells whether they are real: all under a folder."""

from __future__ import annotations

from pathlib import Path

from deepfake_generalize.data.layouts.manifest import Problem, Reading, VideoRow
from deepfake_generalize.data.layouts.scanning import walk_files

LOOKS_FOR = "videos, and no folder that tells which of them are real"
CHOICES = ()
OWN_FOLDERS: frozenset[str] = frozenset()


def recognise(root: Path) -> bool:
    """Say whether there are videos at any depth."""
    return any(found.kind == "video" for found in walk_files(root))


def read(root: Path) -> Reading:
    """Read all videos of a folder, without label and method; the root's name is the data set's."""
    reading = Reading("nothing in it tells which videos are real: they have no label")
    for parts, kind in walk_files(root):
        path = str(root.joinpath(*parts))
        if kind == "video":
            reading.rows.append(VideoRow(path, root.name, None, None))
        elif kind == "unknown":
            reading.problems.append(Problem(path, "unknown", "nothing tells what it is"))
    return reading
