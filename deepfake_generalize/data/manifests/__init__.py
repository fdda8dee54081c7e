"""Tables of videos and crops as CSV files, and who and which clip a row is."""

from __future__ import annotations

from deepfake_generalize.data.manifests.checks import check_labels, check_once, require_columns
from deepfake_generalize.data.manifests.csv_files import (
    manifest_text,
    parse_manifest,
    read_manifest,
    restore_types,
    write_manifest,
)
from deepfake_generalize.data.manifests.identity import materials, people, texts

__all__ = [
    "check_labels",
    "check_once",
    "manifest_text",
    "materials",
    "parse_manifest",
    "people",
    "read_manifest",
    "require_columns",
    "restore_types",
    "texts",
    "write_manifest",
]
