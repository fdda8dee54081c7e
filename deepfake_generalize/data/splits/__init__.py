"""Balanced training, validation and test sets that share no identity."""

from __future__ import annotations

from deepfake_generalize.data.splits.assignment import CROSSING, Assignment, Needs
from deepfake_generalize.data.splits.balanced import (
    assign_videos,
    balanced_splits,
    checked_crops,
    in_order,
)
from deepfake_generalize.data.splits.groups import collect_videos, linked
from deepfake_generalize.data.splits.splits import SUBSETS, Splits, assemble, remarks

__all__ = [
    "CROSSING",
    "SUBSETS",
    "Assignment",
    "Needs",
    "Splits",
    "assemble",
    "assign_videos",
    "balanced_splits",
    "checked_crops",
    "collect_videos",
    "in_order",
    "linked",
    "remarks",
]
