"""What two sets of crops share, and how to take it out."""

from __future__ import annotations

from deepfake_generalize.data.leakage.audit import (
    LeakageWarning,
    Selection,
    audit_leakage,
    exclude,
    only_identities,
    warn_of_leaks,
)

__all__ = [
    "LeakageWarning",
    "Selection",
    "audit_leakage",
    "exclude",
    "only_identities",
    "warn_of_leaks",
]
