"""Face crops as files, as one HDF5 pack, and as batches for training."""

from __future__ import annotations

from deepfake_generalize.data.crops.batches import ordered_dataset, ordered_rows, to_dataset
from deepfake_generalize.data.crops.images import resize
from deepfake_generalize.data.crops.manifest import (
    CROPS_FILE,
    FAILURES_FILE,
    before_number,
    read_crops,
    read_failures,
    read_landmarks,
    read_set,
    write_crops,
    write_failures,
    write_landmarks,
)
from deepfake_generalize.data.crops.packs import is_pack, pack, read_image, split_packed
from deepfake_generalize.data.manifests import CROP_COLUMNS, FAILURE_COLUMNS, VIDEO_COLUMNS

__all__ = [
    "CROPS_FILE",
    "CROP_COLUMNS",
    "FAILURES_FILE",
    "FAILURE_COLUMNS",
    "VIDEO_COLUMNS",
    "before_number",
    "is_pack",
    "ordered_dataset",
    "ordered_rows",
    "pack",
    "read_crops",
    "read_failures",
    "read_image",
    "read_landmarks",
    "read_set",
    "resize",
    "split_packed",
    "to_dataset",
    "write_crops",
    "write_failures",
    "write_landmarks",
]
