"""What scores say of other sets: from which one on a face is fake, and how likely it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepfake_generalize._system.files import MAX_TEXT_BYTES, read_regular, write_result
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics.measures import SCORE_HINT, accuracy, as_numbers, auc, check_pair
from deepfake_generalize.types import DoubleArray, IntArray
from deepfake_generalize.validation import check_choice, check_mapping, check_number, check_unit

ThresholdRule = Literal["half", "eer", "balanced_accuracy", "fixed_fpr"]
LabelsAndScores: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]


def choose_threshold(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    rule: ThresholdRule = "balanced_accuracy",
    fpr: float = 0.01,
) -> float:
    """Return the threshold that a rule finds on a set, to be used on others.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1], of a validation set: what a threshold gives on the set
            that it was chosen on is no result.
        rule: "balanced_accuracy", the best one; "eer", where reals and fakes are called wrong as
            nearly alike as can be; "fixed_fpr", the lowest that calls at most `fpr` of the reals
            fake; or "half", 0.5 whatever the scores.
        fpr: The false positive rate allowed by "fixed_fpr", in [0, 1].

    Returns:
        A threshold in [0, 1]; a score at or above it counts as fake. It lies half-way between two
        scores. Of several that are equally good it is the one nearest to 0.5.

    Raises:
        InputError, UndefinedMetricError: As `balanced_accuracy`, no such rule, or no threshold
            keeps to `fpr`.

    Examples:
        >>> choose_threshold([1, 1, 0, 0], [0.4, 0.3, 0.2, 0.1])
        0.25
    """
    hint = "balanced_accuracy is usual, half is the paper's."
    check_choice("rule", rule, get_args(ThresholdRule), hint=hint)
    check_number("fpr", fpr, least=0, most=1, hint="0.01 and 0.05 are usual.")
    pair = check_pair(labels, scores, both_classes=True, metric="a threshold")
    if rule == "half":
        return 0.5
    thresholds, hits, false = _cuts(*pair)
    fakes, reals = int(pair[0].sum()), int((1 - pair[0]).sum())
    # Whole numbers, so that thresholds which are equally good are seen to be.
    if rule == "eer":
        return _nearest_half(thresholds, -np.abs(false * fakes - (fakes - hits) * reals))
    if rule == "balanced_accuracy":
        return _nearest_half(thresholds, hits * reals - false * fakes)
    kept = np.flatnonzero(false / reals <= fpr)
    if not kept.size:
        raise UndefinedMetricError(
            f"expected a threshold that calls at most {fpr:g} of the reals fake, "
            f"{false[-1]} of {reals} have a score of 1.",
            hint="Allow a larger fpr, or pass scores that are not rounded to 1.",
        )
    return float(thresholds[kept[0]])


def decompose_degradation(
    original: LabelsAndScores,
    unseen: Mapping[str, LabelsAndScores],
    *,
    validation: LabelsAndScores | None = None,
) -> pd.DataFrame:
    """Take the degradation on each set apart: ranking lost, and threshold moved.

    With A for the accuracy at the threshold in use and A* for that at the set's own best one, which
    only an oracle knows,

        A(original) - A(set) = [A*(original) - A*(set)]
                               + [(A*(set) - A(set)) - (A*(original) - A(original))]
        degradation          = ranking lost + threshold moved.

    Args:
        original: Labels and scores of the original test set: (N,), 1 is fake and 0 is real, and
            (N,), P(fake) in [0, 1].
        unseen: Name to the same, for other sets.
        validation: The same of the source's validation split, whose threshold of best balanced
            accuracy is used beside 0.5.

    Returns:
        One row a set, "original" first; fractions. Columns: set, auc (NaN for one class),
        accuracy (at 0.5), validation_accuracy (NaN without `validation`), oracle_accuracy (for
        diagnosis; on small sets too good by chance), oracle_threshold, ranking_lost; degradation
        and threshold_moved at 0.5; validation_degradation and validation_threshold_moved.

    Raises:
        InputError, UndefinedMetricError: As `accuracy`, no unseen sets, or one class in
            `validation`.

    Examples:
        >>> labels = [1, 1, 0, 0]
        >>> moved = {"moved": (labels, [0.4, 0.4, 0.1, 0.1]), "lost": (labels, [0.4] * 4)}
        >>> parts = decompose_degradation((labels, [0.9, 0.9, 0.1, 0.1]), moved)
        >>> parts.set_index("set")[["degradation", "ranking_lost", "threshold_moved"]]
                  degradation  ranking_lost  threshold_moved
        set
        original          0.0           0.0              0.0
        moved             0.5           0.0              0.5
        lost              0.5           0.5              0.0
    """
    of = "the name of a set to its labels and scores"
    check_mapping("unseen", unseen, of=of, hint='Pass {"DFD": (labels, scores)}.')
    known = None if validation is None else choose_threshold(*validation)
    rows = []
    for name, (labels, scores) in {"original": original, **unseen}.items():
        pair = check_pair(labels, scores, metric="accuracy")
        thresholds, hits, false = _cuts(*pair)
        best = _nearest_half(thresholds, hits - false)
        ranked = auc(*pair) if len(set(pair[0])) > 1 else np.nan
        at_known = np.nan if known is None else accuracy(*pair, threshold=known)
        found = (accuracy(*pair), at_known, accuracy(*pair, threshold=best))
        rows.append((name, ranked, *found, best))
    names = ("auc", "accuracy", "validation_accuracy", "oracle_accuracy", "oracle_threshold")
    table = pd.DataFrame(rows, columns=["set", *names])
    table["ranking_lost"] = table["oracle_accuracy"].iloc[0] - table["oracle_accuracy"]
    for which in ("", "validation_"):
        used = table[f"{which}accuracy"]
        table[f"{which}degradation"] = used.iloc[0] - used
        table[f"{which}threshold_moved"] = table[f"{which}degradation"] - table["ranking_lost"]
    return table


def _cuts(labels: IntArray, scores: DoubleArray) -> tuple[DoubleArray, IntArray, IntArray]:
    """Return thresholds that part the scores in every way, and fakes and reals at or above each."""
    distinct, which = np.unique(scores, return_inverse=True)
    below = np.r_[0.0, distinct[:-1]]
    middle = (below + distinct) / 2
    thresholds = np.where(middle > below, middle, distinct)
    hits, false = (
        np.bincount(which[labels == label], minlength=distinct.size)[::-1].cumsum()[::-1]
        for label in (1, 0)
    )
    if distinct[-1] < 1.0:
        above = (distinct[-1] + 1.0) / 2
        thresholds = np.r_[thresholds, above if above > distinct[-1] else 1.0]
        hits, false = np.r_[hits, 0], np.r_[false, 0]
    return thresholds, hits, false


def _nearest_half(thresholds: DoubleArray, goodness: IntArray) -> float:
    best = thresholds[goodness == goodness.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])


CalibrationMethod = Literal["temperature", "platt", "isotonic"]

_LARGEST_TEMPERATURE = 1000.0


@dataclass(frozen=True)
class Calibration:
    """A map from scores to probabilities, fitted by `calibrate`.

    Attributes:
        method: "temperature", "platt" or "isotonic".
        slope: What the logit of a score is multiplied by: one over the temperature.
        intercept: What is added to it then; 0 for a temperature.
        knots: "isotonic" only: scores and their probabilities, interpolated linearly.
    """

    method: CalibrationMethod
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def apply(self, scores: npt.ArrayLike) -> DoubleArray:
        """Return (N,) calibrated scores, P(fake) in [0, 1], of (N,) scores in [0, 1]."""
        from scipy.special import expit

        numbers = check_unit("scores", as_numbers(scores, name="scores", hint=SCORE_HINT))
        if self.method == "isotonic":
            return np.asarray(np.interp(numbers, *np.array(self.knots, np.float64).T), np.float64)
        return np.asarray(expit(self.slope * _logits(numbers) + self.intercept), np.float64)

    def save(self, path: str | Path) -> None:
        """Write it as JSON, to be read by `load`; the folder exists."""
        write_result(Path(path), f"{json.dumps(asdict(self), indent=2)}\n".encode())

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote; `InputError` for any other file."""
        try:
            told = json.loads(read_regular(Path(path), most=MAX_TEXT_BYTES))
            found = cls(**told | {"knots": tuple(map(tuple, told["knots"]))})
            check_choice("method", found.method, get_args(CalibrationMethod))
            found.apply([0.0, 1.0])
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(
                f"expected a calibration in {str(path)!r}, cannot read one: {error}.",
                hint="Pass a file that Calibration.save wrote.",
            ) from error
        return found


def calibrate(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, method: CalibrationMethod = "temperature"
) -> Calibration:
    """Fit a map that makes probabilities of the scores of one set, to be applied to others.

    Fit it on a validation split, never on the set that is reported.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1].
        method: "temperature" divides the logits by one number (0.001 to 1000), which leaves the
            verdicts at 0.5 as they are; "platt" also adds one, which moves the threshold;
            "isotonic" fits any increasing map, for which there should be a thousand images.

    Raises:
        InputError, UndefinedMetricError: As `balanced_accuracy`, or no such method.

    Reproduction notes:
        Not in the paper. Guo et al., "On Calibration of Modern Neural Networks" (2017); Platt,
        "Probabilistic Outputs for Support Vector Machines" (1999), with his targets, so that
        separable scores have a finite slope.

    Examples:
        >>> labels, scores = [1, 1, 1, 0, 0, 0], [0.99, 0.98, 0.03, 0.02, 0.01, 0.97]
        >>> softer = calibrate(labels, scores)
        >>> softer.apply([0.01, 0.5, 0.99]).round(2).tolist()
        [0.27, 0.5, 0.73]
    """
    hint = "temperature keeps the verdicts at 0.5, platt moves the threshold."
    check_choice("method", method, get_args(CalibrationMethod), hint=hint)
    truth, given = check_pair(labels, scores, both_classes=True, metric="calibration")
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(given, truth)
        ends = (fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist())
        return Calibration(method, knots=tuple(zip(*ends, strict=True)))
    from scipy.optimize import minimize, minimize_scalar

    logits = _logits(given)
    if method == "temperature":

        def cost(log_slope: float) -> float:
            return _cross_entropy(truth, np.exp(log_slope) * logits)

        limit = np.log(_LARGEST_TEMPERATURE)
        found = minimize_scalar(cost, bounds=(-limit, limit), options={"xatol": 1e-9})
        return Calibration(method, slope=float(np.exp(found.x)))
    fakes, reals = int(truth.sum()), int((1 - truth).sum())
    targets = np.where(truth == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    line = minimize(lambda ab: _cross_entropy(targets, ab[0] * logits + ab[1]), (1.0, 0.0))
    return Calibration(method, slope=float(line.x[0]), intercept=float(line.x[1]))


def _cross_entropy(targets: npt.ArrayLike, logits: DoubleArray) -> float:
    return float(np.mean(np.logaddexp(0.0, logits) - np.asarray(targets) * logits))


def _logits(scores: DoubleArray) -> DoubleArray:
    from scipy.special import logit

    hair = np.finfo(np.float64).eps
    return np.asarray(logit(np.clip(scores, hair, 1.0 - hair)), np.float64)
