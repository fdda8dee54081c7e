"""What two sets of crops share, and how to take it out."""

from __future__ import annotations

from deepfake_generalize.data.leakage.audit import LeakageWarning, audit_leakage, warn_of_leaks
from deepfake_generalize.data.leakage.exclusion import Selection, exclude, only_identities

__all__ = [
    "LeakageWarning",
    "Selection",
    "audit_leakage",
    "exclude",
    "only_identities",
    "warn_of_leaks",
]
