"""What a detector is measured on: crops that it scores now, or scores that were made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.study.scores import (
    arrange,
    check_no_image_twice,
    check_range,
    clean_scores,
    read_labels,
    read_scores,
)
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deepfake_generalize.study.scores import Polarity
    from deepfake_generalize.types import AnyArray, DoubleArray, Scorer

Evidence: TypeAlias = pd.DataFrame | str | Path

_IMAGES_AT_ONCE = 64
_FINDER_COLUMNS = frozenset({"box", "aligner"})
"""Columns of a crops manifest, whose column `score` is the face finder's and not P(fake)."""
_EXPECTED = (
    "Pass crops (the columns path and label), or scores (the columns label and score, which is "
    "P(fake)), or the path of a CSV of scores."
)


@dataclass(frozen=True, eq=False)
class ScoredSet:
    """The scores on one set.

    Attributes:
        name: The set's.
        frame: One row an image: key, label (int64), score (float64, NaN where there is none),
            status ("ok", "missing", "error" or the table's own word), reason, path; and dataset,
            method, compression, target_identity, source_identity, video and frame where they were
            given.
        source: "crops" or "scores".
        facts: What a score file's JSON says; else empty.
        told: Whether it is known which way the scores point: not where a table was made elsewhere
            and nobody said so.
    """

    name: str
    frame: pd.DataFrame
    source: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    told: bool = True

    @property
    def usable(self) -> pd.DataFrame:
        """The rows that have a score."""
        return self.frame[self.frame["status"] == "ok"]


def gather(
    name: str, evidence: Evidence, detector: Scorer | str, *, polarity: Polarity | None = None
) -> ScoredSet:
    """Return the scores of `detector` on a set.

    Args:
        name: What tables and messages call the set.
        evidence: Crops, scores, or the path of a score file or of a folder of crops. A table
            with the columns `label` and `score` is scores, unless it has `box` or `aligner`: then
            it is a crops manifest, and `score` the face finder's.
        detector: What scores the crops; its name is enough where the scores are there.
        polarity: Which way scores made elsewhere point; None takes them as P(fake).

    Raises:
        InputError: Other columns, labels, statuses or scores; an image that comes twice; a name in
            place of a detector for crops.
        DataMismatchError: A score file that is not what the JSON beside it says.
        UndefinedMetricError: No image of the set has a score.
    """
    scored = _gather(name, evidence, detector, polarity)
    if scored.usable.empty:
        raise UndefinedMetricError(
            f"the set {name} has no image with a score: {_what_happened(scored.frame)}.",
            hint="Without any there is no accuracy; mend the set or leave it out.",
        )
    return scored


def _gather(
    name: str, evidence: object, detector: Scorer | str, polarity: Polarity | None
) -> ScoredSet:
    if isinstance(evidence, pd.DataFrame):
        table = evidence
    elif isinstance(evidence, str | Path):
        read = _read(name, Path(evidence), polarity)
        if isinstance(read, ScoredSet):
            return read
        table = read
    else:
        raise InputError(
            f"expected the set {name} to be a DataFrame or a path, received {describe(evidence)}.",
            hint=_EXPECTED,
        )
    _check_columns(name, table)
    if "score" in table.columns and not _FINDER_COLUMNS & set(table.columns):
        frame = clean_scores(name, table)
        if polarity == "real-high":
            frame["score"] = 1.0 - frame["score"]
        return ScoredSet(name, frame, "scores", told=polarity is not None)
    labels = read_labels(name, table)
    return ScoredSet(name, arrange(table, labels, _score_crops(name, table, detector)), "crops")


def _what_happened(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "the table has no rows"
    first = frame.iloc[0]
    return f"all {len(frame)} failed, the first with status {first['status']} ({first['reason']})"


def _check_columns(name: str, table: pd.DataFrame) -> None:
    columns = set(map(str, table.columns))
    if "label" not in columns or not columns & {"path", "score"}:
        raise InputError(
            f"expected the set {name} to have the columns label and path, or label and score; "
            f"received {', '.join(map(str, table.columns)) or 'no columns'}.",
            hint=_EXPECTED,
        )


def _read(name: str, path: Path, polarity: Polarity | None) -> pd.DataFrame | ScoredSet:
    from deepfake_generalize.data.crops import is_pack, read_crops

    if path.is_dir() or is_pack(path):
        return read_crops(path)
    if path.with_suffix(".json").exists():
        file = read_scores(path)
        return ScoredSet(name, file.frame, "scores", file.facts)
    try:
        header = pd.read_csv(path, nrows=0)
        if "score" in header and not _FINDER_COLUMNS & set(header):
            _check_columns(name, header)
            frame = read_scores(path, polarity=polarity or "fake-high").frame
            return ScoredSet(name, frame, "scores", told=polarity is not None)
        if _FINDER_COLUMNS & set(header):
            # Only the reader of manifests knows where their relative paths begin.
            return read_crops(path)
        return pd.read_csv(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"expected a CSV of scores for the set {name}, cannot read {path}: {error}.",
            hint=_EXPECTED,
        ) from error


def _score_crops(name: str, table: pd.DataFrame, detector: Scorer | str) -> dict[str, list[Any]]:
    if isinstance(detector, str):
        raise InputError(
            f"expected a detector to score the crops of the set {name}, received only the name "
            f"{detector!r}.",
            hint="Pass the detector, or a table with the columns label and score.",
        )
    _refuse_videos(name, table)
    check_no_image_twice(name, table, ["path"])
    found: dict[str, list[Any]] = {"score": [], "status": [], "reason": []}
    paths = [Path(path) for path in table["path"]]
    for start in range(0, len(paths), _IMAGES_AT_ONCE):
        images, problems = _read_images(paths[start : start + _IMAGES_AT_ONCE])
        with noted(
            f"while {detector.name} scored rows {start} to {start + len(problems) - 1} of the set "
            f"{name}, the first {paths[start]}"
        ):
            scores = iter(_scores_of(detector, images)) if images else iter(())
        for status, reason in problems:
            found["score"].append(float(next(scores)) if status == "ok" else float("nan"))
            found["status"].append(status)
            found["reason"].append(reason)
    return found


def _refuse_videos(name: str, table: pd.DataFrame) -> None:
    from deepfake_generalize.data.layouts import is_video_name

    if len(table) and all(is_video_name(str(path)) for path in table["path"]):
        raise InputError(
            f"expected face crops for the set {name}, received a table of videos.",
            hint="Cut out the faces first: data.extract_faces(videos, folder).crops.",
        )


def _read_images(paths: Sequence[Path]) -> tuple[list[AnyArray], list[tuple[str, str]]]:
    from deepfake_generalize.data.crops import read_image, split_packed

    images: list[AnyArray] = []
    outcomes = []
    for path in paths:
        try:
            images.append(read_image(path))
            outcomes.append(("ok", ""))
        except (InputError, OSError) as error:
            there = path.exists() or split_packed(str(path)) is not None
            outcomes.append(("error" if there else "missing", str(error)))
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
    check_range(detector.name, scores)
    return scores
