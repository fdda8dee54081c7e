"""What a crop is taken from: the same clip and the same person, under whatever path or quality.

A data set that this library reads by name gives every clip of a method a name of its own, so equal
names are the same clip at any compression. Folders and lists of the user's own promise nothing of
the kind: there only an equal path is the same clip.
"""

from __future__ import annotations

from pathlib import PurePath

import pandas as pd

from deepfake_generalize._system.paths import absolute

# Version 2 of Celeb-DF extends version 1. Whether both number people and clips alike is not said
# by their authors; to take them as alike errs on the side of a false alarm.
_FAMILIES = {"Celeb-DF-v1": "Celeb-DF", "Celeb-DF-v2": "Celeb-DF"}
_NAMED_CLIPS = frozenset({"FF++", "DFD", "Celeb-DF", "DFDC"})


def family(dataset: str) -> str:
    """Name the data sets that share people and clips: both versions of Celeb-DF are one.

    Examples:
        >>> family("Celeb-DF-v1") == family("Celeb-DF-v2"), family("DFD")
        (True, 'DFD')
    """
    return _FAMILIES.get(dataset, dataset)


def materials(crops: pd.DataFrame) -> pd.Series[str]:
    """Name the clip that each crop is taken from.

    Args:
        crops: Rows with at least `path`; `video`, `dataset` and `method` as far as they are known.

    Returns:
        A text a row: family of data sets, method and name where names tell clips apart, else the
        path of the video; of the crop itself where the video is unknown.

    Examples:
        >>> folder = "/ff/original_sequences/youtube"
        >>> rows = pd.DataFrame(
        ...     {
        ...         "path": ["/a.png", "/b.png"],
        ...         "video": [f"{folder}/raw/videos/004.mp4", f"{folder}/c23/videos/004.mp4"],
        ...         "dataset": "FF++",
        ...         "method": "real",
        ...     }
        ... )
        >>> materials(rows).tolist()
        ['FF++ real 004', 'FF++ real 004']
    """
    video = texts(crops, "video")
    video = video.where(video != "", texts(crops, "path"))
    keys = zip(texts(crops, "dataset"), texts(crops, "method"), video, strict=True)
    known: dict[tuple[str, str, str], str] = {}
    names = [known.get(key) or known.setdefault(key, _name(*key)) for key in keys]
    return pd.Series(names, index=crops.index, dtype=object)


def people(crops: pd.DataFrame) -> list[tuple[str, ...]]:
    """Name the people in each crop: who is filmed, whose face was put in, as far as known.

    Args:
        crops: Rows with `dataset`, `target_identity` and `source_identity` as far as known.

    Returns:
        A tuple of none to two texts "family identity" a row.

    Examples:
        >>> people(pd.DataFrame({"dataset": ["FF++"], "target_identity": ["004"]}))
        [('FF++ 004',)]
    """
    families = texts(crops, "dataset").map(family)
    columns = (families, texts(crops, "target_identity"), texts(crops, "source_identity"))
    return [
        tuple(dict.fromkeys(f"{kin} {who}".strip() for who in both if who))
        for kin, *both in zip(*columns, strict=True)
    ]


def texts(crops: pd.DataFrame, column: str) -> pd.Series[str]:
    """Return a column as plain texts, empty where it is NA or missing.

    Args:
        crops: The rows.
        column: Its name.

    Returns:
        A Series of str.
    """
    if column not in crops.columns:
        return pd.Series("", index=crops.index, dtype=object)
    values = crops[column].astype(object)
    return values.where(values.notna(), "").map(str)


def _name(dataset: str, method: str, video: str) -> str:
    kin = family(dataset)
    if kin in _NAMED_CLIPS:
        return f"{kin} {method or 'unknown'} {PurePath(video).stem}"
    return str(absolute(video))
