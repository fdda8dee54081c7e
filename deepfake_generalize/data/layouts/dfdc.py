"""The Deepfake Detection Challenge (DFDC): parts, each with its videos and a metadata.json.

Source: Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset" (2020).

DFDC does not say who is in a video. The clip that a fake was made from is all that is known, so it
stands in for the person: a fake's `target_identity` is the stem of its original, an original's its
own. Groups made from it keep a fake and its original together; they do not keep one actor's several
originals together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake_generalize.data.layouts.manifest import Problem, Reading, VideoRow
from deepfake_generalize.data.layouts.scanning import read_json, subfolders, walk_videos
from deepfake_generalize.data.layouts.selection import REAL
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

LOOKS_FOR = "metadata.json beside the videos, in the root or in its folders (dfdc_train_part_<n>)"
CHOICES = ()

_METADATA = "metadata.json"
_LABELS = {"REAL": 0, "FAKE": 1}


def recognise(root: Path) -> bool:
    """Say whether the root is a part of DFDC, or holds parts."""
    return any(_is_metadata(folder / _METADATA) for folder in _parts(root))


def read(root: Path) -> Reading:
    """Read one part of DFDC, or a root that holds several.

    Args:
        root: A folder with a metadata.json, or the folder around such folders.

    Returns:
        The videos. Among the problems: names in a metadata.json that are not on disk, and videos
        that no metadata.json names.

    Raises:
        InputError: A metadata.json is not of DFDC's form.
    """
    parts = _parts(root)
    names = ", ".join("itself" if part == root else part.name for part in parts[:3])
    more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
    reading = Reading(f"metadata.json lies in {len(parts)} of its folders ({names}{more})")
    on_disk = {str(root.joinpath(*relative)) for relative in walk_videos(root)}
    named: set[str] = set()
    for part in parts:
        for name, entry in sorted(_entries(part / _METADATA).items()):
            row = _row(part, name, entry)
            named.add(row.path)
            if row.path in on_disk:
                reading.rows.append(row)
            else:
                reason = f"{part.name}/{_METADATA} names it, and it is not on disk"
                reading.problems.append(Problem(row.path, "missing", reason))
    reading.problems += [
        Problem(path, "unknown", "no metadata.json beside it names it, so its label is not known")
        for path in sorted(on_disk - named)
    ]
    return reading


def _parts(root: Path) -> list[Path]:
    # Two levels: an archive unpacked into a folder of its own has its part inside that.
    outer = list(subfolders(root).values())
    folders = [root, *outer, *(inner for f in outer for inner in subfolders(f).values())]
    return [folder for folder in folders if (folder / _METADATA).is_file()]


def _is_metadata(path: Path) -> bool:
    """Say whether a file may be meant as DFDC's: its form is right, or it is damaged."""
    if not path.is_file():
        return False
    try:
        content = read_json(path)
    except InputError:
        return True
    return isinstance(content, dict) and any(
        isinstance(entry, dict) and "label" in entry for entry in content.values()
    )


def _entries(path: Path) -> dict[str, dict[str, object]]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise InputError(
            f'expected {path} to map file names to objects such as {{"label": "FAKE"}}, received '
            "other JSON.",
            hint="Unpack this part of DFDC again, or name another layout.",
        )
    return content


def _row(part: Path, name: str, entry: dict[str, object]) -> VideoRow:
    label = _LABELS.get(str(entry.get("label")).upper())
    if label is None:
        raise InputError(
            f"expected the label of {name} in {part / _METADATA} to be REAL or FAKE, received "
            f"{entry.get('label')!r}.",
            hint="Unpack this part of DFDC again, or correct the entry.",
        )
    original, split = entry.get("original"), entry.get("split")
    clip = name if not label else original
    return VideoRow(
        path=str(part / name),
        dataset="DFDC",
        method="fake" if label else REAL,
        label=label,
        target_identity=clip.rpartition(".")[0] or clip if isinstance(clip, str) else None,
        split=split if isinstance(split, str) else None,
    )
