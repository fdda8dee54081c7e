"""Face crops as DeepfakeBench and DF40 have them: lists in JSON of frames, or trees of frames.

The lists name frames by paths of the machine that made them, in any of its systems' style; they are
looked for near the lists by what follows `rgb`, or from the data set's folder on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deepfake_generalize.data.layouts.contract import (
    REAL,
    SPLITS,
    Fields,
    Layout,
    Problem,
    Reading,
    VideoRow,
    compiled,
    picture_of,
    read_layout,
    told_by_folder,
)
from deepfake_generalize.data.layouts.scanning import Disk, read_json, walk_files
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import check_choice

_BELOW = re.compile(
    r".*/rgb/(.+)|(?:.*?/)?((?:FaceForensics\+\+|Celeb-DF-v[12]|DFDCP?|UADFV|DeeperForensics-1\.0|"
    r"FaceShifter|DF40(?:_train|_test)?)/.+)",
    re.IGNORECASE,
)
_LEVELS = {"raw": "raw", "c0": "raw", "c23": "c23", "c40": "c40"}
_LIST = re.compile(rb'"(?:train|test|val)"\s*:\s*\{')
_HEAD = 1 << 16
_ENDS = {"real": 0, "fake": 1, "synthesis": 1}
_INNER = ("", "/rgb", "/datasets", "/datasets/rgb")


class _Video(NamedTuple):
    """What the lists say of one video: its row, its parts, and its frames with where they lie."""

    fields: Fields | None
    file: Path
    said: tuple[str, str, str]
    official: list[str]
    parts: dict[str, None]
    frames: dict[str, str | None]

    @property
    def split(self) -> str | None:
        """The part that is its official split, None where it is in several."""
        known = [part for part in self.parts if part in self.official]
        return known[0] if len(known) == 1 else None


def recognise(disk: Disk, root: Path) -> bool:
    """Say whether there are lists of frames."""
    return bool(_lists(disk, root))


def read(
    layout: Layout,
    disk: Disk,
    root: Path,
    *,
    split: str = "official",
    frames: str | Path | None = None,
) -> Reading:
    """Read the lists of a root, and where there are none its trees of frames.

    `split` is "official" (the parts of the lists that are the data set's own split; a video in
    several of them has none) or "as-listed" (a row for each part that a frame is in). `frames` is
    the folder that holds the frames, where it is not near the lists.
    """
    check_choice("split=", split, ("official", "as-listed"), hint="'official' has no overlaps.")
    files = [root] if root.is_file() else _lists(disk, root)
    if not files:
        reading = read_layout(layout, disk, root)
        reading.rows = [_with_siblings(disk, row) for row in reading.rows]
        return reading
    near = [root, *root.parents[:3]] if frames is None else [Path(frames).absolute()]
    bases = [f"{place}{inner}" for place in near for inner in _INNER]
    reading = Reading(f"it holds lists of frames ({', '.join(file.name for file in files)})")
    videos = _videos(layout, disk, files, bases)
    as_listed = split == "as-listed"
    for (key, _), video in videos.items():
        _add_rows(reading, disk, _folder(key, video, bases), video, as_listed=as_listed)
    reading.notes += _parts_told(videos.values(), as_listed=as_listed)
    if root.is_dir():
        named = {path for video in videos.values() for path in video.frames.values()}
        reading.problems += _unnamed(layout, disk, root if frames is None else near[0], named)
    return reading


def _videos(
    layout: Layout, disk: Disk, files: Sequence[Path], bases: list[str]
) -> dict[tuple[str, bool], _Video]:
    """Return what the lists say, by the folders of frames and whether the label is unknown."""
    videos: dict[tuple[str, bool], _Video] = {}
    for file in files:
        content = read_json(file)
        for dataset, labels in _items(file, content):
            for label, parts in _items(file, labels):
                for part, records in _items(file, parts):
                    for name, record in _records(file, records):
                        said = (dataset, str(record.get("label", label)), name)
                        video = _video(layout, videos, file, said, record)
                        video.parts[SPLITS.get(part.lower(), part)] = None
                        for path in map(_below, map(str, record["frames"])):
                            if path not in video.frames:
                                video.frames[path] = _place(disk, bases, path)
    return videos


def _unnamed(
    layout: Layout, disk: Disk, place: Path, named: Collection[str | None]
) -> list[Problem]:
    """Tell of the frames that no list names, a problem a folder."""
    walked = walk_files(place, skip=layout.beside, still=True, disk=disk)
    there = ("/".join((str(place), *parts)) for parts, kind in walked if kind == "picture")
    return told_by_folder((path for path in there if path not in named), "no list names them")


def _lists(disk: Disk, root: Path) -> list[Path]:
    """Return the JSON files that list frames, in the root, `dataset_json` or `preprocessing`."""
    inner = disk.subfolders(root)
    folders = [root, *(folder for name, folder in inner.items() if name.startswith("dataset_json"))]
    if "preprocessing" in inner:
        folders += disk.subfolders(inner["preprocessing"]).values()
    names = ((folder, name) for folder in folders for name in disk.entries(folder)[1])
    return [f / n for f, n in names if n.lower().endswith(".json") and _is_list(f / n)]


def _is_list(file: Path) -> bool:
    with file.open("rb") as opened:
        return _LIST.search(opened.read(_HEAD)) is not None


def _items(file: Path, value: object) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise InputError(
            f"expected {file} to hold data set, label, part and videos with frames, received "
            f"{str(value)[:60]!r} where an object belongs.",
            hint="Pass a list that DeepfakeBench's rearrange.py wrote, or remove the file.",
        )
    return list(value.items())


def _records(file: Path, value: object, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield videos with their records: below levels of compression, or one bare record."""
    inner = _items(file, value)
    if isinstance(value, dict) and isinstance(value.get("frames"), list):
        yield name, value
        return
    for key, below in inner:
        yield from _records(file, below, key)


def _below(path: str) -> str:
    """Return what of a path of any machine is below the folder of the data sets."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    found = _BELOW.fullmatch("/" + "/".join(parts))
    return (found[1] or found[2]) if found else "/".join(parts)


def _place(disk: Disk, bases: list[str], path: str) -> str | None:
    if ".." in path.split("/"):
        return None
    return next((f"{base}/{path}" for base in bases if disk.has(f"{base}/{path}")), None)


def _folder(key: str, video: _Video, bases: list[str]) -> str:
    """Return where the frames of a video lie, or would; its list, where that names none."""
    if not video.frames:
        return str(video.file)
    found = next(filter(None, video.frames.values()), None)
    first = key.partition("/")[0]
    near = next((base for base in bases if Path(base, first).is_dir()), bases[0])
    return found.rpartition("/")[0] if found else f"{near}/{key}"


def _label(layout: Layout, label: str) -> tuple[int, str] | None:
    """Return our label and the method of one of theirs: by the table, then by how it ends."""
    method = layout.tables["methods"].get(label.lower())
    if method is not None:
        return 1, method
    found = re.fullmatch(r"(.*?)[-_]?(real|fake|synthesis)", label, re.IGNORECASE)
    if found is None:
        return None
    fake = _ENDS[found[2].lower()]
    return fake, (found[1] or "fake") if fake else REAL


def _video(
    layout: Layout,
    videos: dict[tuple[str, bool], _Video],
    file: Path,
    said: tuple[str, str, str],
    record: dict[str, Any],
) -> _Video:
    """Return the video of a record, known by the folder of its frames."""
    dataset, label, name = said
    fake, method = _label(layout, label) or (None, None)
    folder = _below(str(record["frames"][0])).rpartition("/")[0] if record["frames"] else ""
    key = folder or "/".join((dataset, label, name))
    ff_or_cdf = re.fullmatch(r".+_(ff|cdf)", dataset, re.IGNORECASE)
    other = f"DF40-{ff_or_cdf[1].lower()}" if ff_or_cdf else dataset
    ours, *official = layout.tables["datasets"].get(dataset, (other, *SPLITS.values()))
    form = layout.tables["people"].get(ours)
    found = compiled(form).fullmatch(name or key.rpartition("/")[2]) if form else None
    people = found.groupdict() if found else {}
    fields: Fields | None = {
        "dataset": ours,
        "method": method,
        "label": fake,
        "target_identity": people.get("target"),
        "source_identity": people.get("source") if fake else None,
        "compression": next((_LEVELS[part] for part in key.split("/") if part in _LEVELS), None),
    }
    fields = None if fake is None else fields
    video = videos.setdefault((key, fake is None), _Video(fields, file, said, official, {}, {}))
    if fields and video.fields and video.fields["label"] != fake:
        raise InputError(
            f"expected one label for the frames in {key}, received both in {video.file.name} and "
            f"{file.name}.",
            hint="Remove the list that is wrong.",
        )
    return video


def _add_rows(reading: Reading, disk: Disk, place: str, video: _Video, *, as_listed: bool) -> None:
    if video.fields is None:
        reason = (
            f"{video.file.name} labels it {video.said[1]!r}, which is none of its labels and "
            "does not end in real, fake or synthesis: rename it in the list"
        )
        reading.problems.append(Problem(place, "unknown", reason))
        return
    said = "/".join(filter(None, video.said))
    gone = [path for path, found in video.frames.items() if found is None]
    if gone or not video.frames:
        reason = f"{video.file.name} names {len(video.frames)} frames of {said}"
        if gone:
            reason += f", of which {len(gone)} are not on disk, such as {gone[0]}"
        reading.problems.append(Problem(place, "missing", reason))
    for path in filter(None, video.frames.values()):
        extra = tuple(picture_of(path).items())
        row = _with_siblings(disk, VideoRow(path, **video.fields, extra=extra))
        splits = list(video.parts) if as_listed else [video.split]
        reading.rows += [row._replace(split=part) for part in splits]


def _with_siblings(disk: Disk, row: VideoRow) -> VideoRow:
    """Add the mask and the landmarks of a frame, where they are; FF++ has its masks at c23."""
    before, frames, after = row.path.rpartition("/frames/")
    stem = after.rpartition(".")[0]
    places = (
        ("mask", f"{re.sub('/(raw|c40)$', '/c23', before)}/masks/{stem}.png"),
        ("landmarks", f"{before}/landmarks/{stem}.npy"),
    )
    found = tuple((name, path) for name, path in places if frames and disk.has(path))
    return row._replace(extra=row.extra + found)


def _parts_told(videos: Iterable[_Video], *, as_listed: bool) -> list[str]:
    """Tell of videos that are in several parts, by data set, and what became of their splits."""
    counts = Counter(
        (
            f"{'fake' if video.fields['label'] else 'real'} videos of {video.fields['dataset']}",
            " and ".join(video.parts),
            "all of them" if as_listed else video.split or "none",
        )
        for video in videos
        if len(video.parts) > 1 and video.fields
    )
    return [
        f"{number} {what} are listed in {parts}: their split is {split}"
        for (what, parts, split), number in sorted(counts.items())
    ]
