"""Model files that are not in the wheel: which there are, where each is, how it is downloaded."""

from __future__ import annotations

from deepfake_generalize.data.assets.required import face_assets, require
from deepfake_generalize.data.assets.resolve import (
    ASSETS,
    DETECTORS,
    AssetStatus,
    asset_status,
    resolve,
)

__all__ = [
    "ASSETS",
    "DETECTORS",
    "AssetStatus",
    "asset_status",
    "face_assets",
    "require",
    "resolve",
]
