"""Find the videos under a root, in whichever layout they are."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd

from deepfake_generalize.data.layouts import (
    celebdf,
    csv_list,
    dfdc,
    faceforensics,
    folders,
    unlabelled,
)
from deepfake_generalize.data.layouts.manifest import LayoutWarning, Problem, Reading, to_frame
from deepfake_generalize.data.layouts.problems import counts_of, left_out
from deepfake_generalize.data.layouts.scanning import subfolders, walk_videos
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.validation import check_choice, describe

_SHOWN = 5


class _Place(NamedTuple):
    root: Path
    layout: str


# Each defines recognise, read, LOOKS_FOR (a phrase), CHOICES (arguments of read) and OWN_FOLDERS
# (names in lower case).
_LAYOUTS: dict[str, ModuleType] = {
    "faceforensics": faceforensics,
    "celebdf": celebdf,
    "dfdc": dfdc,
    "folders": folders,
    "csv": csv_list,
    "unlabelled": unlabelled,
}
_MARKS = frozenset.union(
    frozenset(folders.LABEL_FOLDERS), celebdf.OWN_FOLDERS, faceforensics.OWN_FOLDERS
)
"""Folders that are marks of a data set which is not whole, or lies too deep."""


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
        layout: `faceforensics` (FaceForensics++, DFD, or both in one root), `celebdf`, `dfdc`
            (training parts, the preview or the test set), `folders` (`real/` and `fake/`, or
            `fake/<method>/`, at any depth; also in `train/`, `val/` and `test/`), `csv` (columns
            `path` and `label`; of a file that is named `path` is enough), `unlabelled` (all videos
            under the folder, with label and method NA: their faces can be cut and scored), or
            `auto`: the one whose marks the root has. With `auto` a root may also be the folder
            around several data sets, each in a folder of its own: all that are recognised are read.
            Marks of several layouts in one and the same folder are refused; a root without any is
            read as `unlabelled`, with a warning.
        strict: Raise where files are missing or could not be placed, instead of warning.
        **choices: What to keep, or how to read. `faceforensics`: `methods=`, `compression=`;
            `folders`: `methods=`; `celebdf`: `version=`. None where there are several data sets.

    Returns:
        One row a video, sorted by path, with the columns path (absolute), dataset, method (`real`
        for an original), label (int64, 1 = fake; Int64 where some are not known),
        target_identity, source_identity, compression and split (pandas strings; NA where unknown;
        source NA for originals), and behind them what other columns a CSV file has. For DFDC, which
        names nobody, target_identity is the clip: a fake's original's stem, or an original's own.

        `.attrs` holds `layout` (its name; of several data sets the names, joined by " + "),
        `recognised_by` (a sentence for each data set, which says what was recognised and why) and
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
    if not isinstance(root, (str, os.PathLike)):
        raise InputError(
            f"expected the folder of a data set, received {describe(root)}.",
            hint="Pass a str or Path.",
        )
    folder = Path(os.path.normpath(Path(root).expanduser().absolute()))
    try:
        places = _places(folder, layout, strict=strict)
        _check_choices(places, choices)
        readings = [_LAYOUTS[place.layout].read(place.root, **choices) for place in places]
        problems = _problems(folder, places, readings)
        rows = [row for reading in readings for row in reading.rows]
        unread = left_out({row.path: row.label for row in rows})
    except OSError as error:
        raise InputError(
            f"expected to read {error.filename or folder}: {error.strerror or error}.",
            hint="Check that the disk is there and that you may read it.",
        ) from error
    name = " + ".join(dict.fromkeys(place.layout for place in places))
    problems = sorted([*problems, *unread], key=lambda problem: (problem.path, problem.status))
    gone = {problem.path for problem in unread}
    rows = [row for row in rows if row.path not in gone]
    if not rows:
        raise _no_videos(folder, places, problems)
    if name == "unlabelled" != layout:
        warnings.warn(
            f"{folder} has no marks of a known layout, such as folders real and fake: its "
            f"{len(rows)} videos are listed without a label. Their faces can be cut and scored, "
            "not learned from or measured on; layout='unlabelled' says that this is meant.",
            LayoutWarning,
            stacklevel=2,
        )
    if problems:
        _report(folder, name, problems, strict=strict)
    frame = to_frame(rows)
    frame.attrs["layout"] = name
    frame.attrs["recognised_by"] = _recognised_by(folder, places, readings)
    frame.attrs["problems"] = [problem._asdict() for problem in problems]
    return frame


def _places(root: Path, layout: str, *, strict: bool) -> list[_Place]:
    """Return the data sets under a root: itself, or those in its folders."""
    asked = _layout_of(root, layout)
    if asked is not None:
        return [_Place(root, asked)]
    own = _recognised(root)
    places = [_Place(root, own)] if own else []
    for name, folder in subfolders(root).items():
        if own and name.lower() in _LAYOUTS[own].OWN_FOLDERS:
            continue
        # A table of videos marks a root that the caller points to, not any folder with a table.
        inner = _recognised(folder, without="csv")
        if inner is not None and inner != own:
            places.append(_Place(folder, inner))
    if not places and not strict and not _marked(root) and unlabelled.recognise(root):
        return [_Place(root, "unlabelled")]
    if not places or (own == "csv" and len(places) > 1):
        # A table may name the very videos that lie in the folders beside it.
        raise _unrecognised(root, [place.layout for place in places])
    return places


def _recognised(folder: Path, *, without: str = "") -> str | None:
    asked = [name for name in _LAYOUTS if name not in (without, "unlabelled")]
    matching = [name for name in asked if _LAYOUTS[name].recognise(folder)]
    if len(matching) > 1:
        raise _unrecognised(folder, matching)
    return matching[0] if matching else None


def _marked(root: Path) -> bool:
    """Say whether a video under the root lies in a folder of a data set's name."""
    return any(_MARKS & {name.lower() for name in parts[:-1]} for parts in walk_videos(root))


def _problems(root: Path, places: list[_Place], readings: list[Reading]) -> list[Problem]:
    """Gather the problems of all data sets; what one takes for a stray may be another's."""
    inner = [f"{place.root}{os.sep}" for place in places if place.root != root]
    found = [
        problem
        for place, reading in zip(places, readings, strict=True)
        for problem in reading.problems
        if place.root != root or not problem.path.startswith(tuple(inner))
    ]
    if all(place.root != root for place in places):
        skipped = frozenset(place.root.name.lower() for place in places)
        reason = "it is in none of the data sets recognised under the root"
        strays = walk_videos(root, skip=skipped)
        found += [Problem(str(root.joinpath(*parts)), "unknown", reason) for parts in strays]
    return found


def _recognised_by(root: Path, places: list[_Place], readings: list[Reading]) -> str:
    if [place.root for place in places] == [root]:
        return readings[0].recognised_by
    return "; ".join(
        f"{place.root.name} is {place.layout}: {reading.recognised_by}"
        for place, reading in zip(places, readings, strict=True)
    )


def _layout_of(root: Path, layout: str) -> str | None:
    """Check that the root is there; return the layout that was asked for, None to recognise it."""
    check_choice("layout=", layout, ("auto", *_LAYOUTS), hint="layout='auto' recognises it.")
    if not root.exists():
        raise InputError(
            f"expected a folder of videos, received {root}, which does not exist.",
            hint="Check the path.",
        )
    is_list = root.is_file() and (layout == "csv" or root.suffix.lower() == ".csv")
    if not root.is_dir() and not (is_list and layout in ("auto", "csv")):
        raise InputError(
            f"expected a folder of videos, received the file {root}.",
            hint="Pass the folder around the data set, or a CSV file with path and label.",
        )
    if layout != "auto":
        return layout
    return "csv" if is_list else None


def _unrecognised(root: Path, matching: list[str]) -> InputError:
    if matching:
        marks = "; ".join(f"{name}: {_LAYOUTS[name].LOOKS_FOR}" for name in matching)
        return InputError(
            f"expected the marks of one layout in {root}, received those of several ({marks}); "
            f"the root holds {_contents(root)}.",
            hint=f"Choose one with layout=, such as layout='{matching[0]}', or give each data set "
            "a folder of its own.",
        )
    marks = "; ".join(f"{name}: {item.LOOKS_FOR}" for name, item in _LAYOUTS.items())
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
    if len(places) > 1 and choices:
        there = ", ".join(f"{place.root.name} ({place.layout})" for place in places)
        raise InputError(
            f"expected no choices for a root of several data sets ({there}), received "
            f"{', '.join(sorted(choices))}.",
            hint="Pass the folder of one data set, or choose among the rows that come back.",
        )
    name = places[0].layout
    valid = _LAYOUTS[name].CHOICES
    unknown = sorted(set(choices) - set(valid))
    if unknown:
        raise InputError(
            f"expected the choices of layout {name!r} ({', '.join(valid) or 'it has none'}), "
            f"received {', '.join(unknown)}.",
            hint="Leave it out, or check its spelling.",
        )


def _no_videos(root: Path, places: list[_Place], problems: list[Problem]) -> InputError:
    if problems:
        found = f"none that could be placed, {counts_of(problems)} ({_examples(problems)})"
    elif root.is_dir():
        found = f"{_contents(root)}; no file that looks like a video"
    else:
        found = f"no line with a video in {root.name}; no file that looks like a video"
    layouts = ", ".join(
        f"layout {name!r} ({_LAYOUTS[name].LOOKS_FOR})"
        for name in dict.fromkeys(place.layout for place in places)
    )
    return InputError(
        f"expected videos (.mp4, .mov, .avi and what else FFmpeg decodes) in {root}, {layouts}, "
        f"received {found}.",
        hint="Check that the download is complete and that root and layout= are the ones meant; "
        "folders of face crops are for read_crops.",
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
