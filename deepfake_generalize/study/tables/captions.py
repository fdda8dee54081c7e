"""Words that tables and report share."""

from __future__ import annotations

from deepfake_generalize.study.tables.paper_tables import why_empty

SYNTHETIC = (
    "Synthetic data: these faces are drawn, not filmed. They show how the study works and are no "
    "evidence about real deepfakes."
)
CAPTIONS = {
    "table_iv": "Table IV: the detectors and their accuracy on the original test sets (%). "
    "The average is over the detectors of one architecture.",
    "table_v": "Table V: accuracy on unseen sets (%), least degradation first.",
    "table_vi": "Table VI: the same synthesis method, other material (%). CELEB-trained detectors "
    "that degrade by more than 30 points.",
    "table_vii": "Table VII: the same people, other methods (%). F2F-trained detectors that "
    "degrade by more than 30 points.",
}
EMPTY = {f"table_{number.lower()}": why_empty(number) for number in ("VI", "VII")}
"""Table to what it says when no detector qualifies."""
SHOWN_OF_A_HASH = 12
"""Hexadecimal digits of a hash that a reader is shown."""
