"""Whether a score of 0.8 is a fake in eight cases of ten."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.validation import check_whole


def brier_score(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the mean squared distance of the scores from the labels.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].

    Returns:
        A fraction in [0, 1]; 0 is best, 0.25 is what a constant score of 0.5 gets.

    Raises:
        InputError: Labels other than 0 and 1, scores outside [0, 1], or unequal lengths.
        UndefinedMetricError: No images.

    Examples:
        >>> brier_score([1, 0], [0.5, 0.0])
        0.125
    """
    checked_labels, checked_scores = check_pair(labels, scores, metric="Brier score")
    return float(np.mean((checked_scores - checked_labels) ** 2))


def log_loss(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the mean negative log-likelihood of the labels, in nats.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1]. Those nearer to 0 or 1 than 2.2e-16 count as that near,
            so that one sure and wrong score costs 36 nats and not infinity.

    Returns:
        From 0, which is best; log(2) = 0.693 is what a constant score of 0.5 gets.

    Raises:
        InputError: Labels other than 0 and 1, scores outside [0, 1], or unequal lengths.
        UndefinedMetricError: No images.

    Examples:
        >>> round(log_loss([1, 0], [0.5, 0.5]), 3)
        0.693
    """
    from sklearn.metrics import log_loss as mean_loss

    return float(mean_loss(*check_pair(labels, scores, metric="log loss"), labels=[0, 1]))


def expected_calibration_error(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = 15
) -> float:
    """Return by how much scores miss the share of fakes among images with such scores.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        bins: Into how many bins of equal width scores are sorted; a score on a border belongs to
            the lower one.

    Returns:
        A fraction in [0, 1], 0 is best: the distance between the mean score and the share of
        fakes of each bin, averaged over the images.

    Raises:
        InputError: Labels other than 0 and 1, scores outside [0, 1], unequal lengths, or no bins.
        UndefinedMetricError: No images.

    Reproduction notes:
        Not in the paper. Bins are of P(fake), as in a reliability diagram of a binary classifier
        (scikit-learn's `calibration_curve`), not of the confidence in the class called, as in Guo
        et al., "On Calibration of Modern Neural Networks" (2017), where 15 bins are from.

    Examples:
        >>> round(expected_calibration_error([1, 1, 0, 0], [0.9, 0.9, 0.9, 0.1]), 3)
        0.2
    """
    check_whole("bins", bins, least=1, hint="15 is usual.")
    checked_labels, checked_scores = check_pair(labels, scores, metric="calibration error")
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], checked_scores)
    excess = np.bincount(bin_of, weights=checked_scores - checked_labels)
    return float(np.abs(excess).sum() / checked_labels.size)
