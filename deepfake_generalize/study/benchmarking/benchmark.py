"""Where does a detector stand? Its row of the paper's generalizability tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any, Required, TypeAlias, TypedDict, Unpack, get_args, overload

import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize._version import __version__
from deepfake_generalize.data import Splits
from deepfake_generalize.data.crops import read_set, split_packed
from deepfake_generalize.data.leakage import audit_leakage, warn_of_leaks
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.metrics import Resampling, decompose_degradation
from deepfake_generalize.study.benchmarking.inputs import (
    ORIGINAL,
    Outcomes,
    ScoredSet,
    SetInput,
    describe_detector,
    load_scored_set,
    versions,
)
from deepfake_generalize.study.benchmarking.measure import (
    THRESHOLD,
    Policy,
    coverage_notes,
    measure_sets,
    row_intervals,
)
from deepfake_generalize.study.benchmarking.result import Benchmark, Benchmarks
from deepfake_generalize.study.facts import check_set_name
from deepfake_generalize.study.paper_tables import with_losses
from deepfake_generalize.study.protocol import shared_by_benchmark
from deepfake_generalize.study.published import little_to_lose, rank_among_published
from deepfake_generalize.study.scores import Polarity, check_polarity, data_hash, unit_of
from deepfake_generalize.types import Scorer
from deepfake_generalize.validation import check_choice, check_mapping, describe

Training: TypeAlias = pd.DataFrame | Splits | str | Path
TrainedOn: TypeAlias = Training | Mapping[str, Training | None]
TRAINING = "training"
Shared: TypeAlias = Iterable[tuple[str, ...]] | Mapping[tuple[str, ...], str | Iterable[str]]
_WORDS = {"video": "videos", "identity": "people", "near_duplicate": "near-duplicates"}
_PEOPLE = ("identity", "video", "near_duplicate")
_MUCH_MOVED = 0.1
"""From so much on, and where it is half of the loss or more, a note says that it moved."""
_TURNED_ROUND = 0.1
"""Below this AUC labels or scores are likely to be the wrong way round."""
_UPSIDE_DOWN = 0.4
_TRAINING_FACTS = ("recipe", "seed", "selection", "selection_rule", "best_epoch", "data", "parent")
_POLICY_HINT = "exclude leaves out what has no score, the others count it."


class _Choices(TypedDict, total=False):
    original: Required[SetInput]
    unseen: Required[Mapping[str, SetInput]]
    specialized: Mapping[str, SetInput] | None
    trained_on: TrainedOn | None
    audit: bool
    shared_by_design: Shared
    policy: Policy
    polarity: Polarity | None
    resampling: Resampling | None


@overload
def benchmark(detector: Scorer | str, **choices: Unpack[_Choices]) -> Benchmark: ...
@overload
def benchmark(detector: list[Any] | tuple[Any, ...], **choices: Unpack[_Choices]) -> Benchmarks: ...
def benchmark(  # noqa: PLR0913  (each is a choice of its own)
    detector: Scorer | str | list[Any] | tuple[Any, ...],
    *,
    original: SetInput,
    unseen: Mapping[str, SetInput],
    specialized: Mapping[str, SetInput] | None = None,
    trained_on: TrainedOn | None = None,
    audit: bool = True,
    shared_by_design: Shared = (),
    policy: Policy = "exclude",
    polarity: Polarity | None = None,
    resampling: Resampling | None = Resampling(),  # noqa: B008  (it is frozen)
) -> Benchmark | Benchmarks:
    """Measure how much a detector, or each of several, loses on data that it has not seen.

    Accuracies are of images at a threshold of 0.5, a score of 0.5 counting as fake. Images that
    cannot be read, and rows of a score table whose status is not "ok", count as `policy` says; they
    are counted in `coverage` and named in `notes`.

    Args:
        detector: Anything with a `name` and `scores(images)`, such as `models.Detector` or what
            `models.as_detector` makes of a function. It gets uint8 RGB, (N, H, W, 3), or a list of
            (H, W, 3) where sizes differ, at most 64 images at once; with `frames`, clips of the
            crops of a video (`types.Scorer`). Where all sets are scores, a name is enough. A list
            of them is ranked and compared; then a set may also be a mapping of a detector's name to
            its scores, and the audit is made for the first alone.
        original: Crops (a DataFrame with path and label, 1 is fake), a folder of them, scores (a
            DataFrame with label and score, optionally status, reason, path, video, dataset,
            method, frame; and neither `box` nor `aligner`, whose score is the face finder's), or a
            CSV file of scores; paths may end in a query, as in "crops[method=FaceSwap]"
            (`data.select`). Of the kind that the detector was trained on, but not that itself.
        unseen: Name to the same, for the sets that it has not seen.
        specialized: Name to the same, for sets that share the synthesis method (Table VI) or the
            people (Table VII) with the training data.
        trained_on: What the detector was trained on, to be audited with the sets: crops, a folder
            of them or `Splits`. {"CELEB": crops} or {"F2F": crops} names it as well, None in place
            of crops names it alone: Table VI is about detectors trained on CELEB, VII on F2F.
        audit: Whether to look for videos, people and near-identical images that the sets share
            where nothing should be; what is found is in `leakage`, and a `LeakageWarning`.
        shared_by_design: Groups of sets that are meant to share material, "original" and "training"
            among them: [("original", "FS", "DF")] where all have the reals of FaceForensics++. A
            mapping of a group to kinds of `data.audit_leakage` says what exactly; else it is
            everything, but with "training" no frame. Unseen and specialized sets may share anything
            among themselves without it.
        policy: What counts for images without a score: "exclude" leaves them out, "as-real" and
            "as-fake" count them as called so, "as-chance" as half right (score one half).
        polarity: Which way scores made elsewhere point: "fake-high" for P(fake), "real-high" for
            P(real). Not said, they are taken as P(fake), and refused where that makes the detector
            worse than chance on its own original set.
        resampling: How intervals are made; None leaves them out.

    Returns:
        The row, its rank and all it was made from; of a list, a `Benchmarks` of all rows.

    Raises:
        InputError: No unseen sets, sets without names, names that clash, wrong columns, labels,
            statuses or scores, an image that a set holds twice, or no detector for crops.
        UndefinedMetricError: No image of a set has a score.

    Reproduction notes:
        Sections IV-A and IV-B, Tables V to VII. The paper's sets hold 2,000 images, half of them
        real. It enters only detectors that degrade by more than 30 points in Tables VI and VII: so
        do `frame` and `table`; `row` holds what was measured in any case. The paper gives no
        intervals, no video scores and no audit.

    Examples:
        >>> import pandas as pd
        >>> def scores(fakes_found):
        ...     found = [1.0] * fakes_found + [0.0] * (10 - fakes_found)
        ...     return pd.DataFrame({"label": [1] * 10 + [0] * 10, "score": found + [0.0] * 10})
        >>> unseen = {"A": scores(3), "B": scores(1)}
        >>> benchmark("mine", original=scores(9), unseen=unseen, resampling=None)
        Detector  Original accuracy (%)      A      B  Average  Degradation (% points)
        mine                      95.00  65.00  55.00    60.00                   35.00
        no rank: ranks do not compare: the published thirty were measured on FS, NT, DF, DFD,
        this detector on A, B
    """
    specialized = {} if specialized is None else specialized
    _check_sets(unseen, specialized)
    check_choice("policy", policy, get_args(Policy), hint=_POLICY_HINT)
    given = ({ORIGINAL: original}, unseen, specialized)
    names = [name for group in given for name in group]
    shared = _read_shared(shared_by_design, names)
    choices = (_read_training(trained_on), shared, policy, polarity, resampling)
    if not isinstance(detector, list | tuple):
        return _benchmark(detector, given, audit, *choices)
    if not detector:
        raise InputError("expected at least one detector, received an empty list.")
    found: dict[str, Benchmark] = {}
    for scorer in detector:
        _check_detector(scorer)
        name = scorer if isinstance(scorer, str) else scorer.name
        if name in found:
            raise InputError(
                f"expected detectors of different names, received {name} twice.",
                hint="Give each a name: models.as_detector(function, name=...).",
            )
        found[name] = _benchmark(scorer, given, audit and not found, *choices)
    return Benchmarks(found, resampling or Resampling())


def _benchmark(
    detector: Scorer | str,
    given: Sequence[Mapping[str, SetInput]],
    audit: bool,
    trained_on: tuple[str | None, pd.DataFrame | Splits | None],
    shared: Mapping[tuple[str, str], tuple[str, ...]],
    policy: Policy,
    polarity: Polarity | None,
    resampling: Resampling | None,
) -> Benchmark:
    training_dataset, training = trained_on
    sets, pictures = _load(detector, given, polarity)
    described = describe_detector(detector)
    name, names, special = described["name"], list(given[1]), list(given[2])
    notes = _check_one_detector(described, sets)
    measured = measure_sets(sets, policy, resampling)
    accuracies = measured.accuracies
    row = {"detector": name, "original_accuracy": accuracies[ORIGINAL], **accuracies}
    intervals, rank_interval = row_intervals(measured, names, special)
    low = getattr(intervals.get("original_accuracy"), "low", None)
    chance = 100.0 * max(sets[0].class_counts.values()) / len(sets[0].usable)
    little = little_to_lose(accuracies[ORIGINAL], low=low, chance=chance)
    on_unseen = {key: accuracies[key] for key in names}
    rank, reason = rank_among_published(accuracies[ORIGINAL], on_unseen, little=little)
    found = measured.table.set_index("set")["frame_auc"]
    leakage = _audit_sets(sets, names, special, training, shared) if audit else None
    done = "done" if training is not None else "done, without the training data"
    done = "no images or videos are known" if leakage is None else done
    choices = {
        "policy": policy,
        "split_sha256": getattr(training, "sha256", None),
        "audit": done if audit else "left out",
        "resampling": None if resampling is None else asdict(resampling),
    }
    return Benchmark(
        detector=name,
        row=with_losses(pd.DataFrame([row]), names, special),
        intervals=intervals,
        rank=rank,
        rank_reason=reason,
        little_to_lose=little,
        rank_interval=None if rank is None else rank_interval,
        metrics=measured.table,
        auc={key: None if pd.isna(found[key]) else float(found[key]) for key in found.index},
        scores={scored.name: scored.frame for scored in sets},
        coverage={scored.name: scored.coverage for scored in sets},
        policy=policy,
        leakage=leakage,
        unseen=tuple(names),
        specialized=tuple(special),
        training_dataset=training_dataset,
        notes=(
            *_alarms(sets, measured.table, pictures if audit else None),
            *notes,
            *_notes(detector, sets, policy),
            *measured.notes,
            *_leak_notes(leakage),
        ),
        provenance=_provenance(described, sets) | choices,
    )


def _load(
    detector: Scorer | str, given: Sequence[Mapping[str, SetInput]], polarity: Polarity | None
) -> tuple[list[ScoredSet], Outcomes]:
    _check_detector(detector)
    check_polarity(polarity)
    known: Outcomes = {}
    sets = [
        load_scored_set(key, of, detector, polarity=polarity, known=known)
        for group in given
        for key, of in group.items()
    ]
    _check_direction(sets[0])
    return sets, known


def _provenance(described: Mapping[str, Any], sets: Sequence[ScoredSet]) -> dict[str, Any]:
    training = described["training"]
    return {
        "library_version": __version__,
        "threshold": THRESHOLD,
        "images": {scored.name: scored.class_counts for scored in sets},
        "source": {scored.name: scored.source for scored in sets},
        "data_sha256": {scored.name: data_hash(scored.frame) for scored in sets},
        "detector": {**described, "training": _summarise_training(training)},
        "selection": _selection_rule(training),
        "versions": versions(),
    }


def _moved_thresholds(sets: Sequence[ScoredSet]) -> Iterator[str]:
    """Yield where a threshold that moved makes most of a loss."""
    pairs = {of.name: (of.usable["label"], of.usable["score"]) for of in sets}
    home = pairs.pop(ORIGINAL)
    for part in decompose_degradation(home, pairs).to_dict("records")[1:]:
        moved, lost = part["threshold_moved"], part["degradation"]
        if lost > 0 and moved >= max(_MUCH_MOVED, part["ranking_lost"]):
            back = f"{100 * moved:.2f} of the {100 * lost:.2f} points lost at 0.5"
            if moved > lost:
                back = (
                    f"the {100 * lost:.2f} points lost at 0.5 and {100 * (moved - lost):.2f} more"
                )
            yield (
                f"{part['set']}: its threshold moved: {back} would come back with the best "
                f"threshold, which only an oracle knows; AUC {part['auc']:.3f}."
            )


def _notes(detector: object, sets: Sequence[ScoredSet], policy: Policy) -> Iterator[str]:
    """Yield what a reader of the row must know about the detector and its sets."""
    if getattr(detector, "synthetic", False):
        yield "The detector was trained on synthetic faces: no evidence about real deepfakes."
    yield from _moved_thresholds(sets)
    if videos := [of.name for of in sets if unit_of(of.frame) == "video"]:
        yield f"{', '.join(videos)}: each score is of a video, what is called frames here too"
    for scored in sets:
        if chosen := scored.frame.attrs.get("selected"):
            yield f"{scored.name}: {chosen}"
        yield from coverage_notes(scored, policy)
    for scored in sets:
        name, counts = scored.name, scored.class_counts
        n, scores = len(scored.usable), scored.usable["score"]
        if n > 2 and scores.min() == scores.max():
            yield (
                f"{name}: all {n} scores are equal, so its accuracy is only the share of one class."
            )
        if counts["fake"] != counts["real"]:
            yield (
                f"{name}: {counts['fake']} fake and {counts['real']} real "
                f"{unit_of(scored.frame)}s; the paper's sets are half real, "
                "so accuracies on this one do not compare with them."
            )


def _alarms(
    sets: Sequence[ScoredSet], measured: pd.DataFrame, pictures: Outcomes | None
) -> Iterator[str]:
    """Yield what to look into before any number is read; `measured` is `Benchmark.metrics`."""
    found = {row["set"]: row for row in measured.to_dict("records")}
    for scored in sets:
        name, counts = scored.name, scored.class_counts
        auc, high = found[name]["frame_auc"], found[name]["frame_auc_high"]
        if pd.isna(auc):
            n, only = len(scored.usable), "fake" if counts["fake"] else "real"
            yield f"{name}: AUC is undefined for one class: all {n} labels are {only}."
        elif auc < _TURNED_ROUND:
            yield (
                f"{name}: AUC {auc:.3f}: nearly every real scores above nearly every fake. Are the "
                "labels swapped (1 is fake), or are the scores P(real)?"
            )
        elif name == ORIGINAL and (auc if pd.isna(high) else high) < 0.5:
            yield f"{name}: AUC {auc:.3f}: the detector is worse than chance on its own set."
    if pictures is not None:
        yield from _under_both_labels(sets, pictures)


def _under_both_labels(sets: Sequence[ScoredSet], pictures: Outcomes) -> Iterator[str]:
    known: dict[str, tuple[int, str]] = {}
    twice: dict[str, str] = {}
    for scored in sets:
        rows = scored.usable.dropna(subset=["path"])
        for path, label in zip(rows["path"].astype(str), rows["label"], strict=True):
            # The path of scores may be a video's, and is all that is known of them.
            *_, picture = pictures.get((path,), (path,))
            before, where = known.setdefault(picture, (label, f"{scored.name}, {path}"))
            if before != label:
                words = (where, f"{scored.name}, {path}")
                twice.setdefault(picture, " and as fake in ".join(words[:: 1 if label else -1]))
    if twice:
        yield (
            f"{len(twice)} pictures stand under both labels, the first as real in "
            f"{next(iter(twice.values()))}: are the labels of a set swapped?"
        )


def _read_training(trained_on: TrainedOn | None) -> tuple[str | None, pd.DataFrame | Splits | None]:
    """Return the name of the training data, if it was said, and the crops, if they are there."""
    name: str | None = None
    given: object = trained_on
    if isinstance(trained_on, Mapping):
        if len(trained_on) != 1:
            raise InputError(
                f"expected trained_on to name one data set, received {len(trained_on)}.",
                hint='Pass trained_on={"CELEB": crops}.',
            )
        ((name, given),) = trained_on.items()
    if given is None or isinstance(given, pd.DataFrame | Splits):
        return name, given
    if isinstance(given, str | Path):
        return name, read_set(given)
    raise InputError(
        f"expected trained_on to be crops, a folder of them or Splits, received {describe(given)}.",
        hint='Pass trained_on=crops, or trained_on={"CELEB": crops} to name the data set.',
    )


def _read_shared(shared: Shared, names: Sequence[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return what every pair of sets shares by design, from groups of the sets' `names`."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for group in shared:
        if not isinstance(group, tuple) or len(group) < 2 or not {*group} <= {*names, TRAINING}:
            raise InputError(
                f"expected groups of two or more of the sets {', '.join(names)} and {TRAINING}, "
                f"received {group!r} among what is shared by design.",
                hint=f'As in shared_by_design=[("{ORIGINAL}", "FS")], on the command line '
                f"--shared-by-design {ORIGINAL},FS.",
            )
        said = shared[group] if isinstance(shared, Mapping) else None
        for pair in combinations(group, 2):
            all_of = _PEOPLE if TRAINING in pair else (*_PEOPLE, "frame")
            found[pair] = (said,) if isinstance(said, str) else tuple(said or all_of)
    return found


def _audit_sets(
    scored: Sequence[ScoredSet],
    unseen: Sequence[str],
    specialized: Sequence[str],
    training: pd.DataFrame | Splits | None,
    shared: Mapping[tuple[str, str], tuple[str, ...]],
) -> pd.DataFrame | None:
    """Audit the sets and what the detector was trained on; None where no set tells its images."""
    frames = {of.name: _auditable(of.frame) for of in scored}
    given = frames if training is None else {**frames, TRAINING: training}
    sets = {name: crops for name, crops in given.items() if crops is not None}
    if len(sets) < 2:
        return None
    designs = shared_by_benchmark(ORIGINAL, unseen, specialized, training=TRAINING) | {**shared}
    findings = audit_leakage(
        sets,
        near_duplicates=all(_has_images(frame) for frame in sets.values()),
        shared_by_design={pair: of for pair, of in designs.items() if set(pair) <= set(sets)},
    )
    warn_of_leaks(findings, stacklevel=5)
    return findings


def _leak_notes(leakage: pd.DataFrame | None) -> list[str]:
    """Say what every pair of sets shares that it should not, and in one note what is meant."""
    if leakage is None or leakage.empty:
        return []
    shared = leakage[leakage["kind"] != "unreadable"]
    meant = shared[shared["by_design"]]
    pairs = shared[~shared["by_design"]].groupby(["set_a", "set_b", "kind"], sort=False)
    notes = [f"{a} and {b} share {len(rows)} by {kind}: a leak" for (a, b, kind), rows in pairs]
    if len(meant):
        names = dict.fromkeys(meant[["set_a", "set_b"]].to_numpy().ravel())
        kinds = meant.groupby("kind", sort=False)["what"].nunique().items()
        told = ", ".join(f"{count} {_WORDS[str(kind)]}" for kind, count in kinds)
        notes.append(f"shared by design, among {', '.join(names)}: {told}")
    return notes


def _auditable(frame: pd.DataFrame) -> pd.DataFrame | None:
    # What could not be read is told by the coverage already.
    frame = frame[frame["status"] == "ok"]
    if frame["path"].notna().all():
        return frame
    if "video" in frame and frame["video"].notna().all():
        # The audit asks for a path a row; without images only videos and people are compared.
        return frame.assign(path=frame["key"])
    return None


def _has_images(crops: pd.DataFrame | Splits) -> bool:
    if isinstance(crops, Splits):
        return all(_has_images(part) for part in (crops.train, crops.val, crops.test))
    paths = crops["path"].astype(str).unique()
    return all(Path(path).exists() or split_packed(path) is not None for path in paths)


def _check_detector(detector: object) -> None:
    """Raise `InputError` unless this is a detector or the name of one."""
    if not isinstance(detector, str | Scorer):
        raise InputError(
            "expected a detector with the members name and scores(images), or the name of one, "
            f"received {describe(detector)}.",
            hint="Wrap a function with models.as_detector, a Keras model with models.Detector.",
        )


def _check_sets(unseen: Mapping[str, SetInput], specialized: Mapping[str, SetInput]) -> None:
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


def _check_direction(original: ScoredSet) -> None:
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


def _check_one_detector(detector: Mapping[str, Any], sets: Sequence[ScoredSet]) -> list[str]:
    """Note score files that name another detector or set; refuse those of several networks."""
    hashes = {"the detector given": detector["sha256"]}
    notes = []
    others = {scored.name for scored in sets}
    for scored in sets:
        name, facts = scored.name, scored.facts
        theirs = facts.get("detector") or {}
        hashes[f"the scores of the set {name}"] = theirs.get("sha256")
        if theirs.get("name") not in {None, detector["name"]}:
            notes.append(
                f"{name}: the score file names the detector {theirs['name']}, "
                f"this result {detector['name']}"
            )
        # A score file is of a set by its own name; whose original set it is it need not know.
        told = facts.get("set")
        if facts and told != name and (name != ORIGINAL or told in others):
            notes.append(f"{name}: the score file was written for {told}")
    known = {who: value for who, value in hashes.items() if value is not None}
    if len(set(known.values())) > 1:
        told = ", ".join(f"{who} {value[:12]}..." for who, value in known.items())
        raise DataMismatchError(
            f"expected the scores of one network, received several: {told}.",
            hint="Score all sets with the same detector.",
        )
    return notes


def _selection_rule(training: Mapping[str, Any] | None) -> str | None:
    """Return by what the weights were chosen, where the training record says so."""
    if not training:
        return None
    recipe = training.get("recipe")
    said = [
        place.get(name)
        for place in (training, recipe if isinstance(recipe, dict) else {})
        for name in ("selection", "selection_rule")
    ]
    return next((rule for rule in said if isinstance(rule, str)), None)


def _summarise_training(training: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the part of a training record that a table's reader asks for; not the history."""
    if training is None:
        return None
    return {name: training[name] for name in _TRAINING_FACTS if name in training}
