"""What a benchmark is made of: a detector, and crops that it scores or scores made elsewhere."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize._version import __version__
from deepfake_generalize.data.crops import (
    CROP_COLUMNS,
    is_pack,
    read_crops,
    read_image,
    split_packed,
)
from deepfake_generalize.data.layouts import is_video_name
from deepfake_generalize.data.manifests import score_keys, select, split_query, video_keys
from deepfake_generalize.data.tables import read_header
from deepfake_generalize.data.video import sample_indices
from deepfake_generalize.errors import InputError, UndefinedMetricError
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
from deepfake_generalize.validation import about, describe

_SetInput: TypeAlias = pd.DataFrame | ScoreFile | str | Path
SetInput: TypeAlias = _SetInput | Mapping[str, _SetInput]
Outcomes: TypeAlias = dict[tuple[str, ...], tuple[float, str, str, str]]
"""Path of a crop, or those of a clip, to score, status, reason and a hash of the pictures."""

ORIGINAL = "original"
_IMAGES_AT_ONCE = 64
_EXPECTED = (
    "Pass crops (the columns path and label), or scores (the columns label and score, which is "
    "P(fake)), or the path of a CSV of scores."
)
_PACKAGES = ("numpy", "pandas", "scikit-learn", "opencv-python", "tensorflow", "keras")


@dataclass(frozen=True, eq=False)
class ScoredSet:
    """The scores on one set.

    `frame` has a row an image (a video of a detector of clips): key, label, score (NaN where there
    is none), status, reason, path, and what else was given of it. `source` is "crops" or "scores",
    `facts` what a score file's JSON says. `told` is False where a table was made elsewhere and
    nobody said which way its scores point.
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


def load_scored_set(
    name: str,
    given: SetInput,
    detector: Scorer | str,
    *,
    polarity: Polarity | None = None,
    known: Outcomes | None = None,
) -> ScoredSet:
    """Return the scores of `detector`, of which a name is enough where the scores are there.

    `given` is crops, scores, or the path of a score file or of a folder of crops, which may end in
    a query (`data.select`). `known` is what the detector made of the crops of other sets, by their
    paths: these are not scored again, and those of this set are added.
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
    return ScoredSet(name, _score_crops(name, table, detector, known), "crops")


def _read(name: str, place: str | Path, polarity: Polarity | None) -> pd.DataFrame | ScoredSet:
    path, query = split_query(place)
    table = _read_whole(name, path, polarity)
    if query is None:
        return table
    with about(f"the set {name}"):
        if isinstance(table, ScoredSet):
            return replace(table, frame=select(table.frame, query))
        return select(table, query)


def _read_whole(name: str, path: Path, polarity: Polarity | None) -> pd.DataFrame | ScoredSet:
    if path.is_dir() or is_pack(path):
        return read_crops(path)
    if any(path.with_suffix(suffix).exists() for suffix in (".json", ".meta.json")):
        file = read_scores(path)
        return ScoredSet(name, file.frame, "scores", file.facts)
    if header := read_header(path, CROP_COLUMNS):
        _check_columns(name, pd.DataFrame(columns=header))
    with about(f"the set {name}"):
        if header and not is_score_table(path):
            return read_crops(path)
        frame = read_scores(path, polarity=polarity or "fake-high").frame
    return ScoredSet(name, frame, "scores", told=polarity is not None)


def _what_happened(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "the table has no rows"
    first = frame.iloc[0]
    return f"all {len(frame)} failed, the first with status {first['status']} ({first['reason']})"


def _check_columns(name: str, table: pd.DataFrame) -> None:
    columns = list(map(str, table.columns))
    if "label" not in columns or not {"path", "score"} & set(columns):
        hint = _EXPECTED
        if columns and columns[0].startswith("# sha256: "):
            hint = (
                "These are saved splits. Pass a part: SETS/test of `split`, Splits.load(path).test."
            )
        raise InputError(
            f"expected the set {name} to have the columns label and path, or label and score; "
            f"received {', '.join(columns) or 'no columns'}.",
            hint=hint,
        )


def _score_crops(
    name: str, table: pd.DataFrame, detector: Scorer | str, known: Outcomes
) -> pd.DataFrame:
    """Return the rows with score, status and reason, the images read a few at a time."""
    labels = read_labels(name, table)
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
    frames = getattr(detector, "frames", None)
    items: list[tuple[str, ...]] = [(path,) for path in map(str, table["path"])]
    if frames is not None:
        table, items = _videos(name, table.assign(label=labels), frames)
    new = [item for item in items if item not in known]
    at_once = max(1, _IMAGES_AT_ONCE // (frames or 1))
    for start in range(0, len(new), at_once):
        images, outcomes = _read_images(new[start : start + at_once], frames)
        with noted(
            f"while {detector.name} scored {'images' if frames is None else 'videos'} {start} to "
            f"{start + len(outcomes) - 1} of the set {name}, the first {new[start][0]}"
        ):
            scores = iter(score_images(detector, images).tolist() if images else [])
        for item, (status, reason, picture) in zip(new[start:], outcomes, strict=False):
            score = next(scores) if status == "ok" else float("nan")
            known[item] = score, status, reason, picture
    own = [known[item] for item in items]
    found = {key: [of[n] for of in own] for n, key in enumerate(("score", "status", "reason"))}
    return arrange(table, read_labels(name, table), found)


def _videos(name: str, table: pd.DataFrame, frames: int) -> tuple[pd.DataFrame, list[Any]]:
    """Return one row a video, and the paths of its clip's frames in order: all if too few."""
    table = table.reset_index(drop=True)
    keys, numbers = video_keys(table), table.get("frame", pd.Series(np.nan, table.index))
    order = pd.to_numeric(numbers, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    twice = pd.DataFrame({"video": keys, "frame": order}).duplicated()
    if keys is None or np.isnan(order).any() or twice.any():
        raise InputError(
            f"expected the set {name} to name video and frame of each crop, each frame of a video "
            "once: the detector takes clips.",
            hint="data.extract_faces names them; else fill in the columns video and frame.",
        )
    rows, items = [], []
    for _, unordered in table.assign(frame=order).groupby(keys, sort=False):
        part = unordered.sort_values("frame")
        paths = part["path"].astype(str).tolist()
        taken = sample_indices(len(paths), frames)
        items.append(tuple(paths[place] for place in taken))
        rows.append(part.index[taken[0]])
    found = table.loc[rows].drop(columns="frame").assign(n_frames=list(map(len, items)))
    return found.assign(key=score_keys(found.drop(columns="path"))), items


def _read_images(
    items: Sequence[tuple[str, ...]], frames: int | None
) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """Return images or clips that can be read; status, reason and pictures' hash of every item."""
    images: list[Any] = []
    outcomes = []
    for item in items:
        if len(item) < (frames or 1):
            reason = f"{len(item)} of the {frames} frames that a clip needs"
            outcomes.append(("too_short", reason, item[0]))
            continue
        pictures: list[AnyArray] = []
        content = hashlib.blake2b(digest_size=16)
        try:
            for path in item:
                pictures.append(read_image(Path(path)))
                content.update(pictures[-1].tobytes())
        except (InputError, OSError) as error:
            there = Path(path).exists() or split_packed(path) is not None
            outcomes.append(("error" if there else "missing", str(error), path))
        else:
            images.append(pictures[0] if frames is None else _stacked(pictures))
            outcomes.append(("ok", "", f"{pictures[0].shape}{content.hexdigest()}"))
    return images, outcomes


def _stacked(images: list[Any]) -> Any:
    """Return arrays of one shape as one array, else the list."""
    shapes = {getattr(image, "shape", None) for image in images}
    return np.stack(images) if len(shapes) == 1 and None not in shapes else images


def score_images(detector: Scorer, images: list[Any]) -> DoubleArray:
    """Return P(fake) of images or clips, of unequal sizes or not; refuse what is none."""
    scores = np.asarray(detector.scores(_stacked(images)), np.float64)
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


def versions() -> dict[str, str]:
    """Return the versions of Python, of this library and of those that scores depend on."""
    found = {"python": platform.python_version(), "deepfake-generalize": __version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_detector(detector: Scorer | str) -> dict[str, Any]:
    """Return name, sha256 (of a Keras network) and training record, None where not known."""
    if isinstance(detector, str):
        return {"name": detector, "sha256": None, "training": None}
    record = getattr(detector, "training", None)
    training = json.loads(json.dumps(record, default=str)) if isinstance(record, dict) else None
    return {"name": str(detector.name), "sha256": _network_hash(detector), "training": training}


def _network_hash(detector: Scorer) -> str | None:
    model = getattr(detector, "model", None)
    if not all(hasattr(model, member) for member in ("get_weights", "to_json")):
        return None
    from deepfake_generalize.models.detectors import weights_sha256

    layers = [type(layer).__name__ for layer in model.layers]  # type: ignore[union-attr]
    known_by = (getattr(detector, "fake_index", None), layers, weights_sha256(model))
    return hashlib.sha256(repr(known_by).encode()).hexdigest()
