"""The paper's tables: as printed, and made from new results."""

from __future__ import annotations

from deepfake_generalize.study.tables.captions import CAPTIONS, EMPTY, SHOWN_OF_A_HASH, SYNTHETIC
from deepfake_generalize.study.tables.paper_tables import table_iv, table_v, table_vi, table_vii
from deepfake_generalize.study.tables.published import (
    published,
    published_degradations,
    rank_among_published,
    why_not_in,
)
from deepfake_generalize.study.tables.render import TITLES, render, two_decimals

__all__ = [
    "CAPTIONS",
    "EMPTY",
    "SHOWN_OF_A_HASH",
    "SYNTHETIC",
    "TITLES",
    "published",
    "published_degradations",
    "rank_among_published",
    "render",
    "table_iv",
    "table_v",
    "table_vi",
    "table_vii",
    "two_decimals",
    "why_not_in",
]
