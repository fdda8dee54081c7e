"""Whether a score of 0.8 is a fake in eight cases of ten, and how to make it so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from deepfake_generalize._system.files import MAX_TEXT_BYTES, read_regular, write_result
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics._checks import SCORE_HINT, as_numbers, check_pair
from deepfake_generalize.types import DoubleArray
from deepfake_generalize.validation import check_choice, check_unit, check_whole

CalibrationMethod = Literal["temperature", "platt", "isotonic"]

_LARGEST_TEMPERATURE = 1000.0


def brier_score(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the mean squared distance of the scores from the labels: 0 is best, 0.25 a constant.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].

    Raises:
        InputError, UndefinedMetricError: As `accuracy`.

    Examples:
        >>> brier_score([1, 0], [0.5, 0.0])
        0.125
    """
    checked_labels, checked_scores = check_pair(labels, scores, metric="Brier score")
    return float(np.mean((checked_scores - checked_labels) ** 2))


def log_loss(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the mean negative log-likelihood of the labels, in nats; a constant 0.5 gets 0.693.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1]. One that is sure and wrong costs 36 nats, not infinity.

    Raises:
        InputError, UndefinedMetricError: As `accuracy`.

    Examples:
        >>> round(log_loss([1, 0], [0.5, 0.5]), 3)
        0.693
    """
    from sklearn.metrics import log_loss as mean_loss

    return float(mean_loss(*check_pair(labels, scores, metric="log loss"), labels=[0, 1]))


def expected_calibration_error(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = 15
) -> float:
    """Return by how much scores miss the share of fakes among images with such scores; 0 is best.

    The distance between mean score and share of fakes of each bin, averaged over the images. Bins
    are of P(fake), as in scikit-learn's `calibration_curve`, not of the confidence in the class
    called, as in Guo et al. (2017).

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        bins: How many, of equal width; a score on a border belongs to the lower one.

    Raises:
        InputError, UndefinedMetricError: As `accuracy`, or no bins.

    Examples:
        >>> round(expected_calibration_error([1, 1, 0, 0], [0.9, 0.9, 0.9, 0.1]), 3)
        0.2
    """
    check_whole("bins", bins, least=1, hint="15 is usual.")
    checked_labels, checked_scores = check_pair(labels, scores, metric="calibration error")
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], checked_scores)
    excess = np.bincount(bin_of, weights=checked_scores - checked_labels)
    return float(np.abs(excess).sum() / checked_labels.size)


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
