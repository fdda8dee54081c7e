"""How a detector does on perturbed pictures: robustness, and whether it reads shortcuts."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize.data import PERTURBATIONS, FaceFinder, Perturbation, ShortcutWarning
from deepfake_generalize.data.faces import (
    check_frame_count,
    crop_opened,
    crop_settings,
    cut_out,
    open_tools,
)
from deepfake_generalize.data.layouts import fake_within, is_video_name
from deepfake_generalize.data.manifests import require_columns
from deepfake_generalize.data.perturbations import DEEPER_FORENSICS
from deepfake_generalize.errors import InputError, UndefinedMetricError, VideoError
from deepfake_generalize.metrics.resampling import Replicates, Resampling, resample
from deepfake_generalize.study.benchmarking import load_scored_set, score_images
from deepfake_generalize.study.render import render
from deepfake_generalize.study.scores import arrange, as_scored, read_labels
from deepfake_generalize.types import AnyArray, DoubleArray, Images, Scorer, UInt8Array
from deepfake_generalize.validation import check_choice, check_whole, describe

Choice: TypeAlias = Collection[str] | Mapping[str, Collection[int]]
"""Names among `PERTURBATIONS`, of which all levels are taken, or name to levels."""
MILD: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"gend_jpeg": (2, 3), "gend_blur": (1, 2), "gend_noise": (1, 2), "pixelation": (1,)}
)
"""What files meet on their way, and faces survive: saved once more, shrunk, a little blur."""

_Variant: TypeAlias = tuple[Perturbation, int]
_Cut: TypeAlias = "tuple[UInt8Array, DoubleArray | None]"
"""A picture, and how a crop is cut out of it once it is perturbed; None for a crop itself."""
_CLEAN = "none"
_SIZE, _MARGIN, _LOUD = 256, 1.3, 10.0
_ON_CROPS = "crops, after they were cut out"
_ON_FRAMES = "whole frames, before the face was cut out where it is in the clean frame"


@dataclass(frozen=True, eq=False, repr=False)
class Perturbed:
    """What `robustness` or `shortcut_test` measured.

    Attributes:
        detector: Its name.
        applied_to: Whether crops or whole frames were perturbed, in words.
        frame: One row a perturbation and level, in percent and percentage points, with `_low` and
            `_high`; the columns are in the function that made it.
        scores: One row a picture: key, label, score, and a column for each, such as "blur 1".
        notes: What a reader must know.
    """

    detector: str
    applied_to: str
    frame: pd.DataFrame
    scores: pd.DataFrame
    notes: tuple[str, ...]

    def table(self, table_format: str = "markdown", *, intervals: bool = False) -> str:
        """Return `frame` as "markdown", "latex", "html", "csv" or "text", with its caption."""
        shown = self.frame.astype({"level": object})
        shown["level"] = ["mean" if pd.isna(level) else level for level in shown["level"]]
        names = [name.removesuffix("_low") for name in map(str, shown) if name.endswith("_low")]
        ends = {name: (shown.pop(f"{name}_low"), shown.pop(f"{name}_high")) for name in names}
        shown = shown.astype(object).where(shown.notna(), "-")
        said = f"{self.detector}; perturbed were {self.applied_to}."
        return render(shown, table_format, intervals=ends if intervals else None, caption=said)

    def __repr__(self) -> str:
        """Show the table and the notes."""
        return "\n".join([self.table("text"), *(f"note: {note}" for note in self.notes)])


def robustness(
    detector: Scorer,
    crops: pd.DataFrame | str | Path,
    *,
    perturbations: Choice = DEEPER_FORENSICS,
    seed: int = 0,
    resampling: Resampling = Resampling(),  # noqa: B008  (it is frozen)
    frames_per_video: int = 10,
    finder: FaceFinder | None = None,
    aligner: str = "landmarks",
) -> Perturbed:
    """Measure how much a detector loses when real and fake pictures alike are perturbed.

    Degradation is the paper's: the accuracy on the pictures as they are, minus that on the
    perturbed ones; of a type, minus the mean over its levels. The same videos are drawn for all
    levels, so that its intervals are paired.

    Args:
        detector: Anything with a `name` and `scores(images)`.
        crops: Crops with path and label (1 is fake), as a table or a place that `data.read_set`
            reads: they are perturbed themselves. Or a table of videos, as `data.find_videos` gives:
            then whole frames are perturbed, and the face is cut out of each where it is in the
            clean one. A blur of 7 pixels does more to a crop than to the frame that it was shrunk
            from: `applied_to` says which. Detectors of clips take crops alone.
        perturbations: Names among `data.PERTURBATIONS`, or name to levels.
        seed: Of what is drawn in perturbations.
        resampling: How the intervals are made.
        frames_per_video: Of videos: frames taken of each, for crops of 256 x 256 pixels.
        finder: Of videos: as in `data.crop_video`.
        aligner: Of videos: as in `data.crop_video`.

    Returns:
        `frame` has the clean pictures first ("none", level 0), then the levels of each type and
        their mean (level NA): `perturbation`, `level`, `value` (of the perturbation's parameter),
        `accuracy` at 0.5 and `auc` in percent, `degradation` in percentage points, `n_real` and
        `n_fake` (pictures). AUCs are NaN where there is one class.

    Raises:
        InputError: No such perturbation or level, scores in place of crops, no detector.
        UndefinedMetricError: No picture can be scored.

    Examples:
        >>> import tempfile, cv2
        >>> from deepfake_generalize.models import as_detector
        >>> red = as_detector(lambda images: images[..., 0].mean((1, 2)), name="red", size=32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = [{"path": f"{folder}/{n}.png", "label": n % 2} for n in range(12)]
        ...     for row in rows:
        ...         picture = np.full((32, 32, 3), (0, 0, 60 + 140 * row["label"]), np.uint8)
        ...         _ = cv2.imwrite(row["path"], picture)
        ...     found = robustness(red, pd.DataFrame(rows), perturbations={"contrast": [1, 5]})
        >>> found.frame[["perturbation", "level", "accuracy", "degradation"]]
          perturbation  level  accuracy  degradation
        0         none      0     100.0          0.0
        1     contrast      1     100.0          0.0
        2     contrast      5      50.0         50.0
        3     contrast   <NA>      75.0         25.0
    """
    videos: dict[str, Any] = {"finder": finder, "aligner": aligner}
    videos |= {"frames_per_video": frames_per_video, "seed": seed, "resampling": resampling}
    return _run(detector, crops, perturbations, **videos)


def shortcut_test(
    detector: Scorer,
    crops: pd.DataFrame | str | Path,
    *,
    perturbations: Choice = MILD,
    **options: Any,
) -> Perturbed:
    """Perturb only the reals, only the fakes, and both, and see which way a detector swings.

    One that reads forgery is moved little by a mild perturbation, and about alike by all three. One
    that has learnt that fakes are compressed takes compressed reals for fakes: with reals perturbed
    its AUC falls, with fakes perturbed it rises.

    Args:
        detector: Anything with a `name` and `scores(images)`.
        crops: As in `robustness`, of both classes.
        perturbations: Names among `data.PERTURBATIONS`, or name to levels; mild ones, for what
            hides the face hides forgery too.
        **options: `seed`, `resampling` and those of videos, as in `robustness`.

    Returns:
        `frame` has the clean pictures first, then three rows a perturbation and level, by what was
        `perturbed` ("reals", "fakes", "both"), with the columns of `robustness`; and of the three
        together `swing`: the AUC with fakes perturbed minus that with reals perturbed, in
        percentage points. Above 0 the perturbation looks fake to the detector, below 0 real.
        `told`: whether it was warned of.

    Raises:
        InputError: As `robustness`.
        UndefinedMetricError: No picture can be scored, or only those of one class.

    Warns:
        ShortcutWarning: A swing of more than 10 points, with no 0 in its interval.

    Examples:
        >>> shortcut_test(detector, crops).notes[0]  # doctest: +SKIP
        'gend_jpeg 2 looks fake to MesoNet: its AUC is 97.1 %, 58.0 % with reals perturbed, ...'
    """
    undefined = UndefinedMetricError(
        "a swing of the AUC is undefined for pictures of one class.", hint="Pass reals and fakes."
    )
    # Before an hour is spent on scores.
    if isinstance(crops, pd.DataFrame) and "label" in crops and len({*crops["label"]}) == 1:
        raise undefined
    found = _run(detector, crops, perturbations, ("reals", "fakes", "both"), **options)
    frame, clean = found.frame, found.frame["auc"].iloc[0]
    if np.isnan(clean):
        raise undefined
    zero = (frame["swing_low"] <= 0.0) & (frame["swing_high"] >= 0.0)
    frame["told"] = (frame["swing"].abs() > _LOUD) & ~zero
    told = []
    for (name, level), rows in frame[frame["told"]].groupby(["perturbation", "level"], sort=False):
        reals, fakes = rows["auc"].iloc[:2]
        swing, low, high = rows[["swing", "swing_low", "swing_high"]].iloc[0]
        told.append(
            f"{name} {level} looks {'fake' if swing > 0 else 'real'} to {detector.name}: its AUC "
            f"is {clean:.1f} %, {reals:.1f} % with reals perturbed, {fakes:.1f} % with fakes "
            f"perturbed, a swing of {swing:.1f} points ({low:.1f} to {high:.1f})"
        )
    if told:
        said = f"{'. '.join(told)}. It may read how pictures were saved, and not forgery."
        warnings.warn(said, ShortcutWarning, stacklevel=2)
    return replace(found, notes=(*told, *found.notes))


class _Probe:
    """A scorer that scores whatever it gets perturbed too, and keeps that aside."""

    def __init__(self, detector: Scorer, variants: Sequence[_Variant], seed: int) -> None:
        if not isinstance(detector, Scorer):
            raise InputError(
                f"expected a detector with name and scores(images), received {describe(detector)}.",
                hint="Pictures are perturbed and scored now: pass the detector itself.",
            )
        self.name, self._detector, self._seed = detector.name, detector, seed
        self.frames = getattr(detector, "frames", None)
        self.found: dict[_Variant, list[float]] = {variant: [] for variant in variants}
        self._levels: dict[str, list[int]] = {}
        for perturbation, level in variants:
            self._levels.setdefault(perturbation.name, []).append(level)

    def scores(self, images: Images) -> AnyArray:
        """Score images or clips as they are; keep the scores of each variant."""
        if self.frames is None:
            return self.of_frames(images, [(image, None) for image in images])
        for (perturbation, level), found in self.found.items():
            clips = [[perturbation(of, level, seed=self._seed) for of in clip] for clip in images]
            found.extend(score_images(self._detector, clips))
        return score_images(self._detector, [*images])

    def of_frames(self, crops: Images, cuts: Sequence[_Cut]) -> AnyArray:
        """The same, where what is perturbed are frames that the crops are cut out of."""
        for name, levels in self._levels.items():
            perturbation = PERTURBATIONS[name]
            images: list[list[UInt8Array]] = [[] for _ in levels]
            for picture, matrix in cuts:
                changed = perturbation.at_levels(picture, levels, seed=self._seed)
                for own, of in zip(images, changed, strict=True):
                    own.append(of if matrix is None else cut_out(of, matrix, _SIZE))
            for level, own in zip(levels, images, strict=True):
                self.found[perturbation, level].extend(score_images(self._detector, own))
        return score_images(self._detector, [*crops])


def _read_choice(given: Choice) -> list[_Variant]:
    hint = 'Pass names, ["blur"], or levels too, {"blur": [1, 3]}.'
    if isinstance(given, str) or not isinstance(given, Collection) or not given:
        raise InputError(f"expected names of perturbations, received {given!r}.", hint=hint)
    found = []
    for name in given:
        known = PERTURBATIONS[check_choice("a perturbation", name, PERTURBATIONS, hint=hint)]
        every = range(1, len(known.values) + 1)
        levels = given[name] if isinstance(given, Mapping) else every
        if not isinstance(levels, Collection) or not levels:
            raise InputError(f"expected levels of {name}, received {levels!r}.", hint=hint)
        found += [(known, known.check_level(level)) for level in levels]
    return list(dict.fromkeys(found))


def _score_videos(
    probe: _Probe,
    videos: pd.DataFrame,
    frames_per_video: int = 10,
    finder: FaceFinder | None = None,
    aligner: str = "landmarks",
) -> pd.DataFrame:
    """Score the faces in evenly spaced frames, one row a sampled frame or a failed video."""
    require_columns(videos, ("path", "label"), what="videos", hint="Use data.find_videos(root).")
    if probe.frames is not None:
        raise InputError(
            f"expected crops for the detector of clips {probe.name}, received videos.",
            hint="Cut the faces out first: data.extract_faces(videos, folder).crops.",
        )
    if resized := [of.name for of, _ in probe.found if not of.keeps_size]:
        raise InputError(
            f"expected perturbations that keep the size of whole frames, received {resized[0]}.",
            hint="Cut the faces out first, and pass the crops.",
        )
    count, settings = check_frame_count(frames_per_video), crop_settings(_SIZE, _MARGIN)
    rows: list[dict[Any, Any]] = []
    with open_tools(finder, aligner) as tools:
        for video in videos.to_dict("records"):
            about = video | {"video": video["path"], "score": float("nan")}
            cuts: list[_Cut] = []
            try:
                cut = crop_opened(video["path"], count, settings, *tools, cuts, fake_within(video))
            except VideoError as error:
                rows.append(about | {"status": error.status, "reason": error.message})
                continue
            scores = iter(probe.of_frames(cut.images, cuts) if cuts else ())
            for at, status, reason in cut.frames[["frame", "status", "reason"]].to_numpy():
                score = next(scores) if status == "ok" else float("nan")
                found = {"frame": at, "status": status, "reason": reason, "score": score}
                rows.append(about | found)
    table = pd.DataFrame(rows).fillna({"reason": ""})
    if not (table["status"] == "ok").any():
        raise UndefinedMetricError(
            f"expected a face in the {len(videos)} videos, found none: {table['reason'].iloc[0]}."
        )
    outcomes = {key: list(table[key]) for key in ("score", "status", "reason")}
    return arrange(table, read_labels("videos", table), outcomes)


def _score(
    probe: _Probe, crops: pd.DataFrame | str | Path, **videos: Any
) -> tuple[pd.DataFrame, str]:
    """Return the scores of crops, or of faces in frames, and what was perturbed."""
    paths = [*crops.get("path", ())] if isinstance(crops, pd.DataFrame) else []
    if isinstance(crops, pd.DataFrame) and paths and all(map(is_video_name, map(str, paths))):
        return _score_videos(probe, crops, **videos), _ON_FRAMES
    scored = load_scored_set("crops", crops, probe)
    if scored.source != "crops":
        raise InputError(
            "expected crops, received scores.",
            hint="Pictures are perturbed and scored now: pass a table with path and label.",
        )
    return scored.frame, _ON_CROPS


def _run(
    detector: Scorer,
    crops: pd.DataFrame | str | Path,
    perturbations: Choice,
    sides: Sequence[str] = ("both",),
    *,
    seed: int = 0,
    resampling: Resampling = Resampling(),  # noqa: B008  (it is frozen)
    **videos: Any,
) -> Perturbed:
    """Score everything once, and measure what perturbing each of `sides` does."""
    variants = _read_choice(perturbations)
    probe = _Probe(detector, variants, check_whole("seed", seed, least=0))
    frame, where = _score(probe, crops, **videos)
    ok = frame["status"] == "ok"
    failed = frame.loc[~ok, "status"].value_counts()
    notes = [f"{n} {status}: not scored, clean or perturbed" for status, n in failed.items()]
    columns = {f"{of.name} {level}": found for (of, level), found in probe.found.items()}
    scores = frame[ok].reset_index(drop=True).assign(**columns)
    clean, fake = scores["score"], scores["label"] == 1
    reached = {"reals": ~fake, "fakes": fake, "both": fake | True}
    every = {_CLEAN: clean} | {
        f"{name} {side}": scores[name].where(reached[side], clean)
        for name in columns
        for side in sides
    }
    scored = {name: {"": as_scored(scores.assign(score=of))} for name, of in every.items()}
    drawn = resample(scored, ["accuracy", "auc"], resampling, scale=100.0)
    rows = [_row(drawn, [_CLEAN], _CLEAN, 0)]
    for name, levels in groupby(variants, key=lambda variant: variant[0].name):
        own = [(level, of.text(level)) for of, level in levels]
        for level, value in own:
            sets = {side: f"{name} {level} {side}" for side in sides}
            new = [_row(drawn, [of], name, level, value, side) for side, of in sets.items()]
            if len(sides) > 1 and ("", _CLEAN, "auc") in drawn.numbers:
                auc = drawn.of("auc")
                swing = auc["", sets["fakes"]] - auc["", sets["reals"]]
                new = [row | _ends("swing", drawn, swing, (-100.0, 100.0)) for row in new]
            rows += new
        if len(sides) == 1 and len(own) > 1:
            rows.append(_row(drawn, [f"{name} {level} {sides[0]}" for level, _ in own], name))
    table = pd.DataFrame(rows).assign(n_real=int((~fake).sum()), n_fake=int(fake.sum()))
    note = drawn.interval(np.zeros((1, 2))).note
    said = (*notes, note) if note else tuple(notes)
    return Perturbed(detector.name, where, table.astype({"level": "Int64"}), scores, said)


def _row(
    drawn: Replicates,
    sets: Sequence[str],
    name: str,
    level: int | None = None,
    value: str = "-",
    side: str = "both",
) -> dict[str, Any]:
    """Return the means over some sets: of accuracy, AUC and what is lost of accuracy."""
    row: dict[str, Any] = {"perturbation": name, "level": level, "value": value, "perturbed": side}
    for metric in ("accuracy", "auc"):
        of = drawn.of(metric)
        known = np.mean([of["", name] for name in sets], axis=0) if ("", _CLEAN) in of else None
        row |= _ends(metric, of, known, (0.0, 100.0))
    return row | _ends("degradation", drawn, drawn.degradation("", _CLEAN, sets))


def _ends(
    name: str,
    drawn: Replicates,
    values: DoubleArray | None,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> dict[str, float]:
    """Return a number and the ends of its interval, by name; NaN where it does not exist."""
    ends = [np.nan] * 3
    if values is not None:
        found = drawn.interval(values, within=within)
        ends = [round(end, 10) + 0.0 for end in (found.estimate, found.low, found.high)]
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
