"""What a study does with the heat maps of congenetic detectors: compare them, keep some to show."""

from __future__ import annotations

import warnings
import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from deepfake_generalize import interpret
from deepfake_generalize._system.atomic_files import replacing, write_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deepfake_generalize.models import Detector
    from deepfake_generalize.types import AnyArray

TARGET: Final = "fake"
"""The class that the maps speak for."""
_RENDER: Final = "jet"
_AT_ONCE = 100
"""Fakes whose heat maps are compared at once."""
_TOO_EMPTY = 2
"""Empty maps of one fake with which it is not compared: they are equal and show no region."""


def compare_maps(detectors: Mapping[str, Detector], fakes: AnyArray) -> dict[str, Any]:
    """Compare the maps of a family's detectors for each fake, (N, H, W, 3) uint8 (Figure 3).

    Returns plain JSON values: how the maps were made; `values`, the mean similarity of each fake's
    maps; `comparable`, which of them count; `bins`, how many are alike by how much, and how many
    are too empty to tell; `empty_maps`, how many of each detector's show nothing.
    """
    values: list[float] = []
    empties: list[AnyArray] = []
    # Part by part: the coloured maps of a thousand images at once would fill the memory.
    for start in range(0, len(fakes), _AT_ONCE):
        maps = _maps(detectors, fakes[start : start + _AT_ONCE])
        values += interpret.congenetic_similarity(maps, render=_RENDER).tolist()
        empties.append(np.stack(maps).max(axis=(2, 3)) == 0)
    empty = np.concatenate(empties, axis=1)
    comparable = empty.sum(axis=0) < _TOO_EMPTY
    return {
        "render": _RENDER,
        "target": TARGET,
        "values": [round(value, 6) for value in values],
        "comparable": comparable.tolist(),
        "bins": {
            **interpret.similarity_bins(np.asarray(values)[comparable]),
            "empty": int((~comparable).sum()),
        },
        "empty_maps": dict(zip(detectors, empty.sum(axis=1).tolist(), strict=True)),
    }


def write_maps(
    file: Path, detectors: Mapping[str, Detector], images: Mapping[str, AnyArray]
) -> None:
    """Write sets of images, (N, H, W, 3) uint8, and the detectors' heat maps of them to an .npz.

    Its arrays are SET/images, uint8, and SET/DETECTOR, (N, H, W) float16 in [0, 1].
    """
    arrays: dict[str, AnyArray] = {}
    for key, shown in images.items():
        arrays[f"{key}/images"] = shown
        for name, maps in zip(detectors, _maps(detectors, shown), strict=True):
            arrays[f"{key}/{name}"] = maps.astype(np.float16)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as partial, partial.open("wb") as out:
        write_arrays(out, arrays, zipfile.ZIP_DEFLATED)


def _maps(detectors: Mapping[str, Detector], images: AnyArray) -> list[AnyArray]:
    with warnings.catch_warnings():
        # Empty maps are counted in the records, where they stay.
        warnings.filterwarnings("ignore", message=".* maps are returned as zeros")
        return [
            interpret.grad_cam(detector, images, target=TARGET) for detector in detectors.values()
        ]
