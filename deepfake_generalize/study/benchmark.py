"""Where does a detector stand? Its row of the paper's generalizability tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from deepfake_generalize import __version__, metrics
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.study import provenance
from deepfake_generalize.study.coverage import Policy, check_policy, counted, coverage_notes
from deepfake_generalize.study.evidence import Evidence, ScoredSet, gather
from deepfake_generalize.study.paper import rank_among_published
from deepfake_generalize.study.result import Benchmark
from deepfake_generalize.study.score_files import Polarity, check_polarity
from deepfake_generalize.types import Scorer
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

ORIGINAL = "original"
THRESHOLD = 0.5

_RESERVED = frozenset(
    {
        ORIGINAL,
        "original_accuracy",
        "detector",
        "rank",
        "average",
        "degradation",
        "specialized_average",
        "specialized_degradation",
        "degradation_difference",
    }
)
_UPSIDE_DOWN = 0.4


def benchmark(
    detector: Scorer | str,
    *,
    original: Evidence,
    unseen: Mapping[str, Evidence],
    specialized: Mapping[str, Evidence] | None = None,
    policy: Policy = "exclude",
    polarity: Polarity | None = None,
) -> Benchmark:
    """Measure how much a detector loses on data that it has not seen.

    Accuracies are of images at a threshold of 0.5, a score of 0.5 counting as fake. Images that
    cannot be read, and rows of a score table whose status is not "ok", count as `policy` says; they
    are counted in `coverage` and named in `notes`.

    A table with the columns label and score counts as scores, unless it also has `box` or
    `aligner`: then it is a manifest of crops, whose column score is the face finder's.

    Args:
        detector: Anything with a `name` and `scores(images)`, such as `models.Detector` or what
            `models.as_detector` makes of a function. It gets uint8 RGB, (N, H, W, 3), or a list of
            (H, W, 3) where sizes differ, at most 64 images at once. Where all sets are scores, a
            name is enough.
        original: Crops (a DataFrame with path and label, 1 is fake), a folder of them, scores (a
            DataFrame with label and score, optionally status, reason, path, video, dataset,
            method, frame), or a CSV file of scores. Must not be what the detector was trained on,
            but of its kind.
        unseen: Name to the same, for the sets that it has not seen.
        specialized: Name to the same, for sets that share the synthesis method (Table VI) or the
            people (Table VII) with the training data.
        policy: What counts for images without a score: "exclude" leaves them out, "as-real" and
            "as-fake" count them as called so, "as-chance" as half right (score one half). Every
            one but the first keeps a detector from gaining by failing on hard images.
        polarity: Which way scores made elsewhere point: "fake-high" for P(fake), "real-high" for
            P(real). Not said, they are taken as P(fake), and refused where that makes the detector
            worse than chance on its own original set. Crops, and score files with a JSON beside
            them, need none.

    Returns:
        The row, its rank and all it was made from.

    Raises:
        InputError: No unseen sets, sets without names, names that clash, wrong columns, labels,
            statuses or scores, an image that a set holds twice, or no detector for crops.
        DataMismatchError: Score files that are not what the JSON beside them says, or of several
            networks.
        UndefinedMetricError: No image of a set has a score.

    Reproduction notes:
        Sections IV-A and IV-B, Tables V to VII. The paper's sets hold 2,000 images, half of them
        real; on unbalanced sets an accuracy of 50 % is not chance, and a note says so. The paper
        enters only detectors that degrade by more than 30 points in Tables VI and VII; here every
        detector gets its row.

    Examples:
        >>> import pandas as pd
        >>> def scores(fakes_found):
        ...     found = [1.0] * fakes_found + [0.0] * (10 - fakes_found)
        ...     return pd.DataFrame({"label": [1] * 10 + [0] * 10, "score": found + [0.0] * 10})
        >>> benchmark("mine", original=scores(9), unseen={"A": scores(3), "B": scores(1)})
        Detector  Original accuracy (%)      A      B  Average  Degradation (% points)
        mine                      95.00  65.00  55.00    60.00                   35.00
        no rank: ranks do not compare: the published thirty were measured on FS, NT, DF, DFD,
        this detector on A, B
    """
    _check_detector(detector)
    _check_mapping("unseen", unseen)
    if specialized is None:
        specialized = {}
    _check_mapping("specialized", specialized)
    _check_names(unseen, specialized)
    check_policy(policy)
    check_polarity(polarity)
    sets = [
        gather(name, evidence, detector, polarity=polarity)
        for name, evidence in ({ORIGINAL: original} | dict(unseen) | dict(specialized)).items()
    ]
    _check_direction(sets[0])
    described = provenance.describe_detector(detector)
    notes = provenance.check_one_detector(described, sets)
    accuracies = {one.name: _percent(one, policy) for one in sets}
    aucs, more_notes = _describe_sets(sets, policy)
    rank, reason = rank_among_published(
        accuracies[ORIGINAL], {key: accuracies[key] for key in unseen}
    )
    return Benchmark(
        detector=described["name"],
        row=_row(described["name"], accuracies, list(unseen), list(specialized)),
        rank=rank,
        rank_reason=reason,
        auc=aucs,
        scores={one.name: one.frame for one in sets},
        coverage={one.name: {"ok": len(one.usable), "total": len(one.frame)} for one in sets},
        policy=policy,
        notes=(*notes, *more_notes),
        provenance=_provenance(described, sets, policy),
    )


def _provenance(
    described: Mapping[str, Any], sets: Iterable[ScoredSet], policy: Policy
) -> dict[str, Any]:
    sets = list(sets)
    training = described["training"]
    return {
        "library_version": __version__,
        "threshold": THRESHOLD,
        "policy": policy,
        "images": {one.name: _class_counts(one) for one in sets},
        "source": {one.name: one.source for one in sets},
        "data_sha256": provenance.data_hashes(sets),
        "detector": {**described, "training": provenance.summarise_training(training)},
        "selection": provenance.selection_rule(training),
        "versions": provenance.versions(),
    }


def _check_direction(original: ScoredSet) -> None:
    """Refuse scores made elsewhere that call the fakes real on the detector's own set."""
    if original.told or original.usable["label"].nunique() < 2:
        return
    usable = original.usable
    found = metrics.auc(usable["label"], usable["score"])
    if found < _UPSIDE_DOWN:
        raise InputError(
            "expected scores that are P(fake), received ones that put reals above fakes on the "
            f"original set (AUC {found:.3f}).",
            hint='If they are P(real), pass polarity="real-high"; if they are P(fake) and this is '
            'the truth, pass polarity="fake-high".',
        )


def _check_detector(detector: object) -> None:
    if not isinstance(detector, str | Scorer):
        raise InputError(
            "expected a detector with the members name and scores(images), or the name of one, "
            f"received {describe(detector)}.",
            hint="Wrap a function with models.as_detector, a Keras model with models.Detector.",
        )


def _check_mapping(argument: str, sets: object) -> None:
    if not isinstance(sets, Mapping):
        raise InputError(
            f"expected {argument} to be a mapping of names to sets, received {describe(sets)}.",
            hint=f'Pass {argument}={{"NAME": crops}}.',
        )


def _check_names(unseen: Mapping[str, Evidence], specialized: Mapping[str, Evidence]) -> None:
    if not unseen:
        raise InputError(
            "expected at least one unseen set, received none.",
            hint='Pass unseen={"DFD": crops}: degradation compares the original set with others.',
        )
    for name in (*unseen, *specialized):
        if not name or name in _RESERVED:
            raise InputError(
                f"a set cannot be called {name!r}: the table needs this name for itself.",
                hint="Give the set another name.",
            )
    both = sorted(set(unseen) & set(specialized))
    if both:
        raise InputError(
            f"the set {both[0]} is given as unseen and as specialized.",
            hint="Give every set a name of its own.",
        )


def _percent(scored: ScoredSet, policy: Policy) -> float:
    rows = counted(scored.frame, policy)
    right = (rows["score"] >= THRESHOLD) == (rows["label"] == 1)
    return _clean(100.0 * float(right.astype(float).mask(rows["undecided"], 0.5).mean()))


def _clean(percent: float) -> float:
    # Takes off the noise of float arithmetic: 57.99999999999999 is 58.
    return round(percent, 10)


def _row(
    name: str, accuracies: Mapping[str, float], unseen: Iterable[str], specialized: Iterable[str]
) -> pd.DataFrame:
    original = accuracies[ORIGINAL]
    on_unseen = {key: accuracies[key] for key in unseen}
    on_special = {key: accuracies[key] for key in specialized}
    lost = metrics.degradation(original, list(on_unseen.values()))
    row: dict[str, Any] = {"detector": name, "original_accuracy": original, **on_unseen}
    row |= {"average": _clean(original - lost), "degradation": _clean(lost)}
    if on_special:
        values = list(on_special.values())
        lost_on_special = metrics.degradation(original, values)
        row |= on_special
        if len(values) > 1:
            row["specialized_average"] = _clean(original - lost_on_special)
        row["specialized_degradation"] = _clean(lost_on_special)
        row["degradation_difference"] = _clean(
            metrics.degradation_difference(original, list(on_unseen.values()), values)
        )
    return pd.DataFrame([row])


def _describe_sets(
    sets: Iterable[ScoredSet], policy: Policy
) -> tuple[dict[str, float | None], list[str]]:
    aucs: dict[str, float | None] = {}
    notes: list[str] = []
    for one in sets:
        rows = counted(one.frame, policy)
        notes += coverage_notes(one, policy)
        counts = _class_counts(one)
        try:
            aucs[one.name] = metrics.auc(rows["label"], rows["score"])
        except UndefinedMetricError as error:
            aucs[one.name] = None
            notes.append(f"{one.name}: {error.message}")
        if counts["fake"] != counts["real"]:
            notes.append(
                f"{one.name}: {counts['fake']} fake and {counts['real']} real images; the paper's "
                "sets are half real, so accuracies on this one do not compare with them."
            )
    return aucs, notes


def _class_counts(scored: ScoredSet) -> dict[str, int]:
    fakes = int(scored.usable["label"].sum())
    return {"fake": fakes, "real": len(scored.usable) - fakes}
