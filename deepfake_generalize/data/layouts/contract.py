"""What a layout is: a table of path patterns, and lists beside the files that say more of them.

`read_layout` reads any of them: a file is placed by the first pattern that its path below the root
has, the lists add what they know, and what neither tells is a problem. Every reader returns a
`Reading`: rows of the video manifest, and what could not be placed.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import pandas as pd

from deepfake_generalize.data.layouts.scanning import Disk, walk_files
from deepfake_generalize.data.manifests import VIDEO_COLUMNS
from deepfake_generalize.errors import InputError

REAL = "real"


class LayoutWarning(UserWarning):
    """Some files under the root are missing, or could not be placed; the rest were read."""


class VideoRow(NamedTuple):
    """One video, as its place on disk and the files beside it describe it; None where unknown."""

    path: str
    dataset: str
    method: str | None
    label: int | None
    target_identity: str | None = None
    source_identity: str | None = None
    compression: str | None = None
    split: str | None = None
    extra: tuple[tuple[str, str], ...] = ()


class Problem(NamedTuple):
    """What the reader could not place, and why.

    `missing`: named by a list, not on disk; `unknown`: on disk, but nothing says what it is;
    `mismatch`: the folder and the list beside it contradict each other.
    """

    path: str
    status: Literal["missing", "unknown", "mismatch"]
    reason: str


@dataclass
class Reading:
    """What one reader found under a root; it grows while the reader walks."""

    recognised_by: str
    rows: list[VideoRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fake_within(fields: Mapping[Any, object]) -> str:
    """Return the frames that a fake is fake in, its `fake_frames`; empty where it is in all."""
    said = fields.get("fake_frames")
    return said if isinstance(said, str) and fields["label"] == 1 else ""


def to_frame(rows: Iterable[VideoRow]) -> pd.DataFrame:
    """Turn rows into the video manifest, sorted by path: all but the label pandas strings."""
    ordered = sorted(rows, key=lambda row: row.path)
    known = pd.DataFrame([row[:-1] for row in ordered], columns=list(VIDEO_COLUMNS), dtype=object)
    names = list(dict.fromkeys(name for row in ordered for name, _ in row.extra))
    values = [{name: value or None for name, value in row.extra} for row in ordered]
    frame = known.join(pd.DataFrame(values, columns=names, index=known.index, dtype=object))
    label = "Int64" if frame["label"].isna().any() else "int64"
    return frame.astype(dict.fromkeys(frame.columns, "string") | {"label": label})


def chosen(
    choice: str, value: str | Sequence[str], present: Iterable[str], words: Mapping[str, str] = {}
) -> set[str]:
    """Return the names in a choice, all of which must be there; `words` are other names of some."""
    names = (value,) if isinstance(value, str) else tuple(value)
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"expected {choice}= to be a name or a list of names, received {value!r}.",
            hint=f"Leave {choice}= out to keep everything.",
        )
    wanted, there = {words.get(name, name) for name in names}, sorted(set(present))
    if absent := sorted(wanted - set(there)):
        raise InputError(
            f"expected {choice}= to be among what the root holds ({', '.join(there) or 'nothing'}),"
            f" received {', '.join(absent)}.",
            hint="Check the spelling, or download what is not there.",
        )
    return wanted


def choose_methods(rows: Sequence[VideoRow], methods: str | Sequence[str] | None) -> list[VideoRow]:
    """Keep the fakes of some methods, and the originals of the data sets they belong to."""
    if methods is None:
        return list(rows)
    wanted = chosen("methods", methods, {row.method for row in rows if row.method} | {REAL})
    datasets = {row.dataset for row in rows if row.method in wanted}
    return [
        row for row in rows if row.method in wanted or (not row.label and row.dataset in datasets)
    ]


def left_out(labels: Mapping[str, int | None]) -> list[Problem]:
    """Say which of these files, given with their labels, are not to be read, and why."""
    problems = []
    places: dict[str, list[str]] = defaultdict(list)
    for path, (real, regular) in _looked_up(sorted(labels)).items():
        if regular:
            places[real].append(path)
        else:
            problems.append(Problem(path, "unknown", "it is no regular file"))
    for first, *others in places.values():
        if len({labels[path] for path in (first, *others)}) > 1:
            reason = "it is one file, linked to from places that call it real and fake: {}"
            names = ", ".join(map(repr, (first, *others)))
            problems += [Problem(p, "mismatch", reason.format(names)) for p in (first, *others)]
        else:
            reason = f"links make it the same file as {first!r}, which was read"
            problems += [Problem(path, "mismatch", reason) for path in others]
    return problems


def counts_of(problems: Iterable[Problem]) -> str:
    """Say how many problems of which status there are."""
    counts = Counter(problem.status for problem in problems)
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))


def told_by_folder(paths: Iterable[str], reason: str) -> list[Problem]:
    """Say of files that are not read how many lie in which folder, a problem a folder."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folder, name = os.path.split(path)
        folders[folder].append(name)
    return [
        Problem(folder, "unknown", f"it holds {len(names)} files such as {min(names)!r}: {reason}")
        for folder, names in sorted(folders.items())
    ]


def _looked_up(paths: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """Map each path to where links lead from it, and to whether a regular file may be there."""
    folders: dict[str, str] = {}
    found = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        real, mode = os.path.join(folders[folder], name), stat.S_IFREG  # noqa: PTH118 - of a str
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                real = os.path.realpath(path)
                mode = os.stat(path).st_mode  # noqa: PTH116 - of a str, once a file
        except (OSError, ValueError):
            mode = stat.S_IFREG
        found[path] = real, stat.S_ISREG(mode)
    return found


Fields: TypeAlias = dict[str, Any]
"""What is known of a file, by the names of the manifest's columns or of others."""

BESIDE = frozenset({"masks", "frames", "images", "landmarks", "faces"})
"""Folders of frames, crops and masks beside videos, often of millions of files: never entered."""

SPLITS: dict[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The split that a folder or a word of this name, in lower case, stands for."""

_WORDS = {
    "split": SPLITS,
    "compression": {"c0": "raw"},
    "gender": {"m": "male", "men": "male", "w": "female", "women": "female"},
}
_FORMS = {"compression": "raw|c0|c23|c40", "split": "|".join((*SPLITS,))}
_IDENTITIES = {"target": "target_identity", "source": "source_identity"}
_HEAD = 1 << 16


class Pattern(NamedTuple):
    """A kind of file of a data set: its path below the root, its label, what is the same for all.

    The root's name may stand before the path, and folders `videos` in it are passed over.
    """

    path: str
    label: int | None
    fixed: Mapping[str, str] = {}


class Entry(NamedTuple):
    """What a list says of a file that it names below the root."""

    name: str
    fields: Fields
    file: str


class Lists(NamedTuple):
    """What the lists beside the files of one root say.

    `stems` is the split by the name without suffix, and the list that says so: a folder with videos
    of a pattern lacks those of its names that are not there. `people` are identities that are those
    of others, `told` what was recognised, `notes` what else is to be told.
    """

    entries: Sequence[Entry] = ()
    stems: Mapping[str, tuple[str, str]] = {}
    people: Mapping[str, str] = {}
    problems: Sequence[Problem] = ()
    dataset: str = ""
    told: str = ""
    notes: Sequence[str] = ()


class Root:
    """The files under a root, found once."""

    def __init__(self, path: Path, layout: Layout, disk: Disk) -> None:
        """Find them."""
        found = walk_files(path, skip=layout.beside, still=layout.pictures, disk=disk)
        kind = "picture" if layout.pictures else "video"
        self.path, self.disk = path, disk
        self.names = ["/".join(parts) for parts, its_kind in found if its_kind == kind]
        self._exact = frozenset(self.names)

    @cached_property
    def _loose(self) -> dict[str, list[str]]:
        loose: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            loose[_loosened(name)].append(name)
        return loose

    def find(self, name: str) -> str | None:
        """Return the name of a file on disk that a list names, with or without `videos`.

        Its name may be in another case, where that leads to one file only.
        """
        if name in self._exact:
            return name
        near = self._loose.get(_loosened(name), [])
        same = [found for found in near if _file(found) == _file(name)]
        return same[0] if same else near[0] if len(near) == 1 else None


def _loosened(name: str) -> str:
    *folders, file = name.lower().split("/")
    return "/".join([*(p for p in folders if p not in ("", "videos")), file])


def _file(name: str) -> str:
    return name.rpartition("/")[2]


@dataclass(frozen=True)
class Layout:
    """A data set as people have it on disk.

    `marks` are alternatives, each of names that the root holds, all of them: regular expressions of
    "name" or "folder/name", in any case; behind "::" stands a word that the head of that file
    holds. `named` is a part of the root's name that is needed besides. `patterns` are tried in
    order; `lists` reads the lists of a root. `whole` says of pictures that each is by itself, and
    no frame of a video. `beside` are folders that are not entered, `own` those that hold no other
    data sets. `reals` is the layout that its real videos are had from, and conditions on their
    rows. `unplaced` is why a file has no row; `recognise` and `reader` stand instead of marks and
    patterns.
    """

    name: str
    title: str
    needs: str
    source: str = ""
    splits: str = "none"
    marks: Sequence[Sequence[str]] = ()
    named: str = ""
    patterns: Sequence[Pattern] = ()
    lists: Callable[..., Lists] | None = None
    pictures: bool = False
    whole: bool = False
    beside: frozenset[str] = frozenset()
    own: Sequence[str] = ()
    reals: Mapping[str, str] | None = None
    notes: Sequence[str] = ()
    choices: Sequence[str] = ("methods", "compression")
    unplaced: str = "not where this data set keeps its files, or not named like one of them"
    recognise: Callable[[Disk, Path], bool] | None = None
    reader: Callable[..., Reading] | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)

    def recognised(self, disk: Disk, root: Path) -> bool:
        """Say whether a root has the marks of this layout."""
        if self.recognise is not None and self.recognise(disk, root):
            return True
        if self.named and not re.search(self.named, root.name, re.IGNORECASE):
            return False
        return any(all(_marked(disk, root, mark) for mark in marks) for marks in self.marks)

    def is_own(self, folder: str) -> bool:
        """Say whether a folder of the root is a part of the data set."""
        firsts = (mark.split("::")[0].split("/")[0] for marks in self.marks for mark in marks)
        return folder.lower() in self.own or any(compiled(f).fullmatch(folder) for f in firsts)

    def read(self, disk: Disk, root: Path, **choices: Any) -> Reading:
        """Read a root of this layout, whether it has the marks or not."""
        if self.reader is not None:
            return self.reader(self, disk, root, **choices)
        return read_layout(self, disk, root, **choices)


@cache
def compiled(path: str) -> re.Pattern[str]:
    """Compile a pattern of the table."""
    path = re.sub(r"(^|/)\*(?=/|$)", r"\1[^/]+", path)
    path = re.sub(r"(^|/)\*\*/", r"\1(?:.*/)?", path)
    path = re.sub(
        r"<(\w+)(?::([^>]*))?>",
        lambda name: f"(?P<{name[1]}>{name[2] or _FORMS.get(name[1], '[^/]+')})",
        path,
    )
    return re.compile(path, re.ASCII | re.IGNORECASE)


def _marked(disk: Disk, folder: Path, mark: str) -> list[str]:
    """Return the names in a folder that have a mark."""
    path, _, word = mark.partition("::")
    first, _, rest = path.partition("/")
    folders, others = disk.entries(folder)
    found = [name for name in (*folders, *others) if compiled(first).fullmatch(name)]
    if rest:
        return [n for n in found if n in folders and _marked(disk, folder / n, rest)]
    if word:
        return [n for n in found if n in others and word.encode() in _head(folder / n)]
    return found


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_HEAD)


def read_layout(
    layout: Layout,
    disk: Disk,
    folder: Path,
    *,
    methods: str | Sequence[str] | None = None,
    compression: str | Sequence[str] | None = None,
    **own: Any,
) -> Reading:
    """Read a root by the patterns and lists of a layout.

    `methods` are manipulations to keep, beside the originals of the same data set, `compression`
    levels to keep. None keeps all; one that is not there raises `InputError`.
    """
    root = Root(folder, layout, disk)
    lists = layout.lists(root, **own) if layout.lists else Lists()
    reading = Reading(lists.told or _told(layout, root), notes=[*layout.notes, *lists.notes])
    reading.problems += lists.problems
    listed = _listed(root, lists, reading)
    skipped = {problem.path for problem in lists.problems}
    places: dict[tuple[str, str], dict[str, VideoRow]] = defaultdict(dict)
    for name in root.names:
        path = f"{folder}/{name}"
        if path in skipped:
            continue
        pattern, fields = _placed(layout, folder, name)
        entry = listed.get(name)
        if fields is None or (fields["label"] is None and entry is None):
            reading.problems.append(Problem(path, "unknown", layout.unplaced))
            continue
        label = fields["label"]
        if entry is not None:
            fields |= {key: value for key, value in entry.fields.items() if value is not None}
            if label is not None and label != fields["label"]:
                reason = (
                    f"{entry.file} and the folder disagree about its label; the folder's was taken"
                )
                reading.problems.append(Problem(path, "mismatch", reason))
                fields["label"] = label
        stem = name.rpartition("/")[2].rpartition(".")[0]
        if stem in lists.stems:
            fields["split"] = lists.stems[stem][0]
        row = _row(layout, path, fields, lists)
        reading.rows.append(row)
        places[path.rpartition("/")[0], pattern][stem] = row
    rows = choose_methods(reading.rows, methods)
    if compression is not None:
        there = {row.compression or "" for row in rows}
        levels = chosen("compression", compression, there, _WORDS["compression"])
        rows = [row for row in rows if row.compression in levels]
    reading.rows = rows
    kept = {row.path for row in rows}
    reading.problems += _lacking(places, kept, lists)
    return reading


def _told(layout: Layout, root: Root) -> str:
    marks = dict.fromkeys(mark for marks in layout.marks for mark in marks)
    held = dict.fromkeys(name for m in marks for name in _marked(root.disk, root.path, m))
    return f"it holds {' and '.join(held) or 'none of its marks'}, the marks of {layout.title}"


def _listed(root: Root, lists: Lists, reading: Reading) -> dict[str, Entry]:
    """Map files to their entries; what is not on disk, or contradicted, is a problem."""
    found: dict[str, Entry] = {}
    found_by = [(root.find(entry.name), entry) for entry in lists.entries]
    # One that names a file in its own case comes before one that does in another.
    for name, entry in sorted(found_by, key=lambda by: _file(by[0] or "") != _file(by[1].name)):
        if name is None or _file(found.get(name, entry).name) != _file(entry.name):
            reason = f"{entry.file} names it, and it is not on disk"
            reading.problems.append(Problem(f"{root.path}/{entry.name}", "missing", reason))
            continue
        first = found.setdefault(name, entry)
        if first.fields.get("label") != entry.fields.get("label"):
            file = entry.file.rpartition("/")[2]
            reason = f"{file} contradicts another list about its label, which was taken"
            reading.problems.append(Problem(f"{root.path}/{name}", "mismatch", reason))
    return found


def _placed(layout: Layout, folder: Path, name: str) -> tuple[str, Fields | None]:
    """Return the pattern of a file and what it says; None where no pattern is its."""
    if not layout.patterns:
        return "", {"label": None}
    below = name.rpartition(".")[0]
    plain = "/".join(part for part in below.split("/") if part.lower() != "videos")
    paths = dict.fromkeys((below, plain, f"{folder.name}/{plain}"))
    for pattern in layout.patterns:
        for found in filter(None, map(compiled(pattern.path).fullmatch, paths)):
            said = found.groupdict()
            fields = {_IDENTITIES.get(k, k): _word(k, v) for k, v in said.items() if v}
            return pattern.path, {"label": pattern.label, **pattern.fixed, **fields}
    return "", None


def _word(column: str, value: str) -> str:
    return _WORDS[column].get(value.lower(), value.lower()) if column in _WORDS else value


def _row(layout: Layout, path: str, fields: Fields, lists: Lists) -> VideoRow:
    fake = fields["label"]
    people = {
        key: lists.people.get(fields[key], fields[key])
        for key in _IDENTITIES.values()
        if fields.get(key)
    }
    if layout.pictures:
        fields = ({"video": path} if layout.whole else picture_of(path)) | fields
    return VideoRow(
        path=path,
        dataset=fields.get("dataset") or lists.dataset or layout.title,
        method=fields.get("method") or "fake" if fake else REAL,
        label=fake,
        target_identity=people.get("target_identity"),
        source_identity=people.get("source_identity") if fake else None,
        compression=fields.get("compression"),
        split=fields.get("split"),
        extra=tuple((k, str(v)) for k, v in fields.items() if k not in VIDEO_COLUMNS),
    )


def picture_of(path: str) -> dict[str, str]:
    """Return the video of a frame, which is its folder, and its number, which is its name."""
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0]
    return {"video": folder} | ({"frame": str(int(stem))} if stem.isdecimal() else {})


def _lacking(
    places: Mapping[tuple[str, str], Mapping[str, VideoRow]], kept: set[str], lists: Lists
) -> list[Problem]:
    """Compare each folder of videos that is there with the names in the official split."""
    problems = []
    for (folder, pattern), rows in sorted(places.items()):
        if not lists.stems or not any(row.path in kept for row in rows.values()):
            continue
        suffix = min(row.path.rpartition(".")[2] for row in rows.values())
        named = compiled(pattern.rpartition("/")[2])
        problems += [
            Problem(
                f"{folder}/{stem}.{suffix}",
                "missing",
                f"the official split names it ({file}), and it is not in the folder",
            )
            for stem, (_, file) in sorted(lists.stems.items())
            if stem not in rows and named.fullmatch(stem)
        ]
    return problems
