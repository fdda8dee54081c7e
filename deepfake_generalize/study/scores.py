"""Score files: one row for each image or video, with all that they depend on beside it.

A pair NAME.csv and NAME.json. The CSV holds key, label (1 is fake), score (P(fake)), status (ok,
missing, error) and reason, then what is known of a row, paths relative to the file. The JSON holds
the checksums of the CSV and of which images it is about, and the facts that were added.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import MAX_TEXT_BYTES, absolute, read_regular, write_whole
from deepfake_generalize._version import __version__
from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.manifests import (
    dataset_family,
    manifest_text,
    own_names,
    score_keys,
    short_name,
    text_column,
    video_keys,
    video_names,
)
from deepfake_generalize.data.tables import read_header, read_table
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.metrics.resampling import Scored
from deepfake_generalize.types import AnyArray, DoubleArray
from deepfake_generalize.validation import check_choice, check_type, check_unit

Polarity = Literal["fake-high", "real-high"]
Style = Literal["own", "dfwb"]

_FORMAT = "deepfake_generalize scores"
_VERSION = 1
_STATUSES = frozenset({"ok", "missing", "error"})
_AGAIN = "Score the set again, or delete the JSON and say which way the scores point."
# Deepfake Workbench has a row a video and a .meta.json beside it; fields and rules are those of its
# docs/concepts/score-files.md. Columns that it does not know begin with x_ there.
_SCHEMA = "dfwb.scores/1"
_DFWB_COLUMNS = ("dataset", "key", "compression", "label", "score", "status", "method", "n_frames")
_OF_FRAMES = ("path", "frame", "video")
_SHA256 = ("sha256", "checkpoint_sha256")
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


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """What a score file holds.

    Attributes:
        name: The set's name: as it was written, else the file's.
        frame: key, label, score (P(fake), NaN where there is none), status, reason, and what else
            is known of a row: dataset, method, compression, target_identity, source_identity,
            video, frame, path (absolute).
        facts: What the JSON beside it holds; empty for a file made elsewhere.
        path: The CSV.
    """

    name: str
    frame: pd.DataFrame
    facts: Mapping[str, Any]
    path: Path


def write_scores(
    folder: str | Path,
    name: str,
    frame: pd.DataFrame,
    facts: Mapping[str, Any],
    *,
    style: Style = "own",
) -> Path:
    """Write the scores of one set as NAME.csv and NAME.json, each of them whole or not at all.

    Args:
        folder: Made if missing. What is there under the name is replaced.
        name: The set's name. Characters that file systems dislike become "_", and a checksum of
            the name follows.
        frame: The columns label and score (P(fake)), optionally key, status, reason, dataset,
            method, compression, video, frame, path. Statuses other than ok and missing are written
            as error, the word going to the front of the reason.
        facts: Plain JSON values that the scores depend on, such as the detector and its hash.
        style: "own"; or "dfwb" for NAME.scores.csv and NAME.scores.meta.json as Deepfake Workbench
            reads them: a row a video, the mean of its frames, and of `facts` only the detector.

    Returns:
        The CSV file.

    Raises:
        InputError: Wrong labels, statuses or scores, or facts that JSON cannot hold.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = pd.DataFrame({"key": ["a", "b"], "label": [1, 0], "score": [0.9, None]})
        ...     path = write_scores(folder, "DFD", rows, {"detector": {"name": "mine"}})
        ...     print(path.read_text().strip())
        key,label,score,status,reason
        a,1,0.9,ok,
        b,0,,error,the score is missing or not a number
    """
    check_choice("style", style, get_args(Style))
    hint = "Of a ScoreFile that is its .frame."
    check_type("a table of scores", frame, pd.DataFrame, hint=hint)
    rows = _plain_statuses(clean_scores(name, frame))
    if style == "dfwb":
        target = absolute(folder) / f"{file_name(name)}.scores.csv"
        beside = target.with_suffix(".meta.json")
        on_disk, document = _to_dfwb(name, rows, facts)
    else:
        target = absolute(folder) / f"{file_name(name)}.csv"
        beside = target.with_suffix(".json")
        on_disk, places = _portable(rows, target.parent)
    what = f"the rows of the set {name!r}"
    columns = [str(column) for column in on_disk]
    content = manifest_text(on_disk, target.parent, columns, (), what=what)
    if style == "own":
        document = {
            "format": _FORMAT,
            "version": _VERSION,
            "set": name,
            "csv": target.name,
            "csv_sha256": hashlib.sha256(content).hexdigest(),
            "data_sha256": data_hash(rows),
            "rows": {word: int((rows["status"] == word).sum()) for word in sorted(_STATUSES)},
            "label": {"real": 0, "fake": 1},
            "relative_paths": places,
            **facts,
            "polarity": "fake-high",
        }
    try:
        text = json.dumps(document, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected facts that JSON can hold, received others: {error}.",
            hint="Use dictionaries, lists, strings, finite numbers, booleans and None.",
        ) from error
    hint = "Choose a folder that you may write to, on a disk with room."
    with telling(f"expected to write the scores {str(target)!r}, the system refused", hint=hint):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
        write_whole(beside, f"{text}\n".encode())
    return target


def read_scores(path: str | Path, *, polarity: Polarity | None = None) -> ScoreFile:
    r"""Read a score file: one of ours with its JSON, or a CSV of scores made elsewhere.

    Args:
        path: The CSV (or the JSON beside it); one of Deepfake Workbench with its .meta.json, whose
            keys are taken as names of videos, is read as well. The columns label (1 is fake, 0 is
            real) and score in [0, 1] must be there; key, status, reason, dataset, method,
            compression, video, frame and path may be.
        polarity: Which way the scores of a file made elsewhere point: "fake-high" for P(fake),
            "real-high" for P(real), which is turned round here. A file with a JSON beside it says
            so itself.

    Raises:
        InputError: No such file, not a CSV, wrong columns, labels, statuses or scores; no polarity
            for a file that does not tell; or logits, whose scale is never guessed.
        DataMismatchError: The CSV is not the one that the JSON was written with, one of the two is
            damaged or missing, or the JSON contradicts `polarity`.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "DFD.csv")
        ...     _ = file.write_text("label,score\n1,0.25\n0,0.75\n")
        ...     read_scores(file, polarity="real-high").frame["score"].tolist()
        [0.75, 0.25]
    """
    check_polarity(polarity)
    file = absolute(path)
    if file.suffix.lower() == ".json":
        file = file.with_suffix(".csv")
    beside = file.with_suffix(".json")
    if not beside.exists() and file.with_suffix(".meta.json").exists():
        beside = file.with_suffix(".meta.json")
        facts = _read_meta(beside)
    else:
        facts = _read_facts(file, beside) if beside.exists() else {}
    if not facts and polarity is None:
        raise InputError(
            f"expected to be told which way the scores of {file} point: no {beside.name} lies "
            "beside it.",
            hint='Pass polarity="fake-high" for P(fake), polarity="real-high" for P(real).',
        )
    if facts and polarity not in (None, facts["polarity"]):
        raise DataMismatchError(
            f"expected scores that point {polarity}, {beside.name} says {facts['polarity']}.",
            hint="Leave polarity out: a file with a JSON beside it says so itself.",
        )
    name = str(facts.get("set", file.stem))
    table = _read_score_table(name, file, complete=bool(facts))
    rows = clean_scores(name, _from_dfwb(table, facts) if "coverage" in facts else table)
    for column in set(facts.get("relative_paths", ())) & set(rows.columns):
        rows[column] = rows[column].map(
            lambda path: str(absolute(file.parent / str(path))), na_action="ignore"
        )
    if (facts.get("polarity") or polarity) == "real-high":
        rows["score"] = 1.0 - rows["score"]
    if data_hash(rows) != facts.get("data_sha256", data_hash(rows)):
        raise DataMismatchError(
            f"expected the images of {file} to be those that {beside.name} was written for; "
            "their checksum is another.",
            hint=_AGAIN,
        )
    return ScoreFile(name, rows, facts, file)


def check_polarity(polarity: object) -> None:
    """Raise `InputError` unless `polarity` is None or one of the two words."""
    if polarity is not None:
        hint = "fake-high is P(fake), real-high is P(real)."
        check_choice("polarity", polarity, get_args(Polarity), hint=hint)


def file_name(name: str) -> str:
    """Return a set's name as a file's, without its suffix: "FS-I", "a_b-c14cddc0" for "a/b"."""
    plain = re.sub(r"[^\w+.-]", "_", name, flags=re.ASCII).lstrip(".") or "_"
    short = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return plain if plain == name else f"{plain}-{short}"


def _portable(rows: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that are written, and which of them hold paths, now relative ones."""
    needed = ("label", "score", "status", "reason")
    kept = [name for name in rows.columns if name in needed or rows[name].notna().any()]
    on_disk = rows[kept].copy()
    places = [
        column  # Of places on this machine, not of mere names of videos.
        for column in ("video", "path")
        if column in on_disk and all(Path(str(of)).is_absolute() for of in on_disk[column].dropna())
    ]
    for column in places:
        on_disk[column] = on_disk[column].map(
            lambda path: Path(os.path.relpath(str(path), folder)).as_posix(), na_action="ignore"
        )
    return on_disk, places


def _plain_statuses(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.copy()
    other = ~rows["status"].isin(_STATUSES)
    words = rows.loc[other, "status"].astype(str) + ": " + rows.loc[other, "reason"].astype(str)
    rows.loc[other, "reason"] = words.str.removesuffix(": ")
    rows.loc[other, "status"] = "error"
    return rows


def _read_facts(file: Path, beside: Path) -> dict[str, Any]:
    """Return the JSON of a pair, after checking that it is whole and about this CSV."""
    try:
        facts = json.loads(read_regular(beside, most=MAX_TEXT_BYTES))
        _check_facts(facts)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataMismatchError(
            f"expected {beside} as write_scores writes it in version {_VERSION} of the format, "
            f"received another: {type(error).__name__}: {error}.",
            hint=_AGAIN,
        ) from error
    try:
        found = hashlib.sha256(read_regular(file)).hexdigest()
    except OSError as error:
        raise DataMismatchError(
            f"expected {file.name} beside {beside}: {error.strerror or error}.", hint=_AGAIN
        ) from error
    if found != facts["csv_sha256"]:
        raise DataMismatchError(
            f"expected {file} to have the SHA-256 {facts['csv_sha256'][:12]}... that "
            f"{beside.name} names, received {found[:12]}...: it was altered, cut short, or belongs "
            "to another one.",
            hint=_AGAIN,
        )
    if isinstance(facts.get("detector"), str):  # As a study writes it.
        facts["detector"] = {"name": facts["detector"], "sha256": facts.get("detector_sha256")}
    return dict(facts)


def _check_facts(facts: Any) -> None:
    """Raise whatever comes first where a JSON holds other facts than those of `write_scores`."""
    check_choice("format", facts["format"], (_FORMAT,))
    check_choice("polarity", facts["polarity"], get_args(Polarity))
    if not isinstance(facts["csv_sha256"], str) or not isinstance(facts["data_sha256"], str):
        raise TypeError("a checksum that is no text")
    if type(facts["version"]) is not int or facts["version"] != _VERSION:
        raise ValueError(f"version {facts['version']!r}")
    if not set(facts.get("relative_paths", ())) <= {"video", "path"}:
        raise ValueError(f"relative paths {facts['relative_paths']!r}")
    if not isinstance(facts.get("set", ""), str):
        raise TypeError(f"the set's name {facts['set']!r}")
    detector = facts.get("detector")
    if isinstance(detector, str) or detector is None:
        detector = {"name": detector, "sha256": facts.get("detector_sha256")}
    for name in ("name", "sha256"):
        if not isinstance(detector.get(name), str | None):
            raise TypeError(f"a detector whose {name} is {detector[name]!r}")
    if not isinstance(detector.get("training"), dict | None):
        raise TypeError("a detector's training that is no record")


def _read_meta(file: Path) -> dict[str, Any]:
    """Return what a .meta.json says as facts of a score file, or raise `DataMismatchError`."""
    try:
        meta = json.loads(read_regular(file, most=MAX_TEXT_BYTES))
        detector = {key: meta["detector"][of] for key, of in (("name", "name"), _SHA256)}
        facts = {"set": str(meta["protocol"]["id"]), "detector": detector, "meta": meta}
        if meta["schema"] != _SCHEMA or not isinstance(detector["name"], str):
            raise ValueError(f"schema {meta['schema']!r}")  # noqa: TRY301
        return facts | {"polarity": "fake-high", "coverage": dict(meta["coverage"])}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataMismatchError(
            f"expected {file} to be of the schema {_SCHEMA}: {type(error).__name__}: {error}.",
            hint="Write it again, or delete it and say which way the scores point.",
        ) from error


def _from_dfwb(table: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table of dfwb's as one of ours: its keys name the videos."""
    if _coverage(table["status"]) != facts["coverage"]:
        raise DataMismatchError(
            f"expected the coverage that the .meta.json says, {facts['coverage']}, received "
            f"{_coverage(table['status'])}.",
            hint="The CSV was altered or cut short: write both again.",
        )
    return table.rename(columns=lambda name: name.removeprefix("x_")).assign(video=table["key"])


def _to_dfwb(
    name: str, rows: pd.DataFrame, facts: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a row a video, the mean over its scored frames, and what stands in the .meta.json."""
    videos = by_video(rows)
    if videos is None:
        raise InputError(
            f"expected every row of the set {name} to name its video: dfwb has a row a video.",
            hint='Fill in the column video, or leave style="dfwb" out.',
        )
    videos["reason"] = videos["reason"].where(videos["status"] != "ok", "")
    videos["key"] = [short_name(video, suffix=False) for video in videos["video"]]
    videos["dataset"] = text_column(videos, "dataset").replace("", name)
    others = [of for of in videos if of not in (*_DFWB_COLUMNS, *_OF_FRAMES)]
    videos = videos.reindex(columns=[*_DFWB_COLUMNS, *others])
    if videos.duplicated(["dataset", "key", "compression"]).any():
        videos["key"] = text_column(videos, "method") + "/" + videos["key"]
    detector = facts.get("detector") or {}
    detector = {"name": detector} if isinstance(detector, str) else detector
    meta = {
        "schema": _SCHEMA,
        "detector": {
            "name": detector.get("name") or "unknown",
            "version": __version__,
            "source": "deepfake_generalize",
            "checkpoint_sha256": detector.get("sha256"),
            "contract_version": [1, 0],
        },
        "protocol": {
            "id": f"deepfake_generalize/{name}",
            "split": "test",
            "pack": "deepfake_generalize",
            "pack_version": __version__,
            "scheme_sha256": data_hash(videos),
        },
        "labels": "binary",
        "coverage": _coverage(videos["status"]),
        "created": datetime.now(UTC).isoformat(),
    }
    return videos.rename(columns={of: f"x_{of}" for of in others}), meta


def _coverage(statuses: pd.Series[str]) -> dict[str, int]:
    """Return how many rows have each of dfwb's statuses, and how many there are."""
    words = ("ok", "missing", "error")
    return {"expected": len(statuses)} | {word: int((statuses == word).sum()) for word in words}


def is_score_table(file: Path) -> bool:
    """Say whether a file holds scores, or is a CSV file that holds no crops either."""
    columns = set(read_header(file, COLUMNS))
    if "score" in columns:
        return not FINDER_COLUMNS & columns
    return "path" not in columns and file.suffix.lower() == ".csv" and file.is_file()


def _read_score_table(name: str, file: Path, *, complete: bool = False) -> pd.DataFrame:
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
