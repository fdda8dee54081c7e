"""What the paper fixed: sets, their sizes, what they share, networks, fine-tuning."""

from __future__ import annotations

from deepfake_generalize.study.protocol.facts import (
    FEW_SHOT_SETS,
    FINE_TUNINGS,
    NULL_SET,
    ORIGINAL,
    PAPER_ARCHITECTURES,
    PASSABLE_POINTS,
    POOR_POINTS,
    SOURCES,
    SPECIALIZED_SETS,
    UNSEEN_SETS,
    Sizes,
    architecture_facts,
    in_table_order,
    is_poor,
    source_of,
)
from deepfake_generalize.study.protocol.sets import study_sets
from deepfake_generalize.study.protocol.sharing import (
    count_shared,
    shared_by_benchmark,
    shared_by_design,
    shared_table,
)

__all__ = [
    "FEW_SHOT_SETS",
    "FINE_TUNINGS",
    "NULL_SET",
    "ORIGINAL",
    "PAPER_ARCHITECTURES",
    "PASSABLE_POINTS",
    "POOR_POINTS",
    "SOURCES",
    "SPECIALIZED_SETS",
    "UNSEEN_SETS",
    "Sizes",
    "architecture_facts",
    "count_shared",
    "in_table_order",
    "is_poor",
    "shared_by_benchmark",
    "shared_by_design",
    "shared_table",
    "source_of",
    "study_sets",
]
