"""Videos in, balanced and disjoint batches of face crops out."""

from deepfake_generalize.data.crops import CROP_COLUMNS, FAILURE_COLUMNS, read_crops, read_failures
from deepfake_generalize.data.images import read_image

__all__ = ["CROP_COLUMNS", "FAILURE_COLUMNS", "read_crops", "read_failures", "read_image"]
