"""Arrays in, numbers out: how well a detector does, and how much it loses on unseen fakes.

Label 1 is fake and 0 is real, a score is P(fake) in [0, 1], results are fractions. What does not
exist (the AUC of one class, the accuracy on nothing) raises and is never made up.
"""

from __future__ import annotations

from deepfake_generalize.metrics.calibration import (
    Calibration,
    calibrate,
    choose_threshold,
    decompose_degradation,
)
from deepfake_generalize.metrics.comparison import Comparison, compare, compare_all
from deepfake_generalize.metrics.degradation import (
    degradation,
    degradation_difference,
    degradation_interval,
)
from deepfake_generalize.metrics.intervals import bootstrap_interval
from deepfake_generalize.metrics.measures import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    brier_score,
    eer,
    expected_calibration_error,
    log_loss,
    per_class_accuracy,
    tpr_at_fpr,
)
from deepfake_generalize.metrics.resampling import Interval, Resampling
from deepfake_generalize.metrics.videos import to_videos

__all__ = [
    "Calibration",
    "Comparison",
    "Interval",
    "Resampling",
    "accuracy",
    "auc",
    "average_precision",
    "balanced_accuracy",
    "bootstrap_interval",
    "brier_score",
    "calibrate",
    "choose_threshold",
    "compare",
    "compare_all",
    "decompose_degradation",
    "degradation",
    "degradation_difference",
    "degradation_interval",
    "eer",
    "expected_calibration_error",
    "log_loss",
    "per_class_accuracy",
    "to_videos",
    "tpr_at_fpr",
]


def __dir__() -> list[str]:
    return sorted(__all__)
