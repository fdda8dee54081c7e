"""The share of right decisions at a threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import check_number


def accuracy(labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5) -> float:
    """Return the share of images that are called what they are, as in Tables IV to VII.

    Args:
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        threshold: In [0, 1]; a score at or above it counts as fake.

    Raises:
        InputError: Labels other than 0 and 1, scores or a threshold outside [0, 1], or unequal
            lengths.
        UndefinedMetricError: No images.

    Examples:
        >>> accuracy([1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7])
        0.75
    """
    checked_labels, checked_scores = check_pair(labels, scores, metric="accuracy")
    return float(np.mean(predict_fake(checked_scores, threshold) == checked_labels))


def balanced_accuracy(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5
) -> float:
    """Return the mean of the accuracy on the reals and that on the fakes: 0.5 is chance.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores: (N,), P(fake) in [0, 1].
        threshold: In [0, 1]; a score at or above it counts as fake.

    Raises:
        InputError, UndefinedMetricError: As `accuracy`, or one class only.

    Examples:
        >>> balanced_accuracy([1, 1, 1, 0], [0.9, 0.5, 0.2, 0.1])
        0.8333333333333333
    """
    pair = check_pair(labels, scores, both_classes=True, metric="balanced accuracy")
    found = per_class_accuracy(*pair, threshold=threshold)
    return (found["real"] + found["fake"]) / 2


def per_class_accuracy(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5
) -> dict[str, float]:
    """Return the accuracy on the reals and on the fakes, under the keys "real" and "fake".

    Args:
        labels: (N,), 1 is fake and 0 is real. A class that does not occur is left out.
        scores: (N,), P(fake) in [0, 1].
        threshold: In [0, 1]; a score at or above it counts as fake.

    Raises:
        InputError, UndefinedMetricError: As `accuracy`.

    Examples:
        >>> per_class_accuracy([1, 1, 0, 0], [0.9, 0.5, 0.2, 0.7])
        {'real': 0.5, 'fake': 1.0}
    """
    checked_labels, checked_scores = check_pair(labels, scores, metric="per-class accuracy")
    correct = predict_fake(checked_scores, threshold) == checked_labels
    return {
        name: float(np.mean(correct[checked_labels == label]))
        for label, name in enumerate(("real", "fake"))
        if (checked_labels == label).any()
    }


def predict_fake(scores: AnyArray, threshold: float) -> AnyArray:
    """Return where scores count as fake, or raise `InputError` for a threshold outside [0, 1]."""
    check_number("threshold", threshold, least=0, most=1, hint="0.5 is the paper's threshold.")
    return np.asarray(scores >= threshold)
