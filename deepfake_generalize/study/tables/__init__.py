"""The paper's tables: as printed, made from new accuracies, and written in five formats."""

from __future__ import annotations

from deepfake_generalize.study.tables.paper_tables import (
    CAPTIONS,
    THRESHOLD_CAPTION,
    Unit,
    captions,
    measure,
    table,
    table_in,
    why_empty,
    why_not_in,
    with_losses,
)
from deepfake_generalize.study.tables.published import (
    RANK_CAVEAT,
    beside_published,
    check_table,
    little_to_lose,
    published,
    published_degradations,
    rank_among_published,
)
from deepfake_generalize.study.tables.render import (
    METRIC_TITLES,
    TITLES,
    Ends,
    in_words,
    marked_down,
    render,
)

__all__ = [
    "CAPTIONS",
    "METRIC_TITLES",
    "RANK_CAVEAT",
    "THRESHOLD_CAPTION",
    "TITLES",
    "Ends",
    "Unit",
    "beside_published",
    "captions",
    "check_table",
    "in_words",
    "little_to_lose",
    "marked_down",
    "measure",
    "published",
    "published_degradations",
    "rank_among_published",
    "render",
    "table",
    "table_in",
    "why_empty",
    "why_not_in",
    "with_losses",
]
