"""Face crops of many videos, into a folder that survives kills."""

from __future__ import annotations

from deepfake_generalize.data.extraction.extract_faces import Extraction, extract_faces

__all__ = ["Extraction", "extract_faces"]
