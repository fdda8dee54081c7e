"""What the paper fixed: sets, their sizes, what they share, networks, fine-tuning."""

from __future__ import annotations

from deepfake_generalize.study.protocol.apart import official_split, sets_apart, uses_of
from deepfake_generalize.study.protocol.facts import (
    FINE_TUNINGS,
    NULL_SET,
    ORIGINAL,
    PAPER_ARCHITECTURES,
    PASSABLE_POINTS,
    POOR_POINTS,
    ZERO_SHOT,
    Sizes,
    architecture_facts,
    check_set_name,
    fine_tuning,
    in_table_order,
    is_poor,
    short_name,
)
from deepfake_generalize.study.protocol.sets import study_sets
from deepfake_generalize.study.protocol.value import (
    PAPER,
    PROTOCOLS,
    TABLE_SHARES,
    UNSEEN_SETS,
    Protocol,
    Sharing,
    Source,
    count_shared,
    shared_by_benchmark,
    shared_by_design,
    shared_table,
    source_of,
)

__all__ = [
    "FINE_TUNINGS",
    "NULL_SET",
    "ORIGINAL",
    "PAPER",
    "PAPER_ARCHITECTURES",
    "PASSABLE_POINTS",
    "POOR_POINTS",
    "PROTOCOLS",
    "TABLE_SHARES",
    "UNSEEN_SETS",
    "ZERO_SHOT",
    "Protocol",
    "Sharing",
    "Sizes",
    "Source",
    "architecture_facts",
    "check_set_name",
    "count_shared",
    "fine_tuning",
    "in_table_order",
    "is_poor",
    "official_split",
    "sets_apart",
    "shared_by_benchmark",
    "shared_by_design",
    "shared_table",
    "short_name",
    "source_of",
    "study_sets",
    "uses_of",
]
