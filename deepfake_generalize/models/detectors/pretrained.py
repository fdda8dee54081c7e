"""The four public MesoNet detectors."""

from __future__ import annotations

import hashlib
from pathlib import Path

from deepfake_generalize.data import assets
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.architectures import ARCHITECTURES
from deepfake_generalize.models.detectors.detector import Detector
from deepfake_generalize.validation import check_choice


def load_pretrained(name: str, *, path: str | Path | None = None) -> Detector:
    """Load a public MesoNet with the weights of its authors.

    Source: Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network". The weights
    give P(real), so the detector's `fake_index` is 0 and its scores are 1 minus the network's.

    Args:
        name: `mesonet-deepfakes`, `mesonet-face2face`, `mesoinception-deepfakes` or
            `mesoinception-face2face`.
        path: The weights file. Without it: the folder named by
            `$DEEPFAKE_GENERALIZE_MESONET_WEIGHTS`, the cache, a checksummed download.

    Returns:
        A detector for 256x256 images.

    Raises:
        InputError: Another name, or a file that does not hold these weights.
        MissingAssetError: The file is nowhere to be had.

    Reproduction notes:
        The weights were trained and tested through Keras's ImageDataGenerator, whose resizing takes
        the nearest pixel; so does this detector. On the published test set MesoInception's
        `deepfakes` weights reach .913 of frames and .985 of videos so, as published (.917, .984).
        The `deepfakes` weights separate Deepfakes from real faces; the `face2face` ones do not.

    Examples:
        >>> load_pretrained("mesonet-deepfakes").fake_index  # doctest: +SKIP
        0
    """
    check_choice(
        "name", name, assets.DETECTORS, hint="A detector of your own: Detector.load(path)."
    )
    _refuse_another(name, file := assets.resolve(name, path))
    build = ARCHITECTURES[name.partition("-")[0]]
    return Detector(build(weights=file), fake_index=0, name=name, resize="nearest")


def _refuse_another(name: str, file: Path) -> None:
    """Raise where a file is known to be that of another public detector: networks are alike."""
    public = [asset for asset in assets.ASSETS if asset.name in assets.DETECTORS]
    if file.stat().st_size > max(asset.most_bytes for asset in public):
        return
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    other = next((asset.name for asset in public if asset.sha256 == digest), name)
    if other != name:
        raise InputError(
            f"expected the weights of {name}, {file} holds those of {other}.",
            hint=f"Pass the name {other}, or the path of the other file.",
        )
