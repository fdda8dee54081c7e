"""The lists that data sets have beside their files: official splits, labels, people, periods.

Each function takes a `Root` and returns `Lists`. What a list says is taken as it is; one that is
not there leaves its columns empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import MAX_BYTES, MAX_TEXT_BYTES, read_regular
from deepfake_generalize.data.layouts.contract import SPLITS, Entry, Fields, Lists, Problem, Root
from deepfake_generalize.data.layouts.scanning import ENDS, Disk, read_json
from deepfake_generalize.data.tables import opened_table, read_header
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.validation import check_choice

_PARTS = ("train", "val", "test")
_ROLES = ("target", "source")
_NEAR = 1e-6
# What the two lists of what is fake when say of a picture.
_KINDS = dict.fromkeys(("true", "visual_modified", "both_modified"), 1) | dict.fromkeys(
    ("false", "real", "audio_modified"), 0
)


def faceforensics(root: Root) -> Lists:
    """Read the official split of FaceForensics++, and which clips are of one source video."""
    places = ("", "splits", "dataset", "dataset/splits")
    folder = _first(root, [f for f in places if f != "dataset"], "train.json val.json test.json")
    stems: dict[str, tuple[str, str]] = {}
    for split in _PARTS if folder else ():
        path = root.path / folder.rpartition("/")[0] / f"{split}.json"
        for a, b in _pairs(path) if path.is_file() else ():
            for stem in (a, b, f"{a}_{b}", f"{b}_{a}"):
                first, _ = stems.setdefault(stem, (split, path.name))
                if first != split:
                    raise DataMismatchError(
                        f"expected the split files in {path.parent} to be disjoint, received {stem}"
                        f" in both {first}.json and {path.name}.",
                        hint="Download dataset/splits from the FaceForensics++ repository again.",
                    )
    conversion = _first(root, places, "conversion_dict.json")
    return Lists(stems=stems, people=_clips(root.path / conversion) if conversion else {})


def _first(root: Root, folders: Any, names: str) -> str:
    """Return the first of the places below a root where one of some files lies, or ""."""
    paths = (f"{folder}/{name}".lstrip("/") for folder in folders for name in names.split())
    return next((path for path in paths if (root.path / path).is_file()), "")


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


def _clips(path: Path) -> dict[str, str]:
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


_FAKES_IN_VERSION_1 = 795
_TESTED = "List_of_testing_videos.txt"


def celebdf(root: Root, *, version: str | None = None) -> Lists:
    """Read the official test videos of Celeb-DF, and tell its version."""
    if version is not None:
        check_choice("version=", version, ("v1", "v2", "++"), hint="Leave it out to have it told.")
    version, why = (version, "as asked") if version else _version(root)
    own = ("celeb-real", "youtube-real", "celeb-synthesis")
    held = " and ".join(name for name in root.disk.entries(root.path)[0] if name.lower() in own)
    return Lists(
        [*_tested(root.path / _TESTED)],
        dataset="Celeb-DF++" if version == "++" else f"Celeb-DF-{version}",
        told=f"it holds {held}; taken as {version}, {why}",
    )


def _version(root: Root) -> tuple[str, str]:
    fakes = [n for n in root.names if n.lower().startswith("celeb-synthesis/")]
    if any(re.match(r"(?i)[^/]+/(FaceSwap|FaceReenact|TalkingFace)/", name) for name in fakes):
        return "++", "by its folders of methods"
    found = re.search(r"v([12])(?![0-9])", root.path.name.lower())
    if found:
        return f"v{found[1]}", "by the name of the root"
    if len(fakes) >= _FAKES_IN_VERSION_1:
        version = "v1" if len(fakes) == _FAKES_IN_VERSION_1 else "v2"
        return version, f"by its {len(fakes)} fakes"
    return "v2", "since nothing tells the version (version='v1' for the other)"


def _tested(path: Path) -> Iterator[Entry]:
    """Yield our label (1 = fake) of each video in the list, whose own labels are the reverse."""
    for number, line in _lines(path):
        # A folder begins with no space: else a long line of them would be tried in every division.
        found = re.fullmatch(r"([01])\s+([^/\s][^/]*(?:/[^/]+)*)", line)
        if found is None or "/" not in found[2]:
            raise InputError(
                f"expected line {number} of {path} to be '<0|1> <folder>/<file>', received "
                f"{line!r}.",
                hint="Download the list again, or remove it if the official split is not wanted.",
            )
        yield Entry(found[2], {"label": 1 - int(found[1]), "split": "test"}, path.name)


def _lines(path: Path, most: int = MAX_TEXT_BYTES) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text that are not empty, with their numbers; none without the file."""
    if not path.is_file():
        return
    with telling(f"expected to read {path}", hint="Check its permissions."):
        text = read_regular(path, most=most).decode("utf-8-sig", "replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def deeperforensics(root: Root) -> Lists:
    """Read the official split, by names of fakes, from `lists/splits`."""
    stems: dict[str, tuple[str, str]] = {}
    for split in _PARTS:
        for _, line in _lines(root.path / f"lists/splits/{split}.txt"):
            stem = line.split()[0].rpartition("/")[2].removesuffix(".mp4")
            stems[stem] = split, f"{split}.txt"
    return Lists(stems=stems)


def _rows(root: Root, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the lines of the tables in a root whose names fit, by columns in lower case."""
    for file in root.disk.entries(root.path)[1]:
        if re.fullmatch(name, file, re.IGNORECASE):
            with opened_table(root.path / file, ()) as reader:
                for line in reader:
                    texts = {k: v for k, v in line.items() if isinstance(k, str)}
                    yield file, {k.strip().lower(): (v or "").strip() for k, v in texts.items()}


def fakeavceleb(root: Root) -> Lists:
    """Read methods and the faces put in from meta_data.csv: `target1`, where faces are swapped."""
    entries = []
    for file, line in _rows(root, r"meta_?data\.csv"):
        method, source = line.get("method"), line.get("target1")
        fields: Fields = {"method": method or None}
        if re.search("faceswap|fsgan", method or "") and source not in ("-", "", None):
            fields["source_identity"] = source
        # The last column has no name: the folder, which begins with that of the data set.
        below = line.get("", "").partition("/")[2]
        entries.append(Entry(f"{below}/{line.get('path', '')}", fields, file))
    listed = {root.find(entry.name) for entry in entries}
    rest = [n for n in root.names if n.lower().startswith("fakevideo-") and n not in listed]
    note = f"{len(rest)} fakes are in no meta_data.csv, such as {min(rest, default='')}: their "
    note += "method is called fake, and whose face was put in is not known"
    return Lists(entries, notes=[note] if rest else [])


def deepfake_eval(root: Root) -> Lists:
    """Read the labels of the pictures and the parts; what the list calls Unknown has no row."""
    entries, problems = [], []
    for file, line in _rows(root, r"video-metadata-publish.*\.csv"):
        name = f"video-data/{line.get('filename', '')}"
        said = line.get("video ground truth", "").lower()
        if said in ("real", "fake"):
            split = SPLITS.get(line.get("finetuning set", "").lower())
            entries.append(Entry(name, {"label": int(said == "fake"), "split": split}, file))
        elif there := root.find(name):
            reason = f"{file} calls its picture {said!r}, neither real nor fake"
            problems.append(Problem(f"{root.path}/{there}", "unknown", reason))
    note = f"{len(problems)} videos that its list calls neither real nor fake have no row"
    return Lists(entries, problems=problems, notes=[note] if problems else [])


def deepspeak(root: Root) -> Lists:
    """Read people, engines and the split of the people from the annotations."""
    splits = {
        line.get("identity", ""): SPLITS.get(line.get("split", "").lower())
        for _, line in _rows(root, r"annotations-split-def\.csv")
    }
    said: dict[str, Entry] = {}
    for file, line in _rows(root, r"annotations-fake\.csv"):
        fields: Fields = {f"{k}_identity": line.get(f"identity-{k}") for k in _ROLES}
        name = line.get("video-file", "").rpartition("/")[2]
        said[name.lower()] = Entry(name, fields | {"method": line.get("engine")}, file)
    entries = []
    for name in root.names:
        base = name.rpartition("/")[2]
        _, fields, file = said.pop(base.lower(), Entry(name, {}, ""))
        # Real <person>-<recording>, fake <engine>--<person>-<person>--..., or as the list says.
        named = re.match(r"(\d+)-|\w+--(\d+)-(\d+)--", base)
        who = {*(named.groups() if named else ()), *(fields.get(f"{k}_identity") for k in _ROLES)}
        parts = {splits.get(person) for person in who if person}
        # Where the two people of a fake are in two parts, it is in none.
        entries.append(
            Entry(name, {**fields, "split": parts.pop() if len(parts) == 1 else None}, file)
        )
    return Lists([*entries, *said.values()])


def _listed(path: Path) -> list[dict[str, Any]]:
    content = read_json(path)
    if not isinstance(content, list) or not all(
        isinstance(item, dict) and isinstance(item.get("file"), str) for item in content
    ):
        raise InputError(
            f'expected {path} to be a list of objects with the key "file", received other JSON.',
            hint="Download this file again.",
        )
    return content


def _original(item: dict[str, Any]) -> str:
    """Name the clip that a video was made from, which stands for the person."""
    name = str(item.get("original") or item["file"])
    found = re.search(r"(?:^|/)(id\d+)/", name)
    return found[1] if found else name.rpartition("/")[2].rpartition(".")[0]


def lavdf(root: Root) -> Lists:
    """Read metadata.json of LAV-DF, its fakes with the frames that are fake."""
    file = _first(root, [""], "metadata.min.json metadata.json")
    return _timed(root, [("", file)] if file else [])


def avdeepfake1m(root: Root) -> Lists:
    """Read the metadata of AV-Deepfake1M(++), its fakes with the frames that are fake."""
    files = [(part, f"{part}_metadata.json") for part in ("train", "val")]
    return _timed(root, [(part, file) for part, file in files if (root.path / file).is_file()])


def _timed(root: Root, files: Sequence[tuple[str, str]]) -> Lists:
    """Read lists of what is fake when; each with the part that it is of, or "" where it says it."""
    entries, problems = [], []
    for part, file in files:
        for item in _listed(root.path / file):
            names = [f"{part}/{item['file']}".lstrip("/"), item["file"]]
            name = next((name for name in names if root.find(name)), names[0])
            kind = str(item.get("modify_type", item.get("modify_video"))).lower()
            if kind not in _KINDS:
                reason = f"{file} says {kind!r} of it, not whether its picture is fake"
                problems.append(Problem(f"{root.path}/{name}", "unknown", reason))
                continue
            sound = item.get("modify_audio") or kind in ("audio_modified", "both_modified")
            fields: Fields = {
                "label": _KINDS[kind],
                "split": SPLITS.get(part or str(item.get("split"))),
                "target_identity": _original(item),
                "method": item.get("video_model"),
                "audio": "Fake" if sound else "Real",
            }
            # A picture that is real may have periods all the same: those of the sound.
            keys = ("visual_fake_segments", "fake_periods") if _KINDS[kind] else ()
            for periods in filter(None, map(item.get, keys)):
                fields["fake_frames"] = fake_frames(periods, _rate(item))
            entries.append(Entry(name, fields, file))
    return Lists(entries, problems=problems)


def _rate(item: dict[str, Any]) -> float:
    """Return the frames a second of a video, 25 where its list does not tell."""
    frames, seconds = item.get("video_frames"), item.get("duration")
    known = all(isinstance(value, (int, float)) and value > 0 for value in (frames, seconds))
    return float(frames / seconds) if known else 25.0  # type: ignore[operator]


def fake_frames(periods: object, fps: float) -> str | None:
    """Turn periods in seconds, pairs of begin and end, into frames, such as "12-40;70-95"."""
    spans = []
    for period in periods if isinstance(periods, list) else ():
        match period:
            case [int() | float() as begin, int() | float() as end]:
                first, last = math.floor(begin * fps + _NEAR), math.ceil(end * fps - _NEAR)
                spans.append(f"{first}-{max(first + 1, last)}")
    return ";".join(spans) or None


def forgerynet(root: Root) -> Lists:
    """Read the image lists of ForgeryNet: path, label, and the number of the method."""
    entries = []
    for part in root.disk.entries(root.path)[0]:
        split = SPLITS.get(part.lower())
        for place in ("image_list.txt", "image/image_list.txt") if split else ():
            for number, line in _lines(root.path / part / place, MAX_BYTES):
                found = re.fullmatch(r"(\S.*?)\s+([01])\s+\d+\s+(\d+)", line)
                if found is None:
                    if number == 1:
                        continue  # A header.
                    raise InputError(
                        f"expected line {number} of {root.path / part / place} to be '<path> "
                        f"<0|1> <0-2> <0-15>', received {line!r}.",
                        hint="Download the list again.",
                    )
                fields = {"label": int(found[2]), "method": f"method_{found[3]}", "split": split}
                entries.append(Entry(f"{part}/image/{found[1]}", fields, f"{part}/{place}"))
    return Lists(entries)


def wilddeepfake(root: Root) -> Lists:
    """Tell of the archives that are not unpacked yet."""
    problems = [
        Problem(f"{folder}/{name}", "unknown", "a packed archive: see data.unpack_archives")
        for folder in root.disk.subfolders(root.path).values()
        for name in root.disk.entries(folder)[1]
        if name.endswith(ENDS) and name.partition(".")[0] not in root.disk.entries(folder)[0]
    ]
    return Lists(problems=problems)


_METADATA, _PREVIEW, _LABELS = "metadata.json", "dataset.json", "labels.csv"
_LIST_FILES = (_METADATA, _PREVIEW, _LABELS)

_WORDS = {"REAL": 0, "FAKE": 1}
_FLAGS = {"0": 0, "1": 1}
_CSV_COLUMNS = {"filename", "label"}


def is_dfdc(disk: Disk, root: Path) -> bool:
    """Say whether the root is a part of DFDC, or holds parts."""
    return any(_is_list(path) for path in _files(disk, root))


def dfdc(root: Root) -> Lists:
    """Read the lists of one part of the Deepfake Detection Challenge, or of several.

    The training parts do not say who is in a video. The clip that a fake was made from is all that
    is known, so it stands in for the person: a fake's `target_identity` is the stem of its
    original, an original's its own. Groups made from it keep a fake and its original together; they
    do not keep one actor's several originals together. The preview names its actors, the test set
    nobody. Source: Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset" (2020), and
    "The Deepfake Detection Challenge (DFDC) Preview Dataset" (2019).
    """
    found = _files(root.disk, root.path)
    files = [path for path in found if _is_list(path)] or found
    entries = []
    for path in files:
        below, file = (
            path.parent.relative_to(root.path).as_posix(),
            f"{path.parent.name}/{path.name}",
        )
        folder = "" if below == "." else f"{below}/"
        entries += [Entry(folder + name, fields, file) for name, fields in _read_list(path)]
    return Lists(entries, told=_told_dfdc(root.path, files))


def _files(disk: Disk, root: Path) -> list[Path]:
    # Two levels: an archive unpacked into a folder of its own has its part inside that.
    outer = list(disk.subfolders(root).values())
    folders = [root, *outer, *(inner for f in outer for inner in disk.subfolders(f).values())]
    places = [(folder, name) for folder in folders for name in _LIST_FILES]
    return [folder / name for folder, name in places if name in disk.entries(folder)[1]]


def _told_dfdc(root: Path, lists: list[Path]) -> str:
    places = ["itself" if path.parent == root else path.parent.name for path in lists]
    shown = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
    names = " and ".join(sorted({path.name for path in lists})) or "no list"
    return f"{names} lies in {len(lists)} of its folders ({shown})"


def _is_list(path: Path) -> bool:
    """Say whether a file may be meant as one of DFDC's: its form is right, or it is damaged."""
    if not path.is_file():
        return False
    if path.name == _LABELS:
        return set(read_header(path, _CSV_COLUMNS)) >= _CSV_COLUMNS
    try:
        content = read_json(path)
    except InputError:
        return True
    return isinstance(content, dict) and any(
        isinstance(entry, dict) and bool({"label", "is_fake"} & set(entry))
        for entry in content.values()
    )


def _read_list(path: Path) -> Iterator[tuple[str, Fields]]:
    """Yield what a list says of each video that it names below its folder, sorted."""
    if path.name == _LABELS:
        yield from sorted(_read_labels(path), key=lambda row: (row[0], row[1]["label"]))
        return
    of_entry = _preview if path.name == _PREVIEW else _trained
    for name, entry in sorted(_entries(path).items()):
        yield name, of_entry(name, _label(path, name, entry), entry)


def _trained(name: str, label: int, entry: dict[str, object]) -> Fields:
    clip = name if not label else entry.get("original")
    stem = clip.rpartition(".")[0] or clip if isinstance(clip, str) else None
    return {"label": label, "target_identity": stem, "split": _text(entry.get("split"))}


def _preview(name: str, label: int, entry: dict[str, object]) -> Fields:
    folder, slash, _ = name.partition("/")
    return {
        "label": label,
        "method": folder if slash else None,
        "target_identity": _text(entry.get("target_id")),
        "source_identity": _text(entry.get("swapped_id")),
        "split": _text(entry.get("set")),
    }


def _label(path: Path, name: str, entry: dict[str, object]) -> int:
    said = entry.get("label", entry.get("is_fake"))
    label = _WORDS.get(str(said).upper(), _FLAGS.get(str(said)))
    if label is None:
        raise InputError(
            f"expected the label of {name} in {path} to be REAL or FAKE, received {said!r}.",
            hint="Unpack this part of DFDC again, or correct the entry.",
        )
    return label


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int)) and str(value) else None


def _entries(path: Path) -> dict[str, dict[str, object]]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise InputError(
            f'expected {path} to map file names to objects such as {{"label": "FAKE"}}, received '
            "other JSON.",
            hint="Unpack this part of DFDC again, or name another layout.",
        )
    return content


def _read_labels(path: Path) -> Iterator[tuple[str, Fields]]:
    with opened_table(path, _CSV_COLUMNS) as reader:
        if not set(reader.fieldnames or ()) >= _CSV_COLUMNS:
            raise InputError(
                f"expected {path} to have the columns filename and label, received "
                f"{', '.join(reader.fieldnames or ()) or 'none'}.",
                hint="Download the file again, or name another layout.",
            )
        for entry in reader:
            name, said = ((entry[key] or "").strip() for key in ("filename", "label"))
            if not name or said not in _FLAGS:
                raise InputError(
                    f"expected a file name and 0 (real) or 1 (fake) on line {reader.line_num} of "
                    f"{path}, received {name!r} and {said!r}.",
                    hint="Download the file again, or correct the line.",
                )
            yield name, {"label": _FLAGS[said], "split": "test"}
