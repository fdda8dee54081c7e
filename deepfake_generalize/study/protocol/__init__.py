"""What the paper fixed: sets, their sizes, what they share, networks, fine-tuning."""

from __future__ import annotations

from deepfake_generalize.study.protocol.apart import official_split, sets_apart, uses_of
from deepfake_generalize.study.protocol.facts import (
    NULL_SET,
    ORIGINAL,
    PAPER_ARCHITECTURES,
    PASSABLE_POINTS,
    POOR_POINTS,
    Sizes,
    architecture_facts,
    check_set_name,
    in_table_order,
    is_poor,
)
from deepfake_generalize.study.protocol.fine_tuning import (
    FINE_TUNINGS,
    ZERO_SHOT,
    fine_tuning,
    short_name,
)
from deepfake_generalize.study.protocol.problems import Problems
from deepfake_generalize.study.protocol.sets import study_sets
from deepfake_generalize.study.protocol.sharing import (
    count_shared,
    shared_by_benchmark,
    shared_by_design,
    shared_table,
)
from deepfake_generalize.study.protocol.value import (
    FEW_SHOT_SETS,
    PAPER,
    PROTOCOLS,
    SPECIALIZED_SETS,
    TABLE_SHARES,
    UNSEEN_SETS,
    Protocol,
    Sharing,
    Source,
    source_of,
)

__all__ = [
    "FEW_SHOT_SETS",
    "FINE_TUNINGS",
    "NULL_SET",
    "ORIGINAL",
    "PAPER",
    "PAPER_ARCHITECTURES",
    "PASSABLE_POINTS",
    "POOR_POINTS",
    "PROTOCOLS",
    "SPECIALIZED_SETS",
    "TABLE_SHARES",
    "UNSEEN_SETS",
    "ZERO_SHOT",
    "Problems",
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
