"""Arrays in, numbers out: how well a detector does, and how much it loses on unseen fakes.

Label 1 is fake and 0 is real, a score is P(fake) in [0, 1], results are fractions. What does not
exist (the AUC of one class, the accuracy on nothing) raises and is never made up.
"""

from __future__ import annotations

from deepfake_generalize.metrics.accuracy import accuracy, per_class_accuracy
from deepfake_generalize.metrics.comparison import Comparison, compare, holm
from deepfake_generalize.metrics.degradation import degradation, degradation_difference
from deepfake_generalize.metrics.intervals import Interval, bootstrap_interval
from deepfake_generalize.metrics.ranking import auc, average_precision, eer
from deepfake_generalize.metrics.videos import to_videos

__all__ = [
    "Comparison",
    "Interval",
    "accuracy",
    "auc",
    "average_precision",
    "bootstrap_interval",
    "compare",
    "degradation",
    "degradation_difference",
    "eer",
    "holm",
    "per_class_accuracy",
    "to_videos",
]
