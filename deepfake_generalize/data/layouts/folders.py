"""Anybody's videos: a folder `real` and a folder `fake`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake_generalize.data.layouts.manifest import Problem, Reading, VideoRow
from deepfake_generalize.data.layouts.scanning import subfolders, walk_videos
from deepfake_generalize.data.layouts.selection import REAL, choose_methods

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOOKS_FOR = "a folder real and a folder fake"
CHOICES = ("methods",)

_FAKE = "fake"


def recognise(root: Path) -> bool:
    """Say whether the root has both folders; case does not matter."""
    return {REAL, _FAKE} <= {name.lower() for name in subfolders(root)}


def read(root: Path, *, methods: str | Sequence[str] | None = None) -> Reading:
    """Read the videos in `real` and `fake`, at any depth.

    Args:
        root: The folder around the two; its name becomes the data set's. One of them may be absent.
        methods: Which of the folders in `fake` to keep (`fake`: videos directly in it), beside all
            originals; `real` alone keeps originals only. None keeps all.

    Returns:
        The videos. The method of a fake is the first folder under `fake`, or `fake` without one.
        Videos elsewhere under the root are among the problems.

    Raises:
        InputError: A method is not there.
    """
    here = [name for name in subfolders(root) if name.lower() in (REAL, _FAKE)]
    reading = Reading(f"it holds {' and '.join(here) or 'neither real nor fake'}")
    for parts in walk_videos(root):
        path, top = str(root.joinpath(*parts)), parts[0].lower()
        if len(parts) > 1 and top in (REAL, _FAKE):
            deeper = parts[1] if len(parts) > 2 else _FAKE
            fake = top == _FAKE
            reading.rows.append(VideoRow(path, root.name, deeper if fake else REAL, int(fake)))
        else:
            reason = "it is neither in real nor in fake, so its label is not known"
            reading.problems.append(Problem(path, "unknown", reason))
    reading.rows = choose_methods(reading.rows, methods)
    return reading
