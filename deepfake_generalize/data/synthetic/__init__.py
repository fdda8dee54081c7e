"""Synthetic faces, forged by the mechanisms of the real methods: the study's data sets offline.

A fixture with known truth, so that the whole study runs anywhere in minutes. Nothing measured on it
is evidence about real deepfakes; every folder and manifest of it is marked as synthetic.
"""

from __future__ import annotations

from deepfake_generalize.data.synthetic.datasets import make_datasets
from deepfake_generalize.data.synthetic.marking import is_synthetic
from deepfake_generalize.data.synthetic.sets import BUILT_IN_EFFECTS
from deepfake_generalize.data.synthetic.videos import make_videos

__all__ = ["BUILT_IN_EFFECTS", "is_synthetic", "make_datasets", "make_videos"]


def __dir__() -> list[str]:
    return sorted(__all__)
