"""Tables of scores: what their columns must hold, and what names a row on every machine."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.manifests import (
    dataset_family,
    own_names,
    read_header,
    read_table,
    score_keys,
    text_column,
    video_keys,
    video_names,
)
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics.resampling import Scored
from deepfake_generalize.types import AnyArray, DoubleArray
from deepfake_generalize.validation import check_unit

COLUMNS = (
    "key",
    "label",
    "score",
    "status",
    "reason",
    "dataset",
    "method",
    "compression",
    "target_identity",
    "source_identity",
    "video",
    "frame",
    "path",
)
"""What tables of scores have, in this order; those behind `reason` only where they were given."""
_NOT_KEPT = frozenset({*CROP_COLUMNS, "settings", "synthetic"})
"""What else tables of crops have, which says nothing of scores; a user's own columns are kept."""
FINDER_COLUMNS = frozenset({"box", "aligner"})
"""Columns of a crops manifest, whose column `score` is the face finder's and not P(fake)."""
_NUMBERS = ("label", "score", "frame")
_NONE = ["", "NA", "N/A", "n/a", "<NA>", "nan", "NaN", "NAN", "-nan", "null", "NULL", "None"]
"""How programs write that there is no number."""
_STATUS_WORDS = frozenset({"ok", "missing", "error", "no_face", "corrupt"})
"""The words that the library itself writes; others are failures too."""


def is_score_table(file: Path) -> bool:
    """Say whether a file holds scores, or is a CSV file that holds no crops either."""
    columns = set(read_header(file, COLUMNS))
    if "score" in columns:
        return not FINDER_COLUMNS & columns
    return "path" not in columns and file.suffix.lower() == ".csv" and file.is_file()


def read_score_table(name: str, file: Path, *, complete: bool = False) -> pd.DataFrame:
    """Read a CSV with the columns label and score as it stands; `clean_scores` then checks it."""
    try:
        content = read_table(file, COLUMNS)
        columns = [*pd.read_csv(io.BytesIO(content), nrows=0, encoding_errors="surrogateescape")]
        table = pd.read_csv(
            io.BytesIO(content),
            dtype={key: "string" for key in columns if key not in ("label", "frame")},
            keep_default_na=False,
            na_values={key: _NONE if key in _NUMBERS else [""] for key in columns},
            encoding_errors="surrogateescape",
        )
    except FileNotFoundError as error:
        raise InputError(
            f"expected a CSV of scores at {file}, there is none.", hint="Check the path."
        ) from error
    except (OSError, ValueError) as error:  # Those of pandas are of the latter kind.
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
        raise InputError(
            f"expected a CSV of scores for the set {name}, cannot read {file}: "
            f"{str(reason).strip().rstrip('.')}.",
            hint="Write the columns label and score, separated by commas.",
        ) from error
    missing = [column for column in ("label", "score") if column not in table.columns]
    if missing:
        raise InputError(
            f"expected {file} to have the columns label and score, received "
            f"{', '.join(map(str, table.columns)) or 'none'}.",
            hint="label is 1 for fakes and 0 for reals, score the detector's output in [0, 1].",
        )
    if complete and "key" in table.columns:
        table["key"] = table["key"].fillna("")
    # Python reads a number to the last bit; how pandas does depends on its version.
    table["score"] = pd.Series(map(_number, table["score"]), table.index, dtype=object)
    return table


def clean_scores(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of scores of the set `name`, checked, in the form of `arrange`."""
    labels = read_labels(name, table)
    scores = pd.to_numeric(table["score"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if "path" in table.columns:
        # The frames of one video may share its path.
        check_no_image_twice(name, table, [key for key in ("path", "frame") if key in table])
    blank = pd.Series([pd.NA] * len(table), index=table.index)
    statuses = table.get("status", blank).astype(object).where(lambda words: words.notna(), "ok")
    reasons = table.get("reason", blank).astype(object).where(lambda words: words.notna(), "")
    _check_statuses(name, statuses)
    unscored = (statuses == "ok").to_numpy() & np.isnan(scores)
    _check_numbers(name, table["score"], unscored)
    statuses = statuses.mask(unscored, "error")
    reasons = reasons.mask(unscored, "the score is missing or not a number")
    is_ok = (statuses == "ok").to_numpy()
    scores = scores.copy()
    scores[is_ok] = check_range(f"the set {name}", scores[is_ok])
    found = {"score": np.where(is_ok, scores, np.nan), "status": list(statuses)}
    return arrange(table, labels, found | {"reason": list(reasons)})


def arrange(table: pd.DataFrame, labels: AnyArray, found: dict[str, Any]) -> pd.DataFrame:
    """Return the columns of `COLUMNS` that there are, with the labels and what was found."""
    frame = own_names(table).reset_index(drop=True).assign(label=labels, **found)
    if "path" not in frame.columns:
        frame["path"] = pd.NA
    if "key" not in frame.columns or frame["key"].isna().any():
        frame["key"] = score_keys(frame)
    frame["key"] = frame["key"].astype("string")
    others = [column for column in frame if column not in COLUMNS and column not in _NOT_KEPT]
    return frame[[*(column for column in COLUMNS if column in frame), *others]]


def as_scored(rows: pd.DataFrame) -> Scored:
    """Return what is measured and drawn of a table: labels, scores, videos and people."""
    videos = video_names(rows)
    seen, put_in = (text_column(rows, f"{role}_identity") for role in ("target", "source"))
    people = None
    if videos is not None and (seen != "").all():
        families = text_column(rows, "dataset").map(dataset_family)
        named = [(families + " " + who).where(who != "", "") for who in (seen, put_in)]
        people = np.stack([who.to_numpy(object) for who in named], axis=1)
    return Scored(
        rows["label"].to_numpy(),
        rows["score"].to_numpy(),
        groups=(rows["key"] if videos is None else videos).to_numpy(object),
        tie=rows["tie"].to_numpy() if "tie" in rows else None,
        people=people,
        unit="images" if videos is None else "videos",
    )


def by_video(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return one row a video, its score the mean over its scored frames; None without names."""
    keys = video_keys(rows)
    if keys is None:
        return None
    keyed = rows.assign(score=rows["score"].where(rows["status"] == "ok"), of=keys)
    videos = keyed.drop_duplicates("of").set_index("of")
    found = keyed.groupby("of", sort=False)["score"].agg(["mean", "count"])
    # The mean of equal scores can come out one rounding step beyond them, and so beyond 1.
    videos["score"] = found["mean"].clip(0.0, 1.0)
    if "n_frames" not in videos:
        videos["n_frames"] = found["count"]
    videos["status"] = videos["status"].where(videos["score"].isna(), "ok")
    return videos.reset_index(drop=True)


def unit_of(rows: pd.DataFrame) -> str:
    """Say what rows are: "video" where they count a video's frames and name none, else "image"."""
    return "video" if "n_frames" in rows and "frame" not in rows else "image"


def data_hash(rows: pd.DataFrame) -> str:
    """Return the SHA-256 of which images a set holds, by key and label, whatever their order."""
    lines = sorted(f"{key}\t{label}" for key, label in zip(rows["key"], rows["label"], strict=True))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()


def read_labels(name: str, table: pd.DataFrame) -> AnyArray:
    """Return the labels of a table as int64, or raise `InputError` where one is not 0 or 1."""
    numbers = pd.to_numeric(table["label"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.flatnonzero((numbers != 0) & (numbers != 1))
    if wrong.size:
        raise InputError(
            f"expected the labels of the set {name} to be 0 or 1, received "
            f"{_show(table['label'].iloc[wrong[0]])} in row {wrong[0]}.",
            hint="Label fakes 1 and reals 0.",
        )
    return numbers.astype(np.int64)


def check_no_image_twice(name: str, table: pd.DataFrame, keys: list[str]) -> None:
    """Raise `InputError` where two rows agree in all of `keys`, "path" among them."""
    twice = table.duplicated(keys) & table["path"].notna()
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise InputError(
            f"expected every image of the set {name} once, received "
            f"{', '.join(f'{key} {table[key].iloc[row]}' for key in keys)} again in row {row}.",
            hint="An image that comes twice counts twice: drop the duplicate rows.",
        )


def check_range(owner: str, scores: DoubleArray) -> DoubleArray:
    """Return the scores in [0, 1], those outside by rounding at the border; refuse others."""
    hint = "A score is P(fake): send logits through a sigmoid first."
    return check_unit(f"the scores of {owner}", scores, hint=hint)


def _check_statuses(name: str, statuses: pd.Series[Any]) -> None:
    for row, word in enumerate(statuses):
        if isinstance(word, str) and word not in _STATUS_WORDS and word.lower() in _STATUS_WORDS:
            raise InputError(
                f"expected the statuses of the set {name} in lower case, received {_show(word)} "
                f"in row {row}.",
                hint='Write "ok", "missing" or "error"; any other word counts as a failure.',
            )


def _check_numbers(name: str, given: pd.Series[Any], unscored: AnyArray) -> None:
    for row in np.flatnonzero(unscored):
        value = given.iloc[row]
        if isinstance(value, str) and value.strip().lower() not in {"", "nan"}:
            raise InputError(
                f"expected the scores of the set {name} to be numbers, received {_show(value)} in "
                f"row {row}: a score is not a number.",
                hint="A score is P(fake) in [0, 1]; leave it empty where there is none.",
            )


def _show(value: Any) -> str:
    # NumPy writes its scalars np.int64(2), which says nothing to a reader of a table.
    if isinstance(value, str):
        return repr(str(value))
    return "NaN" if pd.isna(value) else str(value)


def _number(text: Any) -> Any:
    try:
        return float("nan") if pd.isna(text) else float(text)
    except ValueError:
        return text
