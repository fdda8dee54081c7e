"""Model files that are not in the wheel: which there are, where each is, how it is downloaded."""

from __future__ import annotations

from deepfake_generalize.data.assets.reference import DetectorReference, find_detector
from deepfake_generalize.data.assets.registry import ASSETS, DETECTORS, face_assets
from deepfake_generalize.data.assets.resolve import AssetStatus, asset_status, require, resolve

__all__ = [
    "ASSETS",
    "DETECTORS",
    "AssetStatus",
    "DetectorReference",
    "asset_status",
    "face_assets",
    "find_detector",
    "require",
    "resolve",
]
