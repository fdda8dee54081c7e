"""Score files: one row for each image or video, with all that they depend on beside it."""

from __future__ import annotations

from deepfake_generalize.study.scores.files import (
    Polarity,
    ScoreFile,
    Style,
    check_polarity,
    file_name,
    read_scores,
    write_scores,
)
from deepfake_generalize.study.scores.tables import (
    FINDER_COLUMNS,
    arrange,
    as_scored,
    by_video,
    check_no_image_twice,
    check_range,
    clean_scores,
    data_hash,
    is_score_table,
    read_labels,
    unit_of,
)

__all__ = [
    "FINDER_COLUMNS",
    "Polarity",
    "ScoreFile",
    "Style",
    "arrange",
    "as_scored",
    "by_video",
    "check_no_image_twice",
    "check_polarity",
    "check_range",
    "clean_scores",
    "data_hash",
    "file_name",
    "is_score_table",
    "read_labels",
    "read_scores",
    "unit_of",
    "write_scores",
]
