"""The Deepfake Detection Challenge (DFDC): its training parts, its preview, its test set.

Source: Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset" (2020), and "The
Deepfake Detection Challenge (DFDC) Preview Dataset" (2019).

The training parts do not say who is in a video. The clip that a fake was made from is all that is
known, so it stands in for the person: a fake's `target_identity` is the stem of its original, an
original's its own. Groups made from it keep a fake and its original together; they do not keep one
actor's several originals together. The preview names its actors, the test set nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deepfake_generalize.data.layouts.contract import Entry, Fields, Lists, Root
from deepfake_generalize.data.layouts.scanning import Disk, read_json
from deepfake_generalize.data.tables import opened_table, read_header
from deepfake_generalize.errors import InputError

_METADATA, _PREVIEW, _LABELS = "metadata.json", "dataset.json", "labels.csv"
_LIST_FILES = (_METADATA, _PREVIEW, _LABELS)

_WORDS = {"REAL": 0, "FAKE": 1}
_FLAGS = {"0": 0, "1": 1}
_CSV_COLUMNS = {"filename", "label"}


def recognise(disk: Disk, root: Path) -> bool:
    """Say whether the root is a part of DFDC, or holds parts."""
    return any(_is_list(path) for path in _lists(disk, root))


def lists(root: Root) -> Lists:
    """Read the lists of one part of DFDC, or of a root that holds several."""
    found = _lists(root.disk, root.path)
    files = [path for path in found if _is_list(path)] or found
    entries = []
    for path in files:
        below, file = (
            path.parent.relative_to(root.path).as_posix(),
            f"{path.parent.name}/{path.name}",
        )
        folder = "" if below == "." else f"{below}/"
        entries += [Entry(folder + name, fields, file) for name, fields in _read_list(path)]
    return Lists(entries, told=_told(root.path, files))


def _lists(disk: Disk, root: Path) -> list[Path]:
    # Two levels: an archive unpacked into a folder of its own has its part inside that.
    outer = list(disk.subfolders(root).values())
    folders = [root, *outer, *(inner for f in outer for inner in disk.subfolders(f).values())]
    places = [(folder, name) for folder in folders for name in _LIST_FILES]
    return [folder / name for folder, name in places if name in disk.entries(folder)[1]]


def _told(root: Path, lists: list[Path]) -> str:
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
