"""The Deepfake Detection Challenge (DFDC): its training parts, its preview, its test set.

Source: Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset" (2020), and "The
Deepfake Detection Challenge (DFDC) Preview Dataset" (2019).

The training parts do not say who is in a video. The clip that a fake was made from is all that is
known, so it stands in for the person: a fake's `target_identity` is the stem of its original, an
original's its own. Groups made from it keep a fake and its original together; they do not keep one
actor's several originals together. The preview names its actors, the test set nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake_generalize.data.layouts.dfdc_lists import LIST_FILES, Listed, is_list, read_list
from deepfake_generalize.data.layouts.filters import REAL
from deepfake_generalize.data.layouts.manifest import Problem, Reading, VideoRow
from deepfake_generalize.data.layouts.scanning import subfolders, walk_videos

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

LOOKS_FOR = (
    "metadata.json (training parts), dataset.json (preview) or labels.csv (test) beside the "
    "videos, in the root or in its folders"
)
CHOICES = ()
OWN_FOLDERS: frozenset[str] = frozenset()

_LEVEL = "videos"
_BESIDE = frozenset({"frames", "images", "landmarks", "faces"})


def recognise(root: Path) -> bool:
    """Say whether the root is a part of DFDC, or holds parts."""
    return any(is_list(path) for path in _lists(root))


def read(root: Path) -> Reading:
    """Read one part of DFDC, or a root that holds several.

    Args:
        root: A folder with a list (metadata.json, dataset.json or labels.csv), or the folder around
            such folders. The videos lie where the list says, or in a folder `videos` put between.

    Returns:
        The videos. Fakes of the preview have the method `method_A` or `method_B`, others `fake`.
        Among the problems: names in a list that are not on disk, videos that no list names, and
        videos that two lists label differently.

    Raises:
        InputError: A list is not of DFDC's form.
    """
    lists = [path for path in _lists(root) if is_list(path)] or _lists(root)
    reading = Reading(_told(root, lists))
    on_disk = {str(root.joinpath(*parts)) for parts in walk_videos(root, skip=_BESIDE)}
    rows: dict[str, VideoRow] = {}
    for path in lists:
        for listed in read_list(path):
            row = _row(_where(path.parent, listed.name, on_disk), listed)
            if row.path not in on_disk:
                reason = f"{path.parent.name}/{path.name} names it, and it is not on disk"
                reading.problems.append(Problem(row.path, "missing", reason))
            elif rows.setdefault(row.path, row).label != row.label:
                reason = f"{path.name} contradicts another list about its label, which was taken"
                reading.problems.append(Problem(row.path, "mismatch", reason))
    reading.rows = list(rows.values())
    names = ", ".join(LIST_FILES)
    reading.problems += [
        Problem(path, "unknown", f"no list ({names}) names it, so its label is not known")
        for path in sorted(on_disk - rows.keys())
    ]
    return reading


def _lists(root: Path) -> list[Path]:
    # Two levels: an archive unpacked into a folder of its own has its part inside that.
    outer = list(subfolders(root).values())
    folders = [root, *outer, *(inner for f in outer for inner in subfolders(f).values())]
    places = [folder / name for folder in folders for name in LIST_FILES]
    return [place for place in places if place.is_file()]


def _told(root: Path, lists: list[Path]) -> str:
    places = ["itself" if path.parent == root else path.parent.name for path in lists]
    shown = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
    names = " and ".join(sorted({path.name for path in lists})) or "no list"
    return f"{names} lies in {len(lists)} of its folders ({shown})"


def _where(folder: Path, name: str, on_disk: Collection[str]) -> str:
    """Return where a listed video is, or where the list says it should be."""
    first, slash, rest = name.partition("/")
    inserted = folder / first / _LEVEL / rest if slash else folder / _LEVEL / name
    places = [str(folder / name), str(inserted)]
    return next((place for place in places if place in on_disk), places[0])


def _row(path: str, listed: Listed) -> VideoRow:
    return VideoRow(
        path=path,
        dataset="DFDC",
        method=(listed.method or "fake") if listed.label else REAL,
        label=listed.label,
        target_identity=listed.target,
        source_identity=listed.source,
        split=listed.split,
    )
