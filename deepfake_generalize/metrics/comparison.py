"""Whether one detector is better than another, measured on the same images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics._checks import as_numbers, check_pair
from deepfake_generalize.metrics._resampling import (
    GroupWeightedAuc,
    check_resampling,
    group_codes,
    resampled,
    resampled_ratios,
)
from deepfake_generalize.metrics.intervals import Interval, percentile_interval

if TYPE_CHECKING:
    import numpy.typing as npt

    from deepfake_generalize.types import DoubleArray, IntArray


@dataclass(frozen=True)
class Comparison:
    """Detector a against detector b on the same images; differences are a minus b.

    Attributes:
        auc_a: The AUC of a.
        auc_b: The AUC of b.
        auc_difference: Their difference with its paired bootstrap interval.
        accuracy_difference: The difference of the accuracies at 0.5, with its interval.
        z: DeLong's statistic for the difference of the AUCs; None where the test does not exist.
        p_value: Its two-sided p-value; None where the test does not exist.
    """

    auc_a: float
    auc_b: float
    auc_difference: Interval
    accuracy_difference: Interval
    z: float | None
    p_value: float | None


def compare(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Return how much detector a differs from detector b on the same images.

    The bootstrap draws whole groups, the same for both detectors. DeLong's test ignores `groups`:
    it takes all images as independent, so over several frames a video its p-value is too small.
    Trust the interval there, or compare video scores (`to_videos`), one a video.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores_a: (N,), P(fake) in [0, 1] by detector a.
        scores_b: (N,), P(fake) in [0, 1] by detector b, for the same images in the same order.
        groups: (N,), the video of each image, as strings or numbers. None draws single images.
        level: The share of intervals that should hold the true difference, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        The differences a minus b, as fractions, and DeLong's test. The test has neither z nor
        p-value where its variance does not exist (one fake or one real only) or is zero although
        the AUCs differ (one is perfect and the other constant, for instance). Detectors that rank
        every image alike have z = 0 and p = 1.

    Raises:
        InputError: Wrong labels, scores, groups, level or number of resamples.
        UndefinedMetricError: No images, one class only, or one group only.

    Reproduction notes:
        The paper compares no detectors by tests. The test is DeLong, DeLong and Clarke-Pearson
        (Biometrics 44, 1988), computed through midranks as in Sun and Xu (IEEE Signal Processing
        Letters 21, 2014), in time N log N.

    Examples:
        >>> labels = [1, 1, 1, 1, 0, 0, 0, 0]
        >>> a = [0.9, 0.8, 0.7, 0.4, 0.1, 0.2, 0.3, 0.6]
        >>> b = [0.6, 0.8, 0.3, 0.5, 0.4, 0.2, 0.7, 0.6]
        >>> result = compare(labels, a, b)
        >>> result.auc_a, result.auc_b, round(result.p_value, 3)
        (0.9375, 0.59375, 0.12)
    """
    check_resampling(level, n_resamples)
    truth, a = check_pair(labels, scores_a, both_classes=True, metric="AUC")
    _, b = check_pair(labels, scores_b, both_classes=True, metric="AUC")
    codes = group_codes(groups, truth.size)
    rng = np.random.default_rng(seed)
    auc_of_a, auc_of_b = (GroupWeightedAuc(truth, scores, codes) for scores in (a, b))
    once = np.ones(int(codes.max()) + 1, dtype=np.int64)
    auc_a, auc_b = auc_of_a(once), auc_of_b(once)
    auc_differences = resampled(
        lambda drawn: auc_of_a(drawn) - auc_of_b(drawn),
        once.size,
        n_resamples=n_resamples,
        rng=rng,
    )
    gained = ((a >= 0.5) == truth).astype(np.int64) - ((b >= 0.5) == truth)
    accuracy_differences = resampled_ratios(gained, codes, n_resamples=n_resamples, rng=rng)
    z = _delong(truth, a, b)
    return Comparison(
        auc_a=auc_a,
        auc_b=auc_b,
        auc_difference=percentile_interval(auc_a - auc_b, auc_differences, level),
        accuracy_difference=percentile_interval(
            float(np.mean(gained)), accuracy_differences, level
        ),
        z=z,
        p_value=None if z is None else math.erfc(abs(z) / math.sqrt(2.0)),
    )


def holm(p_values: npt.ArrayLike) -> DoubleArray:
    """Return the p-values adjusted for their number, by Holm's step-down method.

    Rejecting what is adjusted to 0.05 or less keeps the chance of any false rejection at 5 %,
    whatever the tests have to do with each other; with thirty detectors there are 435 pairs.

    Args:
        p_values: (N,), in [0, 1], one a test.

    Returns:
        (N,), in [0, 1], in the order that came in; none is smaller than what it was.

    Raises:
        InputError: Not numbers, not finite, or outside [0, 1].

    Reproduction notes:
        Not in the paper. Holm, Scandinavian Journal of Statistics 6 (1979).

    Examples:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    hint = "Leave out pairs for which there is no test, and say so."
    p = as_numbers(p_values, name="p-values", hint=hint)
    if p.size and (p.min() < 0.0 or p.max() > 1.0):
        raise InputError(
            f"expected p-values in [0, 1], received values from {p.min():g} to {p.max():g}.",
            hint=hint,
        )
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _delong(labels: IntArray, a: DoubleArray, b: DoubleArray) -> float | None:
    """Return DeLong's z for the AUC of a minus the AUC of b, or None where it does not exist."""
    fakes_a, reals_a = _placements(labels, a)
    fakes_b, reals_b = _placements(labels, b)
    n_fakes, n_reals = fakes_a.size, reals_a.size
    # Differences of half-integers are exact, so a variance that is zero comes out as zero.
    of_fakes, of_reals = fakes_a - fakes_b, reals_a - reals_b
    if min(n_fakes, n_reals) < 2:
        return None
    if not (of_fakes.any() or of_reals.any()):
        return 0.0
    difference = float(of_fakes.mean()) / n_reals
    variance = float(
        of_fakes.var(ddof=1) / n_reals**2 / n_fakes + of_reals.var(ddof=1) / n_fakes**2 / n_reals
    )
    return difference / math.sqrt(variance) if variance > 0.0 else None


def _placements(labels: IntArray, scores: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Return how many reals each fake beats, and by how many fakes each real is beaten.

    A tie counts one half. The midrank among all, less the midrank within the class, is the number
    of images of the other class below (Sun and Xu).
    """
    from scipy.stats import rankdata

    is_fake = labels == 1
    ranks = rankdata(scores)
    fakes = ranks[is_fake] - rankdata(scores[is_fake])
    reals = int(is_fake.sum()) - (ranks[~is_fake] - rankdata(scores[~is_fake]))
    return fakes, reals
