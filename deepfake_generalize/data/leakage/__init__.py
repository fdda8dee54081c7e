"""What two sets of crops share: the audit, and taking it out."""

from __future__ import annotations

from deepfake_generalize.data.leakage.audit import LeakageWarning, audit_leakage, warn_of_leaks
from deepfake_generalize.data.leakage.exclusion import (
    Selection,
    exclude_frames,
    exclude_identities,
    exclude_material,
    only_identities,
)

__all__ = [
    "LeakageWarning",
    "Selection",
    "audit_leakage",
    "exclude_frames",
    "exclude_identities",
    "exclude_material",
    "only_identities",
    "warn_of_leaks",
]
