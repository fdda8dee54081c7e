"""What a detector is measured on: crops that it scores now, or scores that were made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepfake_generalize.types import AnyArray, DoubleArray, Scorer

Evidence: TypeAlias = pd.DataFrame | str | Path

_IMAGES_AT_ONCE = 64
_FINDER_COLUMNS = frozenset({"box", "aligner"})
"""Columns of a crops manifest, whose column `score` is the face finder's and not P(fake)."""
_KEPT = ("label", "score", "status", "reason", "path", "video", "dataset", "method", "frame")
_STATUSES = frozenset({"ok", "missing", "error", "no_face", "corrupt"})
"""The words that the library itself writes."""
_EXPECTED = (
    "Pass crops (the columns path and label), or scores (the columns label and score, which is "
    "P(fake)), or the path of a CSV of scores."
)


@dataclass(frozen=True, eq=False)
class ScoredSet:
    """The scores on one set.

    Attributes:
        name: The set's.
        frame: One row an image: label (int64), score (float64, NaN where there is none), status
            ("ok", "missing", "error" or the table's own word), reason, path; and video, dataset,
            method and frame where they were given.
        source: "crops" or "scores".
    """

    name: str
    frame: pd.DataFrame
    source: str

    @property
    def usable(self) -> pd.DataFrame:
        """The rows that have a score."""
        return self.frame[self.frame["status"] == "ok"]


def gather(name: str, evidence: Evidence, detector: Scorer | str) -> ScoredSet:
    """Return the scores of `detector` on a set.

    Args:
        name: What tables and messages call the set.
        evidence: Crops, scores, or the path of a CSV of scores or of a folder of crops. A table
            with the columns `label` and `score` is scores, unless it has `box` or `aligner`: then
            it is a crops manifest, and `score` the face finder's.
        detector: What scores the crops; its name is enough where the scores are there.

    Raises:
        InputError: Other columns, labels, statuses or scores; an image that comes twice; a name in
            place of a detector for crops.
        UndefinedMetricError: No image of the set has a score.
    """
    table = _as_table(name, evidence)
    labels = _labels(name, table)
    if "score" in table.columns and not _FINDER_COLUMNS & set(table.columns):
        found, source = _given_scores(name, table), "scores"
    else:
        found, source = _score_crops(name, table, detector), "crops"
    frame = table.reset_index(drop=True).assign(label=labels, **found)
    if "path" not in frame.columns:
        frame["path"] = pd.NA
    scored = ScoredSet(name, frame[[column for column in _KEPT if column in frame.columns]], source)
    if scored.usable.empty:
        raise UndefinedMetricError(
            f"the set {name} has no image with a score: {_what_happened(scored.frame)}.",
            hint="Without any there is no accuracy; mend the set or leave it out.",
        )
    return scored


def _what_happened(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "the table has no rows"
    first = frame.iloc[0]
    return f"all {len(frame)} failed, the first with status {first['status']} ({first['reason']})"


def _as_table(name: str, evidence: object) -> pd.DataFrame:
    if isinstance(evidence, pd.DataFrame):
        table = evidence
    elif isinstance(evidence, str | Path):
        table = _read(name, Path(evidence))
    else:
        raise InputError(
            f"expected the set {name} to be a DataFrame or a path, received {describe(evidence)}.",
            hint=_EXPECTED,
        )
    columns = set(map(str, table.columns))
    if "label" not in columns or not columns & {"path", "score"}:
        raise InputError(
            f"expected the set {name} to have the columns label and path, or label and score; "
            f"received {', '.join(map(str, table.columns)) or 'no columns'}.",
            hint=_EXPECTED,
        )
    return table


def _read(name: str, path: Path) -> pd.DataFrame:
    from deepfake_generalize.data.crops import read_crops

    if path.is_dir():
        return read_crops(path)
    try:
        table = pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"expected a CSV of scores for the set {name}, cannot read {path}: {error}.",
            hint=_EXPECTED,
        ) from error
    if _FINDER_COLUMNS & set(table.columns):
        # Only the reader of manifests knows where their relative paths begin.
        return read_crops(path)
    return table


def _labels(name: str, table: pd.DataFrame) -> AnyArray:
    numbers = pd.to_numeric(table["label"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.flatnonzero((numbers != 0) & (numbers != 1))
    if wrong.size:
        raise InputError(
            f"expected the labels of the set {name} to be 0 or 1, received "
            f"{_show(table['label'].iloc[wrong[0]])} in row {wrong[0]}.",
            hint="Label fakes 1 and reals 0.",
        )
    return numbers.astype(np.int64)


def _show(value: Any) -> str:
    # NumPy writes its scalars np.int64(2), which says nothing to a reader of a table.
    if isinstance(value, str):
        return repr(str(value))
    return "NaN" if pd.isna(value) else str(value)


def _check_no_image_twice(name: str, table: pd.DataFrame, keys: list[str]) -> None:
    twice = table.duplicated(keys) & table["path"].notna()
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise InputError(
            f"expected every image of the set {name} once, received "
            f"{', '.join(f'{key} {table[key].iloc[row]}' for key in keys)} again in row {row}.",
            hint="An image that comes twice counts twice: drop the duplicate rows.",
        )


def _check_statuses(name: str, statuses: pd.Series[Any]) -> None:
    for row, word in enumerate(statuses):
        if isinstance(word, str) and word not in _STATUSES and word.lower() in _STATUSES:
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


def _given_scores(name: str, table: pd.DataFrame) -> dict[str, list[Any]]:
    scores = pd.to_numeric(table["score"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if "path" in table.columns:
        # The frames of one video may share its path.
        _check_no_image_twice(name, table, [key for key in ("path", "frame") if key in table])
    blank = pd.Series([pd.NA] * len(table), index=table.index)
    statuses = table.get("status", blank).astype(object).where(lambda words: words.notna(), "ok")
    reasons = table.get("reason", blank).astype(object).where(lambda words: words.notna(), "")
    _check_statuses(name, statuses)
    unscored = (statuses == "ok").to_numpy() & np.isnan(scores)
    _check_numbers(name, table["score"], unscored)
    statuses = statuses.mask(unscored, "error")
    reasons = reasons.mask(unscored, "the score is missing or not a number")
    _check_range(f"the set {name}", scores[(statuses == "ok").to_numpy()])
    return {"score": list(scores), "status": list(statuses), "reason": list(reasons)}


def _check_range(owner: str, scores: DoubleArray) -> None:
    if scores.size and not (scores.min() >= 0.0 and scores.max() <= 1.0):
        raise InputError(
            f"expected the scores of {owner} in [0, 1], received values from "
            f"{scores.min():g} to {scores.max():g}.",
            hint="A score is P(fake): send logits through a sigmoid first.",
        )


def _score_crops(name: str, table: pd.DataFrame, detector: Scorer | str) -> dict[str, list[Any]]:
    if isinstance(detector, str):
        raise InputError(
            f"expected a detector to score the crops of the set {name}, received only the name "
            f"{detector!r}.",
            hint="Pass the detector, or a table with the columns label and score.",
        )
    _check_no_image_twice(name, table, ["path"])
    found: dict[str, list[Any]] = {"score": [], "status": [], "reason": []}
    paths = [Path(path) for path in table["path"]]
    for start in range(0, len(paths), _IMAGES_AT_ONCE):
        images, problems = _read_images(paths[start : start + _IMAGES_AT_ONCE])
        scores = iter(_scores_of(detector, images)) if images else iter(())
        for status, reason in problems:
            found["score"].append(float(next(scores)) if status == "ok" else float("nan"))
            found["status"].append(status)
            found["reason"].append(reason)
    return found


def _read_images(paths: Sequence[Path]) -> tuple[list[AnyArray], list[tuple[str, str]]]:
    from deepfake_generalize.data.images import read_image

    images: list[AnyArray] = []
    outcomes = []
    for path in paths:
        try:
            images.append(read_image(path))
            outcomes.append(("ok", ""))
        except (InputError, OSError) as error:
            outcomes.append(("error" if path.exists() else "missing", str(error)))
    return images, outcomes


def _scores_of(detector: Scorer, images: list[AnyArray]) -> DoubleArray:
    alike = len({image.shape for image in images}) == 1
    scores = np.asarray(detector.scores(np.stack(images) if alike else images), np.float64)
    if scores.shape != (len(images),):
        raise InputError(
            f"expected {detector.name} to return scores of shape ({len(images)},), received "
            f"{describe(scores)}.",
            hint="A scorer returns one P(fake) for each image.",
        )
    if np.isnan(scores).any():
        raise InputError(
            f"expected finite scores from {detector.name}, received NaN.",
            hint="A score is P(fake) in [0, 1].",
        )
    _check_range(detector.name, scores)
    return scores
