"""Tables of videos and crops: their checks, their CSV files, who and which clip a row is, queries.

On disk the paths of a manifest are relative to its folder. A data set that this library reads by
name gives every clip of a method a name of its own, so equal names are the same clip at any
compression. Folders and lists of the user's own promise nothing of the kind: there only an equal
path is the same clip.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import absolute, possible, read_regular, write_whole
from deepfake_generalize.data.tables import plain_csv
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import check_type

VIDEO_COLUMNS: tuple[str, ...] = (
    "path",
    "dataset",
    "method",
    "label",
    "target_identity",
    "source_identity",
    "compression",
    "split",
)

CROP_COLUMNS: tuple[str, ...] = (
    "path",
    "video",
    "frame",
    *VIDEO_COLUMNS[1:],
    "box",
    "score",
    "aligner",
    "flag",
)
"""Columns of the crop manifest: `box` is text "left,top,right,bottom" in pixels of the frame with
two decimals, `score` the face finder's in [0, 1], `flag` NA or a word such as "low_score"."""

FAILURE_COLUMNS: tuple[str, ...] = ("path", "frame", "status", "reason")
"""Columns of the failures manifest: `path` is the video, `frame` NA where all of it failed."""

PATH_COLUMNS: tuple[str, ...] = ("path", "video")
"""Those columns of manifests that hold paths."""

LABELS = {"0": 0, "1": 1, "real": 0, "fake": 1, "0.0": 0, "1.0": 1}
"""Labels as tables of the user's own write them, in any case."""

ALIASES = {"identity": "target_identity"}
"""Names of columns that such tables have, to ours."""


def require_columns(
    frame: object,
    columns: Sequence[str],
    *,
    what: str,
    hint: str = "Use data.read_crops(folder).",
) -> None:
    """Raise `InputError` unless `frame` is a DataFrame with these columns; `what` names it."""
    table = check_type(f"{what} as a pandas DataFrame", frame, pd.DataFrame, hint=hint)
    if missing := [name for name in columns if name not in table.columns]:
        raise InputError(
            f"expected {what} to have the columns {', '.join(columns)}; "
            f"missing: {', '.join(missing)}.",
            hint=hint,
        )


def check_filled(
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    what: str,
    hint: str = "Use data.read_crops(folder), which fills it.",
) -> None:
    """Raise `InputError` where a row has nothing in one of these columns."""
    for name in columns:
        if empty := int(rows[name].isna().sum()):
            raise InputError(
                f"expected a {name} in every row of {what}, {empty} of {len(rows)} have none.",
                hint=hint,
            )


def own_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns have our names: `identity` is `target_identity` without one."""
    names = {old: new for old, new in ALIASES.items() if new not in rows.columns}
    return rows.rename(columns=names) if names.keys() & set(rows.columns) else rows


def with_columns(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with all columns of a manifest; the rows that came are not changed."""
    if set(columns) <= set(rows.columns):
        return rows
    out = own_names(rows).copy()
    for name in columns:
        if name not in out.columns:
            empty = float("nan") if name == "score" else pd.NA
            out[name] = out["path"] if name == "video" and "path" in out.columns else empty
    return out[[*columns, *(name for name in out.columns if name not in columns)]]


def check_crops(crops: pd.DataFrame, columns: Sequence[str], *, unknown: bool = False) -> None:
    """Raise `InputError` unless these are rows with these columns and labels, at least one."""
    require_columns(crops, columns, what="crops")
    if crops.empty:
        raise InputError("expected crops, received no rows.", hint="Check what selected them.")
    check_labels(crops["label"], what="crops", unknown=unknown)


def check_labels(
    labels: pd.Series[Any],
    *,
    what: str,
    hint: str = "Drop or relabel the other rows.",
    unknown: bool = False,
) -> None:
    """Raise `InputError` unless every label is 0 (real) or 1 (fake), or, if `unknown`, NA."""
    without = int(labels.isna().sum())
    if without and not unknown:
        raise InputError(
            f"expected a label in every row of {what}, 0 (real) or 1 (fake), {without} of "
            f"{len(labels)} have none.",
            hint="Fill in the column label, or drop these rows: without one they can be scored, "
            "not learned from or measured on.",
        )
    if not labels.dropna().isin([0, 1]).all():
        found = sorted(set(labels.dropna().astype(str)))
        raise InputError(
            f"expected the labels 0 (real) and 1 (fake) in {what}, received {found}.", hint=hint
        )


def check_once(
    paths: pd.Series[Any], *, what: str, hint: str = "Use crops.drop_duplicates('path')."
) -> None:
    """Raise `InputError` where a path is listed twice: it would count twice."""
    twice = paths[paths.astype(str).duplicated()]
    if len(twice):
        raise InputError(
            f"expected each path once in {what}, {str(twice.iloc[0])!r} is listed more than once.",
            hint=hint,
        )


_AGAIN = "Extract the faces again."
_SPLITS = "These are saved splits: data.Splits.load reads them; its .test, say, is crops."
_DTYPES = {"frame": "Int64", "label": "int64", "score": "float64"}


def write_manifest(
    frame: pd.DataFrame,
    target: Path,
    columns: Sequence[str],
    *,
    comment: str = "",
) -> Path:
    """Write a manifest as CSV by atomic rename, paths relative to its folder, which may be new."""
    folder = possible(target.parent)
    what = f"the rows of {target.name}"
    text = manifest_text(frame, folder, columns, _paths_in(columns), what=what)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(target, (f"# {comment}\n".encode() if comment else b"") + text)
    return target


def manifest_text(
    frame: pd.DataFrame,
    folder: Path,
    columns: Sequence[str],
    path_columns: Sequence[str],
    *,
    what: str,
) -> bytes:
    """Return what `write_manifest` writes, in UTF-8, its paths relative to an absolute folder."""
    require_columns(frame, columns, what=what)
    out = frame[[*columns, *(name for name in frame.columns if name not in columns)]].copy()
    for name in path_columns:
        out[name] = [Path(os.path.relpath(str(path), folder)).as_posix() for path in out[name]]
    text: str = out.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # Readers take a bare one for the end of a line.
        text = out.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        wrong = text[max(error.start - 10, 0) : error.end + 10]
        raise InputError(
            f"expected {what} to hold text and names of files, received {wrong!r}, which no file "
            "can hold.",
            hint="Replace the characters that are written as \\ud800 to \\udfff there.",
        ) from error


def read_manifest(file: Path, columns: Sequence[str], **how: Any) -> pd.DataFrame:
    """Read what `write_manifest` wrote, with absolute paths and the types of the columns."""
    with telling(f"expected a CSV manifest at {str(file)!r}", hint="Check the path."):
        content = read_regular(file)
    return parse_manifest(content, file, file.parent, columns, **how)


def parse_manifest(
    content: bytes,
    file: Path,
    folder: Path,
    columns: Sequence[str],
    *,
    skip: int = 0,
    needed: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read what `manifest_text` returned for this folder; messages call it `file`."""
    try:
        content = content if skip else plain_csv(content, {*columns, *ALIASES})
        frame = pd.read_csv(
            io.BytesIO(content),
            dtype="string",
            keep_default_na=False,
            na_values=[""],
            skiprows=skip,
            encoding_errors="surrogateescape",
        )
    except ValueError as error:
        reason = error.message if isinstance(error, InputError) else str(error).strip()
        raise InputError(
            f"expected a CSV manifest at {str(file)!r}: {reason.rstrip('.')}.", hint=_AGAIN
        ) from error
    if needed is None:
        require_columns(frame, columns, what=str(file), hint=_AGAIN)
    elif not set(needed) <= set(frame.columns):
        saved = content.startswith(b"# sha256: ")
        raise InputError(
            f"expected {str(file)!r} to have the columns {', '.join(needed)}, received "
            f"{', '.join(map(repr, frame.columns[:20]))}.",
            hint=_SPLITS if saved else "Name the columns so, or extract the faces again.",
        )
    cut = _is_cut(content, len(frame.columns))
    frame = with_columns(frame, columns)
    if cut and "label" in columns and frame["label"].isna().iloc[-1]:
        raise InputError(
            f"expected a path in every row and all of its columns in {str(file)!r}, the last row "
            "is cut short.",
            hint=_AGAIN,
        )
    check_filled(frame, _paths_in(columns), what=repr(str(file)), hint=_AGAIN)
    for name in _paths_in(columns):
        paths = [str(absolute(folder / path)) for path in frame[name]]
        frame[name] = pd.Series(paths, dtype="string")
    try:
        if "label" in columns:
            frame["label"] = _numbers(frame["label"])
        return restore_types(frame, columns)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"expected numbers in the columns frame, label and score of {str(file)!r}: {error}.",
            hint=_AGAIN,
        ) from error


def _paths_in(columns: Sequence[str]) -> list[str]:
    return [name for name in PATH_COLUMNS if name in columns]


def _is_cut(content: bytes, n_columns: int) -> bool:
    """Say whether a table ends within a row, before its last column."""
    start = max(content.rfind(end) for end in (b"\n", b"\r")) + 1
    last = content[start:].decode("utf-8", "replace")
    try:
        return bool(last) and len(next(csv.reader([last]), [])) < n_columns
    except csv.Error:  # A value of more than 131,072 signs.
        return True


def _numbers(labels: pd.Series[Any]) -> pd.Series[Any]:
    if labels.isin(["0", "1"]).all():
        return labels
    known = {label: LABELS.get(label.strip().lower()) for label in labels.dropna().unique()}
    return labels.map(lambda label: label if known.get(label) is None else str(known[label]))


def restore_types(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Give columns of a manifest their types: strings but for frame, label and score."""
    types = {name: _DTYPES.get(name, "string") for name in columns}
    if "label" in types and frame["label"].isna().any():
        types["label"] = "Int64"
    return frame.astype(types)


# Version 2 of Celeb-DF extends version 1, ++ version 2. Whether all number people and clips alike
# is not said by their authors; to take them as alike errs on the side of a false alarm. The others
# are made from videos of the data set that they are said to be of.
_FAMILIES = {
    **dict.fromkeys(("Celeb-DF-v1", "Celeb-DF-v2", "Celeb-DF++", "DFDM", "DF40-cdf"), "Celeb-DF"),
    **dict.fromkeys(("DeeperForensics-1.0", "DF40-ff"), "FF++"),
}
_NAMED_CLIPS = frozenset({"FF++", "DFD", "Celeb-DF", "DFDC"})


def dataset_family(dataset: str) -> str:
    """Name the data sets that share people and clips: all versions of Celeb-DF are one."""
    return _FAMILIES.get(dataset, dataset)


def people(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    """Name who is filmed and whose face was put in, as far as known: 0 to 2 "family identity"."""
    rows = own_names(rows)
    families = text_column(rows, "dataset").map(dataset_family)
    columns = (text_column(rows, f"{role}_identity") for role in ("target", "source"))
    return [
        tuple(dict.fromkeys(f"{family} {name}".strip() for name in names if name))
        for family, *names in zip(families, *columns, strict=True)
    ]


def clip_keys(rows: pd.DataFrame) -> pd.Series[str]:
    """Name the clip that each crop is taken from, such as "FF++ real 004", at any compression."""
    video = text_column(rows, "video")
    video = video.where(video != "", text_column(rows, "path"))
    parts = zip(text_column(rows, "dataset"), text_column(rows, "method"), video, strict=True)
    known: dict[tuple[str, str, str], str] = {}
    keys = [known.get(part) or known.setdefault(part, _clip_key(*part)) for part in parts]
    return pd.Series(keys, index=rows.index, dtype=object)


def real_clips(rows: pd.DataFrame) -> pd.Series[str]:
    """Name the real clip among `rows` that each row is of, or was made from; "" for none.

    A fake's clip has its data set's family, compression and target identity, and what is left of
    the clip's name without identities begins what is left of the fake's: "id0_0000" is the clip of
    "id0_id1_0000", "01__walk" of "01_02__walk__A1B2C3D4". Nothing is known without an identity.
    """
    rows = own_names(rows)
    family = text_column(rows, "dataset").map(dataset_family)
    names = ("compression", "target_identity", "source_identity", "video")
    columns = (family, *(text_column(rows, name) for name in names))
    places, scenes = [], []
    for kind, compression, target, source, video in zip(*columns, strict=True):
        words = PurePath(video).stem.split("_")
        places.append((kind, compression, target) if target else None)
        scenes.append(tuple(word for word in words if word not in {target, source} - {""}))
    labels = rows["label"].to_numpy(int)
    clips: dict[tuple[str, ...] | None, set[tuple[str, ...]]] = {}
    for place, scene, label in zip(places, scenes, labels, strict=True):
        if not label:
            clips.setdefault(place, set()).add(scene)
    found = []
    for place, scene in zip(places, scenes, strict=True):
        of_person = clips.get(place, ()) if place else ()
        known = [clip for clip in of_person if clip == scene[: len(clip)]]
        found.append("\t".join((*place, *max(known, key=len))) if place and known else "")
    return pd.Series(found, index=rows.index, dtype=object)


def crop_keys(crops: pd.DataFrame) -> list[str]:
    """Name each crop of a crop manifest by what is the same on every machine."""
    names = ("dataset", "method", "label", "compression", "target_identity", "source_identity")
    columns = [crops[name].astype("string").fillna("").map(str).to_list() for name in names]
    frames = crops["frame"].astype("Int64").astype("string").fillna("").str.zfill(9)
    videos = text_column(crops, "video")
    places = {path: "/".join(_folder_and_stem(path)) for path in videos.unique()}
    columns.append([places[path] for path in videos])
    columns += [frames.to_list(), [_folder_and_stem(str(path))[1] for path in crops["path"]]]
    return ["\t".join(values) for values in zip(*columns, strict=True)]


def score_keys(rows: pd.DataFrame) -> list[str]:
    """Name each row of a table of crops or scores by what is the same on every machine.

    Data set, method, compression, the name of the video and the frame, as far as they are known,
    such as "FF++/b/000_003/7"; the image's name where no frame is, the row's number where nothing
    is. What would come twice has its row's number behind it.
    """
    parts = [
        rows[name].astype("string").fillna("").tolist()
        for name in ("dataset", "method", "compression")
        if name in rows
    ]
    if "video" in rows:
        parts.append([short_name(video, suffix=False) for video in rows["video"]])
    if "frame" in rows and rows["frame"].notna().all():
        parts.append(rows["frame"].astype("string").tolist())
    elif "path" in rows:
        parts.append([short_name(path, suffix=True) for path in rows["path"]])
    keys = ["/".join(filter(None, row)) for row in zip(*parts, strict=True)] if parts else []
    keys = keys or [""] * len(rows)
    twice = pd.Series(keys, dtype="string").duplicated(keep=False)
    return [
        f"{key} row {row}".strip() if again else key
        for row, (key, again) in enumerate(zip(keys, twice, strict=True))
    ]


def video_keys(
    rows: pd.DataFrame, columns: Sequence[str] = ("dataset", "method", "video")
) -> pd.Series[str] | None:
    """Name the video of every row by its label and these columns; None where a row has none."""
    if "video" not in rows or rows["video"].isna().any():
        return None
    keys = rows["label"].astype(str)
    for column in columns:
        if column in rows:
            keys = keys + "\t" + text_column(rows, column)
    return keys


def video_names(rows: pd.DataFrame) -> pd.Series[str] | None:
    """Return `video_keys` without the folders that the files lie in, where that is as exact."""
    videos = video_keys(rows)
    if videos is None:
        return None
    short = rows.assign(video=[short_name(video, suffix=False) for video in rows["video"]])
    renamed = video_keys(short)
    return videos if renamed is None or renamed.nunique() < videos.nunique() else renamed


def rows_sha256(rows: pd.DataFrame) -> str:
    """Hash which crops a table holds, in its order, without the folders they lie in."""
    columns = [name for name in ("dataset", "method", "frame", "label") if name in rows.columns]
    texts = rows[columns].astype("string").fillna("")
    for name in ("video", "path"):
        if name in rows.columns:
            texts[name] = [str(path).replace("\\", "/").rpartition("/")[2] for path in rows[name]]
    lines = texts[sorted(texts.columns)].agg("\t".join, axis=1)
    return text_sha256("\n".join(lines))


def text_sha256(text: str) -> str:
    """Hash any text that Python can hold: names of files need not be UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def text_column(rows: pd.DataFrame, column: str) -> pd.Series[str]:
    """Return a column as plain texts, empty where it is NA or missing."""
    if column not in rows.columns:
        return pd.Series("", index=rows.index, dtype=object)
    values = rows[column].astype(object)
    return values.where(values.notna(), "").map(str)


def _clip_key(dataset: str, method: str, video: str) -> str:
    family = dataset_family(dataset)
    if family in _NAMED_CLIPS:
        return f"{family} {method or 'unknown'} {PurePath(video).stem}"
    return str(absolute(video))


def _folder_and_stem(path: str) -> tuple[str, str]:
    folder, name = os.path.split(path)
    stem, dot, _ = name.rpartition(".")
    return os.path.split(folder)[1], stem if dot and stem else name


def short_name(value: Any, *, suffix: bool) -> str:
    """Return the last folder and the name of a path, the same on every machine; "" for none."""
    if pd.isna(value):
        return ""
    path = PurePath(str(value))
    name = path.name if suffix else path.stem
    return f"{path.parent.name}/{name}" if path.parent.name else name


_VALUE = r"""\s*("[^"]*"|'[^']*'|[^,|]*?)"""
_VALUES = re.compile(rf"{_VALUE}(?P<more>\s*\||\s*$)")
_CONDITION = re.compile(
    rf"\s*([^=!,]*[^=!,\s])\s*(!?)==?({_VALUE}(?:\s*\|{_VALUE})*)"
    r"(?P<more>\s*,|\s+and\s+(?=[^,=]*=)|\s*$)"
)
_QUOTED = re.compile(r"""\A(['"])(.*)\1\Z""", re.DOTALL)
_PLACE = re.compile(r"(.+)\[(.*)\]\s*", re.DOTALL)
_HINT = "Write COLUMN=VALUE or COLUMN!=VALUE, as in method=FaceSwap|Deepfakes,compression=c23."
_SHOWN = 12


def select(rows: pd.DataFrame, query: str) -> pd.DataFrame:
    """Return the rows of a table of crops, videos or scores that a query describes.

    Conditions joined by commas all hold, and alternatives are joined by `|`:
    "method=FaceSwap|NeuralTextures,compression=c23". `!=` leaves out. Values are compared as texts,
    and stand in quotes where they hold a comma or `|`; a label may also be written `real` or
    `fake`. 'method == "FaceSwap" and compression == "c23"', as pandas writes it, is taken too.

    Detectors are measured on the fakes of a method beside reals. So a condition method=... chooses
    among the fakes, and keeps the reals of the same data sets for which the other conditions hold;
    unless it names the method of the reals, as in method=real: then it is taken as it stands.

    Args:
        rows: Any columns may be asked for, a user's own too.
        query: As above.

    Returns:
        The rows in their order, numbered anew. `.attrs["selected"]` says in a sentence what was
        chosen.

    Raises:
        InputError: No query, a column that is not there, a value that no row has, or nothing that
            meets all conditions.

    Examples:
        >>> crops = pd.DataFrame({
        ...     "method": ["real", "FaceSwap", "Deepfakes"], "label": [0, 1, 1], "path": list("abc")
        ... })
        >>> select(crops, "method=FaceSwap")["path"].tolist()
        ['a', 'b']
        >>> select(crops, "method!=FaceSwap,label=fake")["path"].tolist()
        ['c']
    """
    require_columns(rows, (), what="rows to select from")
    table = own_names(rows)
    meets, method = np.ones(len(table), bool), None
    for column, negated, values in _conditions(
        check_type("a query such as 'method=FaceSwap'", query, str)
    ):
        has = _has(table, column, values)
        reals = table["label"].eq(0).fillna(False).to_numpy(bool) if "label" in table else ~meets
        if column == "method" and not negated and not (has & reals).any() and reals.any():
            method, has = has, has | reals
        meets &= ~has if negated else has
    kept = ""
    if method is not None:
        families = text_column(table, "dataset")
        meets &= families.isin(families[meets & method]).to_numpy()
        kept = ", the reals of their data sets beside the methods that it names"
    if not meets.any():
        raise InputError(f"no row meets all of {query!r}.", hint="Ask for less at once.")
    chosen = rows[meets].reset_index(drop=True)
    chosen.attrs["selected"] = f"{query} chose {len(chosen)} of {len(rows)} rows{kept}"
    return chosen


def split_query(place: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Return a place and the query behind it in brackets; what exists as it is named has none."""
    text = os.fspath(place)
    found = _PLACE.fullmatch(text)
    if found is None or os.path.lexists(text):
        return Path(text), None
    if "=" not in found[2] and not os.path.lexists(found[1]):  # It may be but a name.
        return Path(text), None
    return Path(found[1]), found[2]


def _conditions(query: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the column of each condition, `!` where it leaves out, and the values it names."""
    for found in _each(_CONDITION, query):
        values = [value[1] for value in _each(_VALUES, found[3])]
        yield found[1], found[2], [_QUOTED.sub(r"\2", value) for value in values]


def _each(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield what matches one behind the other, as long as there is said to be more."""
    place, more = 0, True
    while more:
        found = pattern.match(text, place)
        if found is None:
            raise InputError(f"expected a query, received {text!r}.", hint=_HINT)
        yield found
        place, more = found.end(), bool(found["more"].strip())


def _has(table: pd.DataFrame, column: str, values: list[str]) -> AnyArray:
    """Return which rows have one of these values, after a check that each is there."""
    if column not in table.columns:
        raise InputError(
            f"expected a column to select by, received {column!r}.",
            hint=f"There are {', '.join(map(str, table.columns))}.",
        )
    texts = text_column(table, column)
    if column == "label":
        values = [str(LABELS.get(value.lower(), value)) for value in values]
    known = set(texts)
    there = sorted(known - {""})
    for value in values:
        if value not in known:
            more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
            raise InputError(
                f"expected a value of the column {column}, received {value!r}, which no row has.",
                hint=f"There are {', '.join(there[:_SHOWN]) or 'none'}{more}.",
            )
    return texts.isin(values).to_numpy()
