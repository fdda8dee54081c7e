"""FaceForensics++ and DeepFakeDetection (DFD), as their download script lays them out in one root.

Source: Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images" (ICCV 2019),
and the README of its data set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from deepfake_generalize.data.layouts.manifest import (
    REAL,
    Problem,
    Reading,
    VideoRow,
    as_names,
    check_present,
    choose_methods,
)
from deepfake_generalize.data.layouts.scanning import read_json, walk_videos
from deepfake_generalize.errors import DataMismatchError, InputError

LOOKS_FOR = "a folder original_sequences or manipulated_sequences"
CHOICES = ("methods", "compression")
OWN_FOLDERS = frozenset({"original_sequences", "manipulated_sequences", "splits", "dataset"})

_SEQUENCES = ("original_sequences", "manipulated_sequences")
_COMPRESSIONS = {"raw": "raw", "c0": "raw", "c23": "c23", "c40": "c40"}
_SPLITS = ("train", "val", "test")
_CONVERSION = "conversion_dict.json"
# Frames, crops and masks lie beside the videos, often millions of files: never entered.
_BESIDE = frozenset({"masks", "frames", "images", "landmarks", "faces"})
_DFD = "DeepFakeDetection"
_ACTORS = "actors"
_PATTERNS = {  # by whether it is DFD's, and whether it is a fake
    (False, False): re.compile(r"(?P<target>\d{3})", re.ASCII),
    (False, True): re.compile(r"(?P<target>\d{3})_(?P<source>\d{3})", re.ASCII),
    (True, False): re.compile(r"(?P<target>\d{2})__.+", re.ASCII),
    (True, True): re.compile(r"(?P<target>\d{2})_(?P<source>\d{2})__.+__\w{8}", re.ASCII),
}
_UNPLACED = (
    "not where FaceForensics++ and DFD keep videos "
    "(<sequences>/<method>/<raw|c0|c23|c40>/videos/), or not named like one of theirs"
)


def recognise(root: Path) -> bool:
    """Say whether the root has the folders of FaceForensics++."""
    return any((root / name).is_dir() for name in _SEQUENCES)


def read(
    root: Path,
    *,
    methods: str | Sequence[str] | None = None,
    compression: str | Sequence[str] | None = None,
) -> Reading:
    """Read a root of FaceForensics++, of DFD, or of both.

    `methods` are manipulations to keep, by the names of their folders, beside the originals of the
    same data set (FF++ or DFD); `real` alone keeps originals only. `compression` are levels to
    keep: `raw` (or `c0`), `c23`, `c40`. None keeps all. Where `conversion_dict.json` of the data
    set's repository lies in the root, in `dataset` or in `splits`, clips that were cut from one
    source video have one identity, the first of their numbers. Among the problems: files of another
    place or name, and videos that the official split names but a folder of videos lacks.

    Raises:
        InputError: A method or level is not there, or a split file is not a list of pairs.
        DataMismatchError: The split files put one identity into two splits.
    """
    present = " and ".join(name for name in _SEQUENCES if (root / name).is_dir())
    reading = Reading(f"it holds {present or 'no sequences'}, as FaceForensics++ and DFD do")
    splits, sources = _read_splits(root), _read_sources(root)
    for parts in walk_videos(root, skip=_BESIDE):
        row = _place(root, parts, splits, sources)
        if row is None:
            reading.problems.append(Problem(str(root.joinpath(*parts)), "unknown", _UNPLACED))
        else:
            reading.rows.append(row)
    rows = choose_methods(reading.rows, methods)
    if compression is not None:
        names = as_names(compression, choice="compression")
        levels = {_COMPRESSIONS.get(name, name) for name in names}
        check_present(levels, {row.compression or "" for row in rows}, choice="compression")
        rows = [row for row in rows if row.compression in levels]
    reading.rows = rows
    reading.problems += _missing(rows, splits)
    return reading


def _place(
    root: Path, parts: tuple[str, ...], splits: dict[str, str], sources: dict[str, str]
) -> VideoRow | None:
    """Return the row of one video, or None where its place or name is not the layout's."""
    # Roots from before DFD have no level between original_sequences and the compression.
    older = parts[0] == _SEQUENCES[0] and len(parts) > 1 and parts[1] in _COMPRESSIONS
    inner = ("youtube", *parts[1:]) if older else parts[1:]
    match inner:
        case (folder, level, "videos", name) if parts[0] in _SEQUENCES and level in _COMPRESSIONS:
            fake = parts[0] == _SEQUENCES[1]
        case _:
            return None
    dfd = folder == (_DFD if fake else _ACTORS)
    stem = name.rpartition(".")[0]
    found = _PATTERNS[dfd, fake].fullmatch(stem)
    if found is None:
        return None
    # Only FaceForensics++ numbers its clips; DFD numbers its actors.
    people = {
        role: number if dfd else sources.get(number, number)
        for role, number in found.groupdict().items()
    }
    return VideoRow(
        path=str(root.joinpath(*parts)),
        dataset="DFD" if dfd else "FF++",
        method=folder if fake else REAL,
        label=int(fake),
        target_identity=people["target"],
        source_identity=people.get("source"),
        compression=_COMPRESSIONS[level],
        split=None if dfd else splits.get(stem),
    )


def _read_sources(root: Path) -> dict[str, str]:
    """Map clips cut from one source video to the first of them; empty without the list."""
    folders = (root, root / "splits", root / "dataset", root / "dataset" / "splits")
    path = next((f / _CONVERSION for f in folders if (f / _CONVERSION).is_file()), None)
    if path is None:
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise InputError(
            f'expected {path} to map clips to source videos, such as {{"000": "NAME 0"}}, received '
            "other JSON.",
            hint="Download it from the FaceForensics++ repository again, or remove it.",
        )
    first: dict[str, str] = {}
    return {
        clip: first.setdefault(source.rpartition(" ")[0] or source, clip)
        for clip, source in sorted(content.items())
    }


def _read_splits(root: Path) -> dict[str, str]:
    """Map the stem of each original and each fake to its official split; empty without files."""
    folders = (root, root / "splits", root / "dataset" / "splits")
    folder = next(
        (f for f in folders if any((f / f"{split}.json").is_file() for split in _SPLITS)), None
    )
    if folder is None:
        return {}
    splits: dict[str, str] = {}
    for split in _SPLITS:
        path = folder / f"{split}.json"
        if not path.is_file():
            continue
        for a, b in _pairs(path):
            for stem in (a, b, f"{a}_{b}", f"{b}_{a}"):
                if splits.setdefault(stem, split) != split:
                    raise DataMismatchError(
                        f"expected the split files in {folder} to be disjoint, received {stem} in "
                        f"both {splits[stem]}.json and {path.name}.",
                        hint="Download dataset/splits from the FaceForensics++ repository again.",
                    )
    return splits


def _pairs(path: Path) -> list[tuple[str, str]]:
    content = read_json(path)
    if not isinstance(content, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        for pair in content
    ):
        raise InputError(
            f'expected {path} to be a list of pairs such as ["953", "974"], received other JSON.',
            hint="Download dataset/splits from the FaceForensics++ repository again.",
        )
    return [(pair[0], pair[1]) for pair in content]


def _missing(rows: Sequence[VideoRow], splits: dict[str, str]) -> list[Problem]:
    """Compare each folder of FF++ videos that is there with the names in the official split."""
    here: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row.dataset == "FF++":
            folder, _, name = row.path.replace("\\", "/").rpartition("/")
            stem, _, suffix = name.rpartition(".")
            here[folder, int(bool(row.label))][stem] = suffix
    problems = []
    for (folder, label), stems in sorted(here.items()):
        suffix = sorted(set(stems.values()))[0]
        expected = (stem for stem in splits if ("_" in stem) == bool(label))
        problems += [
            Problem(
                f"{folder}/{stem}.{suffix}",
                "missing",
                f"the official split names it ({splits[stem]}.json), and it is not in the folder",
            )
            for stem in sorted(expected)
            if stem not in stems
        ]
    return problems
