"""What the paper fixed: sets, their sizes, and what they share by design."""

from __future__ import annotations

from deepfake_generalize.study.protocol.sets import StudySizes, shared_by_design, study_sets
from deepfake_generalize.study.protocol.sharing import count_shared, shared_table

__all__ = ["StudySizes", "count_shared", "shared_by_design", "shared_table", "study_sets"]
