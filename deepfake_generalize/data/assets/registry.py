"""The model files that the wheel does not carry: names, addresses, checksums, variables."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from deepfake_generalize.validation import check_choice

_FACE = "https://storage.googleapis.com/mediapipe-models/face_detector"
_LANDMARKS = "https://storage.googleapis.com/mediapipe-assets/tasks/testdata/vision"
_MESONET = (
    "https://raw.githubusercontent.com/DariusAf/MesoNet/"
    "2144d56a30e48cdcac1976ff13a1c5cdc86376c6/weights"
)
_MESONET_VARIABLE = "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS"


@dataclass(frozen=True)
class Asset:
    """A file that can be pointed at or downloaded."""

    name: str
    url: str
    sha256: str
    variable: str
    """Environment variable that may name the file, or a folder that holds it."""
    most_bytes: int = 10_000_000
    """Its size where that is known; a server that sends more sends something else."""

    @property
    def file_name(self) -> str:
        """Its name in the cache, and in a folder that a user points at."""
        return self.url.rpartition("/")[2]

    @property
    def host(self) -> str:
        """The host of its address."""
        return urlsplit(self.url).hostname or self.url


ASSETS: tuple[Asset, ...] = (
    Asset(
        "face-full-range",
        f"{_FACE}/blaze_face_full_range/float16/1/blaze_face_full_range.tflite",
        "3698b18f063835bc609069ef052228fbe86d9c9a6dc8dcb7c7c2d69aed2b181b",
        "DEEPFAKE_GENERALIZE_FACE_MODEL",
    ),
    Asset(
        "face-short-range",
        f"{_FACE}/blaze_face_short_range/float16/1/blaze_face_short_range.tflite",
        "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f",
        "DEEPFAKE_GENERALIZE_FACE_MODEL_SHORT",
    ),
    Asset(
        "face-landmarks",
        f"{_LANDMARKS}/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        "DEEPFAKE_GENERALIZE_LANDMARK_MODEL",
        1_242_398,
    ),
    Asset(
        "mesonet-deepfakes",
        f"{_MESONET}/Meso4_DF.h5",
        "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5",
        _MESONET_VARIABLE,
        156_128,
    ),
    Asset(
        "mesonet-face2face",
        f"{_MESONET}/Meso4_F2F.h5",
        "bcfda015d217b9f8d6557693edbdf9f4e79cfd22672541968dd0e2954462b5d7",
        _MESONET_VARIABLE,
        156_128,
    ),
    Asset(
        "mesoinception-deepfakes",
        f"{_MESONET}/MesoInception_DF.h5",
        "234586d40058e76ef8b6f27ca4b63c06e31c2a5a69c0d8ba6f30b1468ab7bafa",
        _MESONET_VARIABLE,
        197_504,
    ),
    Asset(
        "mesoinception-face2face",
        f"{_MESONET}/MesoInception_F2F.h5",
        "d4533ac8a3197dc35c47405d23d99e888c1d0135e267e03540c7451feaccff3f",
        _MESONET_VARIABLE,
        197_504,
    ),
)

DETECTORS = tuple(asset.name for asset in ASSETS if asset.variable == _MESONET_VARIABLE)
"""Those that are the weights of a public detector."""


def find_asset(name: str) -> Asset:
    """Return the asset of that name, or refuse it with InputError."""
    by_name = {asset.name: asset for asset in ASSETS}
    return by_name[check_choice("the name of an asset", name, by_name)]


def face_assets(aligner: str, *, finds: bool) -> list[str]:
    """Return the model files that cutting out faces takes; `finds` if `MediaPipeFinder` does."""
    of = {"landmarks": ["face-landmarks"], "short-range": ["face-short-range"], "finder": []}
    check_choice("aligner", aligner, of, hint="The default is landmarks.")
    return (["face-full-range"] if finds else []) + of[aligner]
