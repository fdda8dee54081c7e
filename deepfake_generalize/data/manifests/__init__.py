"""Tables of videos and crops: their CSV files, their checks, and who and which clip a row is."""

from __future__ import annotations

from deepfake_generalize.data.manifests.checks import (
    ALIASES,
    LABELS,
    check_crops,
    check_labels,
    check_once,
    own_names,
    require_columns,
    with_columns,
)
from deepfake_generalize.data.manifests.csv_files import (
    manifest_text,
    parse_manifest,
    read_manifest,
    restore_types,
    write_manifest,
)
from deepfake_generalize.data.manifests.identity import (
    clip_keys,
    crop_keys,
    dataset_family,
    people,
    real_clips,
    rows_sha256,
    score_keys,
    short_name,
    text_column,
    text_sha256,
    video_keys,
    video_names,
)
from deepfake_generalize.data.manifests.queries import select, split_query
from deepfake_generalize.data.manifests.tables import (
    first_line,
    opened_table,
    read_header,
    read_table,
)

__all__ = [
    "ALIASES",
    "LABELS",
    "check_crops",
    "check_labels",
    "check_once",
    "clip_keys",
    "crop_keys",
    "dataset_family",
    "first_line",
    "manifest_text",
    "opened_table",
    "own_names",
    "parse_manifest",
    "people",
    "read_header",
    "read_manifest",
    "read_table",
    "real_clips",
    "require_columns",
    "restore_types",
    "rows_sha256",
    "score_keys",
    "select",
    "short_name",
    "split_query",
    "text_column",
    "text_sha256",
    "video_keys",
    "video_names",
    "with_columns",
    "write_manifest",
]
