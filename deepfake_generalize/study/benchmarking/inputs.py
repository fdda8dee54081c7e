"""What a detector is measured on: crops that it scores now, or scores that were made elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.data.crops import (
    CROP_COLUMNS,
    is_pack,
    read_crops,
    read_image,
    split_packed,
)
from deepfake_generalize.data.layouts import is_video_name
from deepfake_generalize.data.manifests import read_header, select, split_query
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.study.protocol import check_set_name
from deepfake_generalize.study.scores import (
    FINDER_COLUMNS,
    Polarity,
    ScoreFile,
    arrange,
    check_no_image_twice,
    check_range,
    clean_scores,
    is_score_table,
    read_labels,
    read_scores,
)
from deepfake_generalize.types import AnyArray, DoubleArray, Scorer
from deepfake_generalize.validation import check_mapping, describe

_SetInput: TypeAlias = pd.DataFrame | ScoreFile | str | Path
SetInput: TypeAlias = _SetInput | Mapping[str, _SetInput]
Outcomes: TypeAlias = dict[str, tuple[float, str, str, str]]
"""Path of a crop to its score, status, reason and a hash of its picture."""

ORIGINAL = "original"
_UPSIDE_DOWN = 0.4
_IMAGES_AT_ONCE = 64
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

    @property
    def coverage(self) -> dict[str, int]:
        """How many images have a score, and how many there are."""
        return {"ok": len(self.usable), "total": len(self.frame)}

    @property
    def class_counts(self) -> dict[str, int]:
        """How many usable images are fake, and how many real."""
        fakes = int(self.usable["label"].sum())
        return {"fake": fakes, "real": len(self.usable) - fakes}


def check_detector(detector: object) -> None:
    """Raise `InputError` unless this is a detector or the name of one."""
    if not isinstance(detector, str | Scorer):
        raise InputError(
            "expected a detector with the members name and scores(images), or the name of one, "
            f"received {describe(detector)}.",
            hint="Wrap a function with models.as_detector, a Keras model with models.Detector.",
        )


def check_sets(unseen: Mapping[str, SetInput], specialized: Mapping[str, SetInput]) -> None:
    """Raise `InputError` unless both map names to sets, some are unseen, and no name clashes."""
    sets = {"unseen": unseen, "specialized": specialized}
    if isinstance(specialized, dict) and not specialized:
        del sets["specialized"]
    for argument, given in sets.items():
        hint = f'Pass {argument}={{"NAME": crops}}: others than the original set.'
        check_mapping(argument, given, of="the name of a set to its crops or scores", hint=hint)
    for name in (*unseen, *specialized):
        check_set_name(name)
    both = sorted(set(unseen) & set(specialized))
    if both:
        raise InputError(
            f"the set {both[0]} is given as unseen and as specialized.",
            hint="Give every set a name of its own.",
        )


def check_direction(original: ScoredSet) -> None:
    """Refuse scores made elsewhere that call the fakes real on the detector's own set."""
    usable = original.usable
    if original.told or usable["label"].nunique() < 2:
        return
    found = metrics.auc(usable["label"], usable["score"])
    if found < _UPSIDE_DOWN:
        raise InputError(
            "expected scores that are P(fake), received ones that put reals above fakes on the "
            f"original set (AUC {found:.3f}).",
            hint='If they are P(real), pass polarity="real-high"; if they are P(fake) and this is '
            'the truth, pass polarity="fake-high".',
        )


def load_scored_set(
    name: str,
    given: SetInput,
    detector: Scorer | str,
    *,
    polarity: Polarity | None = None,
    known: Outcomes | None = None,
) -> ScoredSet:
    """Return the scores of `detector`, of which a name is enough where the scores are there.

    `given` is crops, scores, or the path of a score file or of a folder of crops. A table with the
    columns `label` and `score` is scores, unless it has `box` or `aligner`: then it is a crops
    manifest, and `score` the face finder's. Without `polarity` scores are taken as P(fake). A path
    may end in a query (`data.select`). `known` is what the detector made of the crops of other
    sets, by their paths: these are not scored again, and those of this set are added.
    """
    scored = _load(name, given, detector, polarity, {} if known is None else known)
    if scored.usable.empty:
        raise UndefinedMetricError(
            f"the set {name} has no image with a score: {_what_happened(scored.frame)}.",
            hint="Without any there is no accuracy; mend the set or leave it out.",
        )
    return scored


def _load(
    name: str, given: object, detector: Scorer | str, polarity: Polarity | None, known: Outcomes
) -> ScoredSet:
    if isinstance(given, Mapping):
        given = given.get(detector if isinstance(detector, str) else detector.name)
    table = _read(name, given, polarity) if isinstance(given, str | Path) else given
    if isinstance(table, ScoredSet):
        return table
    if isinstance(table, ScoreFile):
        return ScoredSet(name, table.frame, "scores", table.facts)
    if not isinstance(table, pd.DataFrame):
        raise InputError(
            f"expected the set {name} to be a DataFrame or a path, received {describe(table)}.",
            hint=_EXPECTED,
        )
    _check_columns(name, table)
    if "score" in table.columns and not FINDER_COLUMNS & set(table.columns):
        frame = clean_scores(name, table)
        if polarity == "real-high":
            frame["score"] = 1.0 - frame["score"]
        return ScoredSet(name, frame, "scores", told=polarity is not None)
    labels = read_labels(name, table)
    found = _score_crops(name, table, detector, known)
    return ScoredSet(name, arrange(table, labels, found), "crops")


def _read(name: str, place: str | Path, polarity: Polarity | None) -> pd.DataFrame | ScoredSet:
    path, query = split_query(place)
    table = _read_whole(name, path, polarity)
    if query is None:
        return table
    try:
        if isinstance(table, ScoredSet):
            return replace(table, frame=select(table.frame, query))
        return select(table, query)
    except InputError as error:
        raise InputError(f"the set {name}: {error.message}", hint=error.hint) from error


def _read_whole(name: str, path: Path, polarity: Polarity | None) -> pd.DataFrame | ScoredSet:
    if path.is_dir() or is_pack(path):
        return read_crops(path)
    if any(path.with_suffix(suffix).exists() for suffix in (".json", ".meta.json")):
        file = read_scores(path)
        return ScoredSet(name, file.frame, "scores", file.facts)
    if header := read_header(path, CROP_COLUMNS):
        _check_columns(name, pd.DataFrame(columns=header))
    try:
        if header and not is_score_table(path):
            return read_crops(path)
        frame = read_scores(path, polarity=polarity or "fake-high").frame
    except InputError as error:
        raise InputError(f"the set {name}: {error.message}", hint=error.hint) from error
    return ScoredSet(name, frame, "scores", told=polarity is not None)


def _what_happened(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "the table has no rows"
    first = frame.iloc[0]
    return f"all {len(frame)} failed, the first with status {first['status']} ({first['reason']})"


def _check_columns(name: str, table: pd.DataFrame) -> None:
    columns = list(map(str, table.columns))
    if "label" not in columns or not {"path", "score"} & set(columns):
        raise InputError(
            f"expected the set {name} to have the columns label and path, or label and score; "
            f"received {', '.join(columns) or 'no columns'}.",
            hint=_EXPECTED,
        )


def _score_crops(
    name: str, table: pd.DataFrame, detector: Scorer | str, known: Outcomes
) -> dict[str, list[Any]]:
    """Return score, status and reason of each row, the images read a few at a time."""
    if isinstance(detector, str):
        raise InputError(
            f"expected a detector to score the crops of the set {name}, received only the name "
            f"{detector!r}.",
            hint="Pass the detector, or a table with the columns label and score.",
        )
    if len(table) and all(is_video_name(str(path)) for path in table["path"]):
        raise InputError(
            f"expected face crops for the set {name}, received a table of videos.",
            hint="Cut out the faces first: data.extract_faces(videos, folder).crops.",
        )
    check_no_image_twice(name, table, ["path"])
    paths = [path for path in map(str, table["path"]) if path not in known]
    for start in range(0, len(paths), _IMAGES_AT_ONCE):
        images, outcomes = _read_images(paths[start : start + _IMAGES_AT_ONCE])
        with noted(
            f"while {detector.name} scored images {start} to {start + len(outcomes) - 1} of the "
            f"set {name}, the first {paths[start]}"
        ):
            scores = iter(score_images(detector, images).tolist() if images else [])
        for path, (status, reason, picture) in zip(paths[start:], outcomes, strict=False):
            score = next(scores) if status == "ok" else float("nan")
            known[path] = score, status, reason, picture
    own = [known[path] for path in map(str, table["path"])]
    return {key: [of[n] for of in own] for n, key in enumerate(("score", "status", "reason"))}


def _read_images(paths: Sequence[str]) -> tuple[list[AnyArray], list[tuple[str, str, str]]]:
    """Return the images that can be read; the status, reason and picture's hash of every path."""
    images: list[AnyArray] = []
    outcomes = []
    for path in map(Path, paths):
        try:
            images.append(read_image(path))
            content = hashlib.blake2b(images[-1].tobytes(), digest_size=16)
            outcomes.append(("ok", "", f"{images[-1].shape}{content.hexdigest()}"))
        except (InputError, OSError) as error:
            there = path.exists() or split_packed(str(path)) is not None
            outcomes.append(("error" if there else "missing", str(error), str(path)))
    return images, outcomes


def score_images(detector: Scorer, images: list[AnyArray]) -> DoubleArray:
    """Return P(fake) of images (H, W, 3), of unequal sizes or not; refuse what is none."""
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
    return check_range(detector.name, scores)
