"""Where does a detector stand? Its row of the paper's generalizability tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from deepfake_generalize import __version__, metrics
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.study.evidence import Evidence, ScoredSet, gather
from deepfake_generalize.study.paper import rank_among_published
from deepfake_generalize.study.tables import render
from deepfake_generalize.types import Scorer
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

ORIGINAL = "original"
THRESHOLD = 0.5
POLICY = "exclude"

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
_FAILURES_NAMED = 3


@dataclass(frozen=True, eq=False, repr=False)
class Benchmark:
    """A detector's row of Table V (or VI, VII), with what it was made from.

    The sets are keyed by their names, the original one by "original".

    Attributes:
        detector: The detector's name.
        row: One row, in percent and not rounded: detector, original_accuracy, the unseen sets in
            the order given, average, degradation; with specialized sets also those,
            specialized_average (where there are several), specialized_degradation and
            degradation_difference.
        rank: By degradation among the published thirty and this detector, 1 (least) to 31; a tie
            gets the better rank. None where the unseen sets are not the paper's four.
        rank_reason: Why there is no rank, or the empty string.
        auc: Set to area under the ROC curve, a fraction; None where a set has one class only.
        scores: Set to a table with a row an image: label, score (P(fake)), status, reason, path.
        coverage: Set to {"ok": images with a score, "total": images}.
        notes: What a reader of the numbers must know: what is left out, unbalanced sets, missing
            AUCs.
        provenance: library_version, threshold, policy (for images without a score), images (set
            to {"fake": n, "real": n}, scored ones) and source (set to "crops" or "scores").
    """

    detector: str
    row: pd.DataFrame
    rank: int | None
    rank_reason: str
    auc: dict[str, float | None]
    scores: dict[str, pd.DataFrame]
    coverage: dict[str, dict[str, int]]
    notes: tuple[str, ...]
    provenance: dict[str, Any]

    def table(self, table_format: str = "markdown") -> str:
        """Return the row as the paper prints it: percent, two decimals, the rank first if any.

        Args:
            table_format: "markdown", "latex" (booktabs), "html", "csv" (columns named as in
                `published`) or "text".

        Raises:
            InputError: There is no such format.
        """
        frame = self.row.copy()
        if self.rank is not None:
            frame.insert(0, "rank", self.rank)
        return render(frame, table_format)

    def __repr__(self) -> str:
        """Show the row, the rank or why there is none, and the notes."""
        rank = f"rank {self.rank}" if self.rank is not None else f"no rank: {self.rank_reason}"
        return "\n".join([self.table("text"), rank, *(f"note: {note}" for note in self.notes)])


def benchmark(
    detector: Scorer | str,
    *,
    original: Evidence,
    unseen: Mapping[str, Evidence],
    specialized: Mapping[str, Evidence] | None = None,
) -> Benchmark:
    """Measure how much a detector loses on data that it has not seen.

    Accuracies are of images at a threshold of 0.5, a score of 0.5 counting as fake. Images that
    cannot be read, and rows of a score table whose status is not "ok", are left out of the
    accuracy, counted in `coverage` and named in `notes`.

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

    Returns:
        The row, its rank and all it was made from.

    Raises:
        InputError: No unseen sets, sets without names, names that clash, wrong columns, labels,
            statuses or scores, an image that a set holds twice, or no detector for crops.
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
    sets = [
        gather(name, evidence, detector)
        for name, evidence in ({ORIGINAL: original} | dict(unseen) | dict(specialized)).items()
    ]
    accuracies = {one.name: _percent(one) for one in sets}
    aucs, notes = _describe_sets(sets)
    name = detector if isinstance(detector, str) else detector.name
    rank, reason = rank_among_published(
        accuracies[ORIGINAL], {key: accuracies[key] for key in unseen}
    )
    return Benchmark(
        detector=name,
        row=_row(name, accuracies, list(unseen), list(specialized)),
        rank=rank,
        rank_reason=reason,
        auc=aucs,
        scores={one.name: one.frame for one in sets},
        coverage={one.name: {"ok": len(one.usable), "total": len(one.frame)} for one in sets},
        notes=tuple(notes),
        provenance={
            "library_version": __version__,
            "threshold": THRESHOLD,
            "policy": POLICY,
            "images": {one.name: _class_counts(one) for one in sets},
            "source": {one.name: one.source for one in sets},
        },
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


def _percent(scored: ScoredSet) -> float:
    usable = scored.usable
    fraction = metrics.accuracy(usable["label"], usable["score"], threshold=THRESHOLD)
    return _clean(100.0 * fraction)


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


def _describe_sets(sets: Iterable[ScoredSet]) -> tuple[dict[str, float | None], list[str]]:
    aucs: dict[str, float | None] = {}
    notes: list[str] = []
    for one in sets:
        usable = one.usable
        notes += _coverage_note(one)
        counts = _class_counts(one)
        try:
            aucs[one.name] = metrics.auc(usable["label"], usable["score"])
        except UndefinedMetricError as error:
            aucs[one.name] = None
            notes.append(f"{one.name}: {error.message}")
        if counts["fake"] != counts["real"]:
            notes.append(
                f"{one.name}: {counts['fake']} fake and {counts['real']} real images; the paper's "
                "sets are half real, so accuracies on this one do not compare with them."
            )
    return aucs, notes


def _coverage_note(scored: ScoredSet) -> list[str]:
    failed = scored.frame[scored.frame["status"] != "ok"]
    if failed.empty:
        return []
    named = [
        f"{'row ' + str(index) if pd.isna(row['path']) else row['path']}: {row['status']}"
        + (f" ({row['reason']})" if row["reason"] else "")
        for index, row in failed.head(_FAILURES_NAMED).iterrows()
    ]
    more = len(failed) - len(named)
    named += [f"and {more} more, in scores[{scored.name!r}]"] if more else []
    note = (
        f"{scored.name}: {len(failed)} of {len(scored.frame)} images have no score and are left "
        f"out (policy {POLICY!r}): {'; '.join(named)}"
    )
    return [note]


def _class_counts(scored: ScoredSet) -> dict[str, int]:
    fakes = int(scored.usable["label"].sum())
    return {"fake": fakes, "real": len(scored.usable) - fakes}
