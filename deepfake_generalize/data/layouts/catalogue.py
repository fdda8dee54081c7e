"""The data sets that are known, from the table beside this module, and what lies under a root."""

from __future__ import annotations

import os
import tomllib
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from deepfake_generalize.data.layouts import deepfakebench, lists, own
from deepfake_generalize.data.layouts.contract import (
    BESIDE,
    Layout,
    LayoutWarning,
    Pattern,
    Problem,
    Reading,
    VideoRow,
    compiled,
    counts_of,
    left_out,
    to_frame,
    told_by_folder,
)
from deepfake_generalize.data.layouts.scanning import Disk, walk_files
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.validation import check_choice, check_type

# Whose root is told, or whose files are read, by more than marks and patterns.
_BY_CODE: dict[str, tuple[Callable[..., bool], Callable[..., Reading] | None]] = {
    "csv": (own.recognise_csv, own.read_csv),
    "deepfakebench": (deepfakebench.recognise, deepfakebench.read),
    "dfdc": (lists.is_dfdc, None),
    "folders": (own.recognise_folders, own.read_folders),
}


def _layout(name: str, table: dict[str, Any]) -> Layout:
    skip = frozenset(table.pop("skip", ())) | (frozenset() if "pictures" in table else BESIDE)
    patterns = [
        Pattern(entry.pop("path"), entry.pop("label"), entry) for entry in table.pop("patterns", ())
    ]
    recognise, reader = _BY_CODE.get(table.pop("module", ""), (None, None))
    return Layout(
        name=name,
        beside=skip,
        patterns=patterns,
        lists=getattr(lists, table.pop("lists", ""), None),
        recognise=None if name in FALLBACKS else recognise,
        reader=reader,
        **table,
    )


FALLBACKS = ("unlabelled", "image_folder")
"""What a root of videos, or of pictures, is read as that is of no other layout."""

LAYOUTS: dict[str, Layout] = {
    name: _layout(name, table)
    for name, table in tomllib.loads(
        Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    ).items()
}
"""What is known, by the names that `layout=` takes."""


def layouts() -> pd.DataFrame:
    """List the layouts that `find_videos` and `read_crops` read.

    Returns:
        One row a layout, with the columns `layout` (what `layout=` takes), `dataset`, `reads`
        (`videos` or `crops`), `needs` (what marks its root), `splits` (the official split, "none"
        without one), `choices` (further arguments) and `source` (where it is had; empty for
        folders of your own); all strings.

    Examples:
        >>> known = layouts().set_index("layout")
        >>> known.loc["uadfv", ["reads", "splits"]].to_list()
        ['videos', 'none']
    """
    rows = [
        {
            "layout": layout.name,
            "dataset": layout.title,
            "reads": "crops" if layout.pictures else "videos",
            "needs": layout.needs,
            "splits": layout.splits,
            "choices": ", ".join(layout.choices),
            "source": layout.source,
        }
        for layout in LAYOUTS.values()
    ]
    return pd.DataFrame(rows, dtype="string")


_SHOWN = 5


class _Place(NamedTuple):
    root: Path
    layout: str


def find_videos(
    root: str | os.PathLike[str],
    *,
    layout: str = "auto",
    strict: bool = False,
    **choices: Any,
) -> pd.DataFrame:
    """List the videos under a folder with all that their places and names say about them.

    Nothing is decoded. A video is known by the suffix of its name, in either case, or by its first
    bytes where the name has none that is known. Hidden files are left out; links are followed.

    Args:
        root: The folder of a data set as downloaded (or, for `csv`, the file).
        layout: A name of `data.layouts()`, which says what each needs, or `auto`: the one whose
            marks the root has. With `auto` a root may also be the folder around several data sets,
            each in a folder of its own or one further down. Marks of several layouts in one folder
            are refused; a root without any is read as `unlabelled` (with label and method NA), with
            a warning.
        strict: Raise where files are missing or could not be placed, instead of warning.
        **choices: What to keep, or how to read: `methods=` and `compression=` (names to keep beside
            all originals), `version=` (of Celeb-DF), `reals=` (a root with the real videos of a
            data set that ships none: FaceForensics++ for DeeperForensics-1.0, Celeb-DF for DFDM).
            Which layout takes which, `data.layouts()` says.

    Returns:
        One row a video, sorted by path, with the columns path (absolute), dataset, method (`real`
        for an original), label (int64, 1 = fake; Int64 where some are not known),
        target_identity, source_identity, compression and split (pandas strings; NA where unknown;
        source NA for originals), and behind them what other columns a CSV file has.

        `.attrs` holds `layout` (several joined by " + "), `recognised_by` (what was recognised and
        why), `notes` (what a data set has not) and `problems`: a list of dicts with path, status
        (`missing`: named by a list, not on disk; `unknown`: nothing tells its label, or it is no
        video; `mismatch`: list and folder, or two folders, contradict each other, or it is a file
        that was read already) and reason.

    Raises:
        InputError: The root is not there, is of no layout or of several, or has no videos; or a
            choice is not one of the layout's.
        DataMismatchError: `strict`, and there are problems.

    Warns:
        LayoutWarning: There are problems; once, with their numbers. Nothing tells any label.

    Examples:
        >>> import tempfile, pathlib
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("real/004.mp4", "fake/FaceSwap/004_982.mp4"):
        ...     (root / name).parent.mkdir(parents=True)
        ...     (root / name).touch()
        >>> find_videos(root)[["method", "label"]].to_dict("list")
        {'method': ['FaceSwap', 'real'], 'label': [1, 0]}
    """
    frame = _find(root, layout, choices, strict=strict)
    if frame.attrs["layout"] == "unlabelled" != layout:
        warnings.warn(
            f"{root} has no marks of a known layout, such as folders real and fake: its "
            f"{len(frame)} videos are listed without a label. Their faces can be cut and scored, "
            "not learned from or measured on; layout='unlabelled' says that this is meant.",
            LayoutWarning,
            stacklevel=2,
        )
    return frame


def find_pictures(root: Path, layout: str = "auto", **choices: Any) -> pd.DataFrame:
    """List face crops as `find_videos` does videos; by default they are an `image_folder`."""
    return _find(root, layout, choices, pictures=True)


def survey(root: Path) -> list[dict[str, Any]]:
    """Say of each data set under a root, of videos and of crops, what is there and what is not.

    Keys: place, layout, reads, real, fake, missing, unknown, mismatch (numbers of files), notes,
    and problems, each with its path, status and reason.
    """
    if not root.is_dir():
        raise InputError(
            f"expected a folder of data sets, received {root}, which is none.",
            hint="Check the path.",
        )
    disk, told = Disk(), []
    for pictures in (False, True):
        for place in _find_places(disk, root, _offered(pictures=pictures)):
            reading = _read(disk, place)
            labels = Counter(row.label for row in reading.rows)
            counts = Counter(problem.status for problem in reading.problems)
            told.append(
                {
                    "place": str(place.root),
                    "layout": place.layout,
                    "reads": "crops" if pictures else "videos",
                    "real": labels[0],
                    "fake": labels[1],
                    **{status: counts[status] for status in ("missing", "unknown", "mismatch")},
                    "notes": _notes(place, reading),
                    "problems": [problem._asdict() for problem in reading.problems],
                }
            )
    return told


def _offered(*, pictures: bool) -> dict[str, Layout]:
    return {name: layout for name, layout in LAYOUTS.items() if layout.pictures == pictures}


def _find(
    root: str | os.PathLike[str],
    layout: str,
    choices: Mapping[str, Any],
    *,
    strict: bool = False,
    pictures: bool = False,
) -> pd.DataFrame:
    """Find the data sets under a root, read them and tell of problems."""
    check_type("the folder of a data set", root, (str, os.PathLike), hint="Pass a str or Path.")
    folder = Path(os.path.normpath(Path(root).expanduser().absolute()))
    disk, offered = Disk(), _offered(pictures=pictures)
    try:
        asked = _layout_of(folder, layout, offered)
        places = [_Place(folder, asked)] if asked else _find_places(disk, folder, offered)
        if not places and (pictures or (not strict and _unmarked(disk, folder))):
            places = [_Place(folder, FALLBACKS[pictures])]
        elif not places:
            raise _unrecognised(folder, offered, ())
        _check_choices(places, choices)
        readings = [_read(disk, place, **choices) for place in places]
        rows = [row for reading in readings for row in reading.rows]
        problems = left_out({row.path: row.label for row in rows})
        gone = {problem.path for problem in problems}
        problems += [problem for reading in readings for problem in reading.problems]
        if all(place.root != folder for place in places):
            problems += _strays(disk, folder, pictures=pictures)
    except OSError as error:
        raise InputError(
            f"expected to read {error.filename or folder}: {error.strerror or error}.",
            hint="Check that the disk is there and that you may read it.",
        ) from error
    problems.sort(key=lambda problem: (problem.path, problem.status))
    rows = [row for row in rows if row.path not in gone]
    if not rows:
        raise _no_files(folder, places, problems)
    frame = to_frame(rows)
    told = list(zip(places, readings, strict=True))
    frame.attrs["layout"] = " + ".join(dict.fromkeys(place.layout for place in places))
    frame.attrs["recognised_by"] = _recognised_by(folder, told)
    frame.attrs["notes"] = [note for place, reading in told for note in _notes(place, reading)]
    frame.attrs["problems"] = [problem._asdict() for problem in problems]
    if problems:
        what = "crops" if pictures else "videos"
        _report(folder, frame.attrs["layout"], problems, what, strict=strict)
    return frame


def _find_places(disk: Disk, root: Path, offered: Mapping[str, Layout]) -> list[_Place]:
    """Return the data sets under a root: itself, and those in its folders or one further down."""
    own = _recognised(disk, root, offered)
    places = [_Place(root, own)] if own else []
    waiting = [(root, name) for name in disk.entries(root)[0]]
    for folder, name in waiting:
        if own and folder == root and offered[own].is_own(name):
            continue
        # A table of videos marks a root that the caller points to, not any folder with a table.
        inner = _recognised(disk, folder / name, offered, without="csv")
        if inner is not None and inner != own:
            places.append(_Place(folder / name, inner))
        elif inner is None and folder == root:
            waiting += [(folder / name, below) for below in disk.entries(folder / name)[0]]
    if own == "csv" and len(places) > 1:
        # A table may name the very videos that lie in the folders beside it.
        raise _unrecognised(root, offered, [place.layout for place in places])
    # What is in one of them is none of the others', nor of the one around them.
    disk.closed = {str(place.root) for place in places}
    return sorted(places[:1] if own else []) + sorted(places[bool(own) :])


def _recognised(
    disk: Disk, folder: Path, offered: Mapping[str, Layout], *, without: str = ""
) -> str | None:
    matching = [
        name
        for name, layout in offered.items()
        if name != without and layout.recognised(disk, folder)
    ]
    if any(offered[name].named for name in matching):
        # UADFV, too, has folders real and fake; its name says more.
        matching = [name for name in matching if name != "folders"]
    if len(matching) > 1:
        raise _unrecognised(folder, offered, matching)
    return matching[0] if matching else None


def _unmarked(disk: Disk, root: Path) -> bool:
    """Say whether there are videos, and none in a folder of a data set's name."""
    found = [parts for parts, kind in walk_files(root, disk=disk) if kind == "video"]
    names = {name for parts in found for name in parts[:-1]}
    marks = (LAYOUTS["celebdf"], LAYOUTS["faceforensics"])
    marked = any(
        name.lower() in own.LABEL_FOLDERS or any(mark.is_own(name) for mark in marks)
        for name in names
    )
    return bool(found) and not marked


def _read(disk: Disk, place: _Place, *, reals: str | None = None, **choices: Any) -> Reading:
    layout = LAYOUTS[place.layout]
    reading = layout.read(disk, place.root, **choices)
    if layout.reals is not None and reals is not None:
        reading.rows += _reals(disk, layout, layout.reals, Path(reals).expanduser().absolute())
    return reading


def _reals(disk: Disk, layout: Layout, of: Mapping[str, str], root: Path) -> list[VideoRow]:
    other = LAYOUTS[of["layout"]]
    conditions = {column: form for column, form in of.items() if column != "layout"}
    rows = [
        row._replace(dataset=layout.title)
        for row in other.read(disk, root).rows
        if row.label == 0
        and all(compiled(form).fullmatch(getattr(row, c) or "") for c, form in conditions.items())
    ]
    if not rows:
        raise InputError(
            f"expected real videos of {other.title} ({conditions}) in reals=, received none in "
            f"{root}.",
            hint=f"Pass a root of {other.title}.",
        )
    return rows


def _notes(place: _Place, reading: Reading) -> list[str]:
    """Return what is to be told of a data set: its notes, and which classes and splits it lacks."""
    layout = LAYOUTS[place.layout]
    notes = list(reading.notes)
    labels: dict[str, set[int | None]] = {}
    for row in reading.rows:
        labels.setdefault(row.dataset, set()).add(row.label)
    if layout.source:
        notes += [f"no real videos of {name} are here" for name in labels if labels[name] == {1}]
        if layout.reals and any(found == {1} for found in labels.values()):
            other = LAYOUTS[layout.reals["layout"]].title
            notes.append(f"its real videos are some of {other}: pass that root as reals=")
    if layout.splits == "none":
        notes.append("it has no official split")
    return [f"{place.root.name} ({place.layout}): {note}" for note in notes]


def _strays(disk: Disk, root: Path, *, pictures: bool) -> list[Problem]:
    reason = "it is in none of the data sets recognised under the root"
    kind = "picture" if pictures else "video"
    found = walk_files(root, skip=BESIDE, still=pictures, disk=disk)
    paths = ["/".join((str(root), *parts)) for parts, its_kind in found if its_kind == kind]
    if pictures:
        return told_by_folder(paths, reason)
    return [Problem(path, "unknown", reason) for path in paths]


def _recognised_by(root: Path, told: Sequence[tuple[_Place, Reading]]) -> str:
    if [place.root for place, _ in told] == [root]:
        return told[0][1].recognised_by
    return "; ".join(
        f"{place.root.relative_to(root.parent if place.root == root else root)} is {place.layout}: "
        f"{reading.recognised_by}"
        for place, reading in told
    )


def _layout_of(root: Path, layout: str, offered: Mapping[str, Layout]) -> str | None:
    """Check that the root is there; return the layout that was asked for, None to recognise it."""
    check_choice("layout=", layout, ("auto", *offered), hint="layout='auto' recognises it.")
    if not root.exists():
        raise InputError(
            f"expected a folder of videos, received {root}, which does not exist.",
            hint="Check the path.",
        )
    if root.is_file():
        alone = {".json": "deepfakebench", ".csv": "csv"}.get(root.suffix.lower())
        alone = "csv" if layout == "csv" else alone
        if alone in offered and layout in ("auto", alone):
            return alone
        raise InputError(
            f"expected a folder of videos, received the file {root}.",
            hint="Pass the folder around the data set, or a CSV file with path and label.",
        )
    return None if layout == "auto" else layout


def _unrecognised(root: Path, offered: Mapping[str, Layout], matching: Sequence[str]) -> InputError:
    if matching:
        marks = "; ".join(f"{name}: {offered[name].needs}" for name in matching)
        return InputError(
            f"expected the marks of one layout in {root}, received those of several ({marks}); "
            f"the root holds {_contents(root)}.",
            hint=f"Choose one with layout=, such as layout='{matching[0]}', or give each data set "
            "a folder of its own.",
        )
    return InputError(
        f"expected a known layout in {root} or in its folders, received a root that holds "
        f"{_contents(root)}.",
        hint="Put the videos into folders named real and fake, choose a layout with layout=, or "
        "pass the folder that holds the marks of one: data.layouts() lists them all (docs: "
        "guides/data-sets).",
    )


def _contents(root: Path) -> str:
    with os.scandir(root) as entries:
        names = sorted(e.name + "/" * e.is_dir() for e in entries if not e.name.startswith("."))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"


def _check_choices(places: list[_Place], choices: Mapping[str, object]) -> None:
    if len({place.layout for place in places}) > 1 and choices:
        there = ", ".join(f"{place.root.name} ({place.layout})" for place in places)
        raise InputError(
            f"expected no choices for a root of several data sets ({there}), received "
            f"{', '.join(sorted(choices))}.",
            hint="Pass the folder of one data set, or choose among the rows that come back.",
        )
    name = places[0].layout
    valid = LAYOUTS[name].choices
    unknown = sorted(set(choices) - set(valid))
    if unknown:
        raise InputError(
            f"expected the choices of layout {name!r} ({', '.join(valid) or 'it has none'}), "
            f"received {', '.join(unknown)}.",
            hint="Leave it out, or check its spelling.",
        )


def _no_files(root: Path, places: list[_Place], problems: list[Problem]) -> InputError:
    what, file = "videos (.mp4, .mov, .avi and what else FFmpeg decodes)", "video"
    hint = (
        "Check that the download is complete and that root and layout= are the ones meant; "
        "folders of face crops are for read_crops."
    )
    if LAYOUTS[places[0].layout].pictures:
        what, file = "crops", "picture"
        hint = (
            "Give the folder subfolders real and fake (or train, val and test, each with real and "
            "fake) holding PNG, JPEG, BMP or WebP images, or pass the folder that extract_faces "
            "wrote (docs: guides/my-dataset)."
        )
    found = _contents(root) if root.is_dir() else f"no line with a {file} in {root.name}"
    found += f"; no file that looks like a {file}"
    if problems:
        found = f"none that could be placed, {counts_of(problems)} ({_examples(problems)})"
    needs = {place.layout: LAYOUTS[place.layout].needs for place in places}
    layouts = ", ".join(f"layout {name!r} ({marks})" for name, marks in needs.items())
    return InputError(
        f"expected {what} in {root}, {layouts}, received {found}.",
        hint=hint,
    )


def _report(root: Path, name: str, problems: list[Problem], what: str, *, strict: bool) -> None:
    if strict:
        raise DataMismatchError(
            f"expected {root} to be complete (strict=True, layout {name!r}), received "
            f"{counts_of(problems)}: {_examples(problems)}.",
            hint="Mend the files, or leave strict out to read the rest.",
        )
    warnings.warn(
        f"{root} (layout {name!r}): {counts_of(problems)}; the other {what} were read. Each "
        "is listed with its reason in .attrs['problems'] of the result.",
        LayoutWarning,
        stacklevel=5 if what == "crops" else 4,
    )


def _examples(problems: list[Problem]) -> str:
    lines = "; ".join(f"{p.path} is {p.status}: {p.reason}" for p in problems[:_SHOWN])
    return lines + (f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else "")
