"""Score files: one row a frame or video, and beside it all that the scores depend on.

A pair NAME.csv and NAME.json. The CSV holds key, label (1 is fake), score (P(fake)), status (ok,
missing, error) and reason, then what is known of a row, paths relative to the file. The JSON holds
the checksums of the CSV and of which images it is about, and the facts that were added. A
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import MAX_TEXT_BYTES, absolute, read_regular, write_whole
from deepfake_generalize.data.manifests import manifest_text
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study.scores.dfwb import from_dfwb, read_meta, to_dfwb
from deepfake_generalize.study.scores.tables import clean_scores, data_hash, read_score_table
from deepfake_generalize.validation import check_choice, check_type

Polarity = Literal["fake-high", "real-high"]
Style = Literal["own", "dfwb"]

_FORMAT = "deepfake_generalize scores"
_VERSION = 1
_STATUSES = frozenset({"ok", "missing", "error"})
_AGAIN = "Score the set again, or delete the JSON and say which way the scores point."


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
        on_disk, document = to_dfwb(name, rows, facts)
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
        facts = read_meta(beside)
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
    table = read_score_table(name, file, complete=bool(facts))
    rows = clean_scores(name, from_dfwb(table, facts) if "coverage" in facts else table)
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
    places = [column for column in ("video", "path") if _all_absolute(on_disk.get(column))]
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


def _all_absolute(values: pd.Series[Any] | None) -> bool:
    """Return whether a column holds places on this machine, not mere names of videos."""
    return values is not None and all(
        pd.isna(value) or Path(str(value)).is_absolute() for value in values
    )
