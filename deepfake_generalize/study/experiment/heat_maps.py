"""What a study does with the heat maps of congenetic detectors: compare them, keep some to show."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from deepfake_generalize import interpret
from deepfake_generalize._system.files import replacing, write_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from deepfake_generalize.models import Detector
    from deepfake_generalize.types import AnyArray

TARGET: Final = "fake"
"""The class that the maps speak for."""
_MEASURES: Final[tuple[Any, ...]] = ("ssim", "rank_correlation", "top_overlap")
_JPEG_QUALITY = 90
"""Of the copies that say how alike the maps of one detector are on what looks the same."""
_AT_ONCE = 100
"""Fakes whose heat maps are compared at once."""
_TOO_EMPTY = 2
"""Empty maps of one fake with which it is not compared: they are equal and show no region."""


def compare_maps(
    detectors: Mapping[str, Detector],
    fakes: AnyArray,
    videos: Sequence[str],
    *,
    twins: Mapping[str, Detector] | None = None,
    as_scripts: bool = False,
) -> dict[str, Any]:
    """Compare the maps of a family's detectors for each fake, (N, H, W, 3) uint8 (Figure 3).

    `videos` names the video of each; `twins` are the same detectors, trained with another seed;
    `as_scripts` takes signed maps of each network's first output,
    over the photograph. Returns plain JSON values: how the maps were made; `videos`;
    `empty_maps`, how many of each detector's show nothing; and by each measure of
    `interpret.congenetic_similarity` the likeness of each fake's maps, None where two or more of
    those compared are empty, with their number in each bin of SSIM: `own`, the detectors' maps;
    `floor`, their maps of other faces, of other videos where there are enough; `ceiling`, each
    detector's two maps of the face and of its copy as a JPEG; `twin`, each detector's and its
    twin's.
    """
    make = _maps_of_scripts if as_scripts else _maps
    empty = np.zeros(len(detectors), int)
    compared: dict[str, dict[str, Any]] = {"own": {}, "floor": {}, "ceiling": {}}
    if twins is not None:
        compared["twin"] = {}
    # Part by part: the coloured maps of a thousand images at once would fill the memory.
    for part in np.array_split(np.arange(len(fakes)), math.ceil(len(fakes) / _AT_ONCE)):
        maps = make(detectors, fakes[part])
        others = _of_other_faces(maps, [videos[index] for index in part])
        jpegs = np.stack([_as_jpeg(fake) for fake in fakes[part]])
        copies = make(detectors, jpegs)
        groups: Any = [[maps], [others], list(zip(maps, copies, strict=True))]
        if twins is not None:
            groups.append(list(zip(maps, make(twins, fakes[part]), strict=True)))
        for found, own in zip(compared.values(), groups, strict=True):
            for measure in _MEASURES:
                shown = fakes[part] if as_scripts and measure == "ssim" else None
                found.setdefault(measure, []).extend(_likeness(own, measure, shown))
        empty += [int(_is_empty(own).sum()) for own in maps]
    for found in compared.values():
        known = [value for value in found["ssim"] if value is not None]
        missing = len(found["ssim"]) - len(known)
        found["bins"] = {**interpret.similarity_bins(known), "empty": missing}
    return {
        "render": "study" if as_scripts else "jet",
        "target": "the first output" if as_scripts else TARGET,
        "videos": list(videos),
        "empty_maps": dict(zip(detectors, empty.tolist(), strict=True)),
        "compared": compared,
    }


def _of_other_faces(maps: Sequence[AnyArray], videos: Sequence[str]) -> list[AnyArray]:
    """Return, for each face, the first detector's map of it and the others' of other faces.

    With fewer faces than detectors there are none: all are returned empty.
    """
    order, count = np.argsort(videos, kind="stable"), len(videos)
    # By that many places further on, sorted by video, another one begins.
    step = min(max(Counter(videos).values()), count // len(maps))
    place = np.argsort(order, kind="stable")
    return [
        own[order[(place + number * step) % count]] * np.float32(step > 0)
        for number, own in enumerate(maps)
    ]


def _as_jpeg(image: AnyArray) -> AnyArray:
    _, content = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1]


def _is_empty(maps: AnyArray) -> AnyArray:
    return np.asarray(maps.max(axis=(1, 2)) == 0)


def _likeness(
    groups: Sequence[Sequence[AnyArray]], measure: Any, photographs: AnyArray | None
) -> list[float | None]:
    """Return how alike the maps of a group are on each face, the mean over groups.

    A group in which too many maps of a face are empty is left out; None where all are.
    """
    told = [np.sum([_is_empty(own) for own in maps], axis=0) < _TOO_EMPTY for maps in groups]
    render: Any = "jet" if photographs is None else "study"
    values = [
        interpret.congenetic_similarity(maps, measure=measure, render=render, images=photographs)
        for maps in groups
    ]
    known: Any = np.ma.masked_invalid(np.where(told, values, np.nan))
    return list(known.mean(axis=0).round(6).tolist())  # None where all are masked.


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
        return [interpret.grad_cam(each, images, target=TARGET) for each in detectors.values()]


def _maps_of_scripts(detectors: Mapping[str, Detector], images: AnyArray) -> list[AnyArray]:
    return [_of_the_first_output(each, images) for each in detectors.values()]


def _of_the_first_output(detector: Detector, images: AnyArray) -> AnyArray:
    """Return maps as the scripts make them: P(real) of one sigmoid unit, P(fake) of two columns.

    What speaks against it is in them too; each is stretched from its lowest to its highest value.
    """
    target: Any = "real" if detector.model.output_shape[-1] == 1 else TARGET
    maps = interpret.grad_cam(detector, images, target=target, relu=False)
    low, high = (bound(maps, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
    found: AnyArray = np.zeros_like(maps)
    np.divide(maps - low, high - low, out=found, where=high > low)
    return found
