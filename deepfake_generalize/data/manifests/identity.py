"""Who and which clip a row is: the names by which people, clips, videos and crops are told apart.

A data set that this library reads by name gives every clip of a method a name of its own, so equal
names are the same clip at any compression. Folders and lists of the user's own promise nothing of
the kind: there only an equal path is the same clip.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import pandas as pd

from deepfake_generalize._system.files import absolute
from deepfake_generalize.data.manifests.checks import own_names

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
