"""Find the videos under a root, in whichever layout they are."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from deepfake_generalize.data.layouts import folders
from deepfake_generalize.data.layouts.catalogue import LAYOUTS
from deepfake_generalize.data.layouts.contract import Layout, compiled
from deepfake_generalize.data.layouts.manifest import (
    LayoutWarning,
    Problem,
    Reading,
    to_frame,
)
from deepfake_generalize.data.layouts.problems import counts_of, left_out
from deepfake_generalize.data.layouts.scanning import Disk, walk_videos
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.validation import check_choice, describe

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

    Nothing is decoded: a zero-byte video is listed, and extraction reports it. A video is known by
    the suffix of its name, in either case, or by its first bytes where the name has none that is
    known. Hidden files are left out; links are followed.

    Args:
        root: The folder of a data set as downloaded (or, for `csv`, the file).
        layout: A name of `data.layouts()`, which says what each needs, or `auto`: the one whose
            marks the root has. With `auto` a root may also be the folder around several data sets,
            each in a folder of its own or one further down: all that are recognised are read. Marks
            of several layouts in one and the same folder are refused; a root without any is read as
            `unlabelled` (all videos under the folder, with label and method NA: their faces can be
            cut and scored), with a warning.
        strict: Raise where files are missing or could not be placed, instead of warning.
        **choices: What to keep, or how to read: `methods=` and `compression=` (names to keep beside
            all originals), `version=` (of Celeb-DF), `reals=` (a root with the real videos of a
            data set that ships none: FaceForensics++ for DeeperForensics-1.0, Celeb-DF for DFDM).
            Which layout takes which, `data.layouts()` says. None where there are several data sets
            of different layouts.

    Returns:
        One row a video, sorted by path, with the columns path (absolute), dataset, method (`real`
        for an original), label (int64, 1 = fake; Int64 where some are not known),
        target_identity, source_identity, compression and split (pandas strings; NA where unknown;
        source NA for originals), and behind them what other columns a CSV file has. For DFDC, which
        names nobody, target_identity is the clip: a fake's original's stem, or an original's own.

        `.attrs` holds `layout` (its name; of several data sets the names, joined by " + "),
        `recognised_by` (a sentence for each data set, which says what was recognised and why),
        `notes` (sentences on what a data set has not: official splits, real videos) and
        `problems`: a list of dicts with path, status (`missing`: named by a list, not on disk;
        `unknown`: nothing tells its label, or it is no video; `mismatch`: list and folder, or two
        folders, contradict each other, or it is a file that was read already) and reason.

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
    found = _find(root, layout, choices, strict=strict)
    if found is None:
        raise _unrecognised(Path(root), _offered(pictures=False), ())
    folder, name = found.folder, found.frame.attrs["layout"]
    if name == "unlabelled" != layout:
        warnings.warn(
            f"{folder} has no marks of a known layout, such as folders real and fake: its "
            f"{len(found.frame)} videos are listed without a label. Their faces can be cut and "
            "scored, not learned from or measured on; layout='unlabelled' says that this is meant.",
            LayoutWarning,
            stacklevel=2,
        )
    if found.problems:
        _report(folder, name, found.problems, strict=strict)
    return found.frame


def find_pictures(root: Path, layout: str = "auto", **choices: Any) -> pd.DataFrame | None:
    """List face crops as `find_videos` does videos, with their videos, frames, masks and landmarks.

    None where `layout` is "auto" and no layout of crops is recognised.
    """
    found = _find(root, layout, choices, strict=False, pictures=True)
    if found is None:
        return None
    if found.problems:
        _report(found.folder, found.frame.attrs["layout"], found.problems, strict=False)
    return found.frame


def survey(root: Path) -> list[dict[str, Any]]:
    """Say of each data set under a root, of videos and of crops, what is there and what is not.

    Keys: place, layout, reads, real, fake, missing, unknown, mismatch (numbers of files) and notes.
    """
    disk, told = Disk(), []
    for pictures in (False, True):
        for place in find_places(disk, root, _offered(pictures=pictures)):
            reading = _read(disk, place, {})
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
                    "notes": notes_on(place, reading),
                }
            )
    return told


class _Found(NamedTuple):
    folder: Path
    frame: pd.DataFrame
    problems: list[Problem]


def _offered(*, pictures: bool) -> dict[str, Layout]:
    return {name: layout for name, layout in LAYOUTS.items() if layout.pictures == pictures}


def _find(
    root: str | os.PathLike[str],
    layout: str,
    choices: Mapping[str, Any],
    *,
    strict: bool,
    pictures: bool = False,
) -> _Found | None:
    """Find the data sets under a root and read them; None where there are none."""
    if not isinstance(root, (str, os.PathLike)):
        raise InputError(
            f"expected the folder of a data set, received {describe(root)}.",
            hint="Pass a str or Path.",
        )
    folder = Path(os.path.normpath(Path(root).expanduser().absolute()))
    disk, offered = Disk(), _offered(pictures=pictures)
    try:
        asked = _layout_of(folder, layout, offered)
        places = [_Place(folder, asked)] if asked else find_places(disk, folder, offered)
        if not places and not pictures and not strict and _unmarked(disk, folder):
            places = [_Place(folder, "unlabelled")]
        if not places:
            return None
        _check_choices(places, choices)
        readings = [_read(disk, place, choices) for place in places]
        problems = _problems(disk, folder, places, readings)
        rows = [row for reading in readings for row in reading.rows]
        unread = left_out({row.path: row.label for row in rows})
    except OSError as error:
        raise InputError(
            f"expected to read {error.filename or folder}: {error.strerror or error}.",
            hint="Check that the disk is there and that you may read it.",
        ) from error
    problems = sorted([*problems, *unread], key=lambda problem: (problem.path, problem.status))
    gone = {problem.path for problem in unread}
    rows = [row for row in rows if row.path not in gone]
    if not rows:
        raise _no_files(folder, places, problems)
    frame = to_frame(rows)
    frame.attrs["layout"] = " + ".join(dict.fromkeys(place.layout for place in places))
    frame.attrs["recognised_by"] = _recognised_by(folder, places, readings)
    frame.attrs["notes"] = [
        note for place, read in zip(places, readings, strict=True) for note in notes_on(place, read)
    ]
    frame.attrs["problems"] = [problem._asdict() for problem in problems]
    return _Found(folder, frame, problems)


def find_places(disk: Disk, root: Path, offered: Mapping[str, Layout]) -> list[_Place]:
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
    return sorted(places[:1] if own else []) + sorted(places[bool(own) :])


def _recognised(
    disk: Disk, folder: Path, offered: Mapping[str, Layout], *, without: str = ""
) -> str | None:
    matching = [
        name
        for name, layout in offered.items()
        if name not in (without, "unlabelled") and layout.recognised(disk, folder)
    ]
    if any(offered[name].named for name in matching):
        # UADFV, too, has folders real and fake; its name says more.
        matching = [name for name in matching if name != "folders"]
    if len(matching) > 1:
        raise _unrecognised(folder, offered, matching)
    return matching[0] if matching else None


def _unmarked(disk: Disk, root: Path) -> bool:
    """Say whether there are videos, and none in a folder of a data set's name."""
    found = walk_videos(root, disk=disk)
    names = {name for parts in found for name in parts[:-1]}
    marks = (LAYOUTS["celebdf"], LAYOUTS["faceforensics"])
    marked = any(
        name.lower() in folders.LABEL_FOLDERS or any(mark.is_own(name) for mark in marks)
        for name in names
    )
    return bool(found) and not marked


def _read(disk: Disk, place: _Place, choices: Mapping[str, Any]) -> Reading:
    layout = LAYOUTS[place.layout]
    own = {name: value for name, value in choices.items() if name != "reals"}
    reading = layout.read(disk, place.root, **own)
    if layout.reals is not None and choices.get("reals") is not None:
        conditions = dict(layout.reals)
        other = LAYOUTS[conditions.pop("layout")]
        reals = [
            row._replace(dataset=layout.title)
            for row in other.read(disk, Path(choices["reals"]).expanduser().absolute()).rows
            if row.label == 0
            and all(compiled(v).fullmatch(getattr(row, k) or "") for k, v in conditions.items())
        ]
        if not reals:
            raise InputError(
                f"expected real videos of {other.title} ({conditions}) in reals=, received none in "
                f"{choices['reals']}.",
                hint=f"Pass a root of {other.title}.",
            )
        reading.rows += reals
    return reading


def notes_on(place: _Place, reading: Reading) -> list[str]:
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


def _problems(
    disk: Disk, root: Path, places: list[_Place], readings: list[Reading]
) -> list[Problem]:
    """Gather the problems of all data sets; what one takes for a stray may be another's."""
    inner = tuple(f"{place.root}{os.sep}" for place in places if place.root != root)
    found = [
        problem
        for place, reading in zip(places, readings, strict=True)
        for problem in reading.problems
        if place.root != root or not problem.path.startswith(inner)
    ]
    pictures = LAYOUTS[places[0].layout].pictures
    if not pictures and all(place.root != root for place in places):
        reason = "it is in none of the data sets recognised under the root"
        skip = frozenset(place.root.name.lower() for place in places)
        strays = (
            "/".join((str(root), *parts)) for parts in walk_videos(root, disk=disk, skip=skip)
        )
        found += [Problem(path, "unknown", reason) for path in strays]
    return found


def _recognised_by(root: Path, places: list[_Place], readings: list[Reading]) -> str:
    if [place.root for place in places] == [root]:
        return readings[0].recognised_by
    return "; ".join(
        f"{place.root.relative_to(root) if place.root != root else root.name} is {place.layout}: "
        f"{reading.recognised_by}"
        for place, reading in zip(places, readings, strict=True)
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
        alone = {".csv": "csv", ".json": "deepfakebench"}.get(root.suffix.lower())
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
    marks = "; ".join(f"{name}: {item.needs}" for name, item in offered.items())
    return InputError(
        f"expected a known layout in {root} or in its folders ({marks}), received a root that "
        f"holds {_contents(root)}.",
        hint="Pass the folder that holds these marks, choose one with layout=, or put the videos "
        "into folders named real and fake.",
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
    what, hint = "videos (.mp4, .mov, .avi and what else FFmpeg decodes)", "face crops"
    if LAYOUTS[places[0].layout].pictures:
        what, hint = "crops (PNG, JPEG, BMP and WebP)", "videos"
    file = "picture" if hint == "videos" else "video"
    if problems:
        found = f"none that could be placed, {counts_of(problems)} ({_examples(problems)})"
    elif root.is_dir():
        found = f"{_contents(root)}; no file that looks like a {file}"
    else:
        found = f"no line with a {file} in {root.name}; no file that looks like a {file}"
    layouts = ", ".join(
        f"layout {name!r} ({LAYOUTS[name].needs})"
        for name in dict.fromkeys(place.layout for place in places)
    )
    return InputError(
        f"expected {what} in {root}, {layouts}, received {found}.",
        hint="Check that the download is complete and that root and layout= are the ones meant; "
        f"folders of {hint} are for {'read_crops' if file == 'video' else 'find_videos'}.",
    )


def _report(root: Path, name: str, problems: list[Problem], *, strict: bool) -> None:
    if strict:
        raise DataMismatchError(
            f"expected {root} to be complete (strict=True, layout {name!r}), received "
            f"{counts_of(problems)}: {_examples(problems)}.",
            hint="Mend the files, or leave strict out to read the rest.",
        )
    warnings.warn(
        f"{root} (layout {name!r}): {counts_of(problems)}; the other videos were read. Each is "
        "listed with its reason in .attrs['problems'] of the result.",
        LayoutWarning,
        stacklevel=3,
    )


def _examples(problems: list[Problem]) -> str:
    lines = "; ".join(f"{p.path} is {p.status}: {p.reason}" for p in problems[:_SHOWN])
    return lines + (f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else "")
