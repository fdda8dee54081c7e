"""The model files that the wheel does not carry: found where the user says, cached, or downloaded.

The order is always the same: the argument, the environment variable, the cache, the address. What
a user points at is believed and only has to exist; what comes from the cache or the network must
match its checksum.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepfake_generalize.data.assets.download import DownloadFailedError, download, matches
from deepfake_generalize.errors import InputError, MissingAssetError

CACHE_VARIABLE = "DEEPFAKE_GENERALIZE_CACHE"
TIMEOUT_S = 30.0
"""Seconds without a byte after which a server is given up."""

_FACE = "https://storage.googleapis.com/mediapipe-models/face_detector"
_MESONET = (
    "https://raw.githubusercontent.com/DariusAf/MesoNet/"
    "2144d56a30e48cdcac1976ff13a1c5cdc86376c6/weights"
)
_MESONET_VARIABLE = "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS"


@dataclass(frozen=True)
class Asset:
    """A file that can be pointed at or downloaded.

    Attributes:
        name: What the library calls it.
        file_name: Its name in the cache, and in a folder that a user points at.
        url: Where it can be downloaded.
        sha256: Checksum of the download, hexadecimal.
        variable: Environment variable that may name the file, or a folder that holds it.
    """

    name: str
    file_name: str
    url: str
    sha256: str
    variable: str


@dataclass(frozen=True)
class AssetStatus:
    """Where an asset would come from now, found without downloading anything.

    Attributes:
        name: What the library calls it.
        found: The file, None where it would have to be downloaded or cannot be had.
        how: Which of the ways led to it, None where none did.
        variable: Environment variable that may name it.
        address: Where it can be downloaded.
        problem: Why something that is there cannot be used; empty where nothing is wrong.
    """

    name: str
    found: Path | None
    how: Literal["environment", "cache"] | None
    variable: str
    address: str
    problem: str = ""


ASSETS: tuple[Asset, ...] = (
    Asset(
        "face-full-range",
        "blaze_face_full_range.tflite",
        f"{_FACE}/blaze_face_full_range/float16/1/blaze_face_full_range.tflite",
        "3698b18f063835bc609069ef052228fbe86d9c9a6dc8dcb7c7c2d69aed2b181b",
        "DEEPFAKE_GENERALIZE_FACE_MODEL",
    ),
    Asset(
        "face-short-range",
        "blaze_face_short_range.tflite",
        f"{_FACE}/blaze_face_short_range/float16/1/blaze_face_short_range.tflite",
        "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f",
        "DEEPFAKE_GENERALIZE_FACE_MODEL_SHORT",
    ),
    Asset(
        "face-landmarks",
        "face_landmark.tflite",
        "https://storage.googleapis.com/mediapipe-assets/tasks/testdata/vision/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        "DEEPFAKE_GENERALIZE_LANDMARK_MODEL",
    ),
    Asset(
        "mesonet-deepfakes",
        "Meso4_DF.h5",
        f"{_MESONET}/Meso4_DF.h5",
        "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5",
        _MESONET_VARIABLE,
    ),
    Asset(
        "mesonet-face2face",
        "Meso4_F2F.h5",
        f"{_MESONET}/Meso4_F2F.h5",
        "bcfda015d217b9f8d6557693edbdf9f4e79cfd22672541968dd0e2954462b5d7",
        _MESONET_VARIABLE,
    ),
    Asset(
        "mesoinception-deepfakes",
        "MesoInception_DF.h5",
        f"{_MESONET}/MesoInception_DF.h5",
        "234586d40058e76ef8b6f27ca4b63c06e31c2a5a69c0d8ba6f30b1468ab7bafa",
        _MESONET_VARIABLE,
    ),
    Asset(
        "mesoinception-face2face",
        "MesoInception_F2F.h5",
        f"{_MESONET}/MesoInception_F2F.h5",
        "d4533ac8a3197dc35c47405d23d99e888c1d0135e267e03540c7451feaccff3f",
        _MESONET_VARIABLE,
    ),
)

DETECTORS: tuple[str, ...] = tuple(one.name for one in ASSETS if one.variable == _MESONET_VARIABLE)
"""Those that are the weights of a public detector."""


def resolve(name: str, path: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of an asset, downloading it where nothing else leads to it.

    Args:
        name: One of the names in `ASSETS`.
        path: The file, or a folder that holds it under its original name; believed, not
            checksummed.

    Returns:
        An existing file, absolute.

    Raises:
        InputError: No asset has that name.
        MissingAssetError: What was pointed at does not exist, or the download failed.
    """
    return resolve_asset(find_asset(name), path)


def find_asset(name: str) -> Asset:
    """Return the asset of that name.

    Raises:
        InputError: No asset has that name.

    Examples:
        >>> find_asset("mesonet-deepfakes").file_name
        'Meso4_DF.h5'
    """
    for asset in ASSETS:
        if asset.name == name:
            return asset
    raise InputError(
        f"expected the name of an asset, received {name!r}.",
        hint=f"Known names: {', '.join(asset.name for asset in ASSETS)}.",
    )


def resolve_asset(
    asset: Asset, path: str | os.PathLike[str] | None = None, *, timeout_s: float = TIMEOUT_S
) -> Path:
    """Return the file of any asset, also one that is not in `ASSETS`.

    Args:
        asset: What to find.
        path: As in `resolve`.
        timeout_s: Seconds without a byte after which the server is given up.

    Returns:
        An existing file, absolute.

    Raises:
        MissingAssetError: What was pointed at does not exist, or the download failed.
    """
    if path is not None:
        return _pointed_at(asset, Path(path), "the path given")
    named = os.environ.get(asset.variable)
    if named:
        return _pointed_at(asset, Path(named), f"${asset.variable}")
    try:
        return download(asset, cache_folder(), timeout_s)
    except DownloadFailedError as error:
        # The reason is in the sentence; the chain behind it is pages of other libraries' insides.
        raise download_failed(asset, error.reason) from None


def asset_status(name: str) -> AssetStatus:
    """Say where an asset would come from, without touching the network.

    Args:
        name: One of the names in `ASSETS`.

    Returns:
        What was found, and how.

    Raises:
        InputError: No asset has that name.
    """
    asset = find_asset(name)
    named = os.environ.get(asset.variable)
    if named:
        try:
            found = _pointed_at(asset, Path(named), f"${asset.variable}")
        except MissingAssetError as error:
            return AssetStatus(name, None, None, asset.variable, asset.url, error.message)
        return AssetStatus(name, found, "environment", asset.variable, asset.url)
    cached = cache_folder() / asset.file_name
    if not cached.is_file():
        return AssetStatus(name, None, None, asset.variable, asset.url)
    if not matches(cached, asset.sha256):
        problem = f"{cached} does not have the expected checksum; it will be downloaded again"
        return AssetStatus(name, None, None, asset.variable, asset.url, problem)
    return AssetStatus(name, cached, "cache", asset.variable, asset.url)


def cache_folder() -> Path:
    """Return where downloads are kept: `$DEEPFAKE_GENERALIZE_CACHE`, or the platform's place."""
    import pooch

    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen) if chosen else Path(pooch.os_cache("deepfake_generalize"))
    return folder.expanduser().absolute()


def _pointed_at(asset: Asset, path: Path, how: str) -> Path:
    path = path.expanduser().absolute()
    try:
        file = path / asset.file_name if path.is_dir() else path
        exists = file.is_file()
    except (OSError, ValueError):
        file, exists = path, False
    if exists:
        return file
    raise MissingAssetError(
        f"expected {how} to lead to the file of {asset.name} (or a folder that holds "
        f"{asset.file_name}), found no file {str(file)!r}.",
        hint=_ways(asset),
    )


def download_failed(asset: Asset, reason: str) -> MissingAssetError:
    """Return the error for an asset that nothing leads to and that could not be downloaded."""
    return MissingAssetError(
        f"expected to find or download the file of {asset.name}, but {reason}.", hint=_ways(asset)
    )


def _ways(asset: Asset) -> str:
    return (
        f"Four ways lead to it: pass its path as an argument; set ${asset.variable} to it; put it "
        f"into the cache as {cache_folder() / asset.file_name} (${CACHE_VARIABLE} moves the "
        f"cache); or allow the download from {asset.url}."
    )
