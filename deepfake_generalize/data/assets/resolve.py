"""Where a model file is: the argument, the environment variable, the cache, else the address.

What a user points at is believed and only has to exist; what comes from the cache or the network
must match its checksum.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepfake_generalize.data.assets.download import DownloadFailedError, download
from deepfake_generalize.data.assets.registry import Asset, find_asset
from deepfake_generalize.errors import MissingAssetError

CACHE_VARIABLE = "DEEPFAKE_GENERALIZE_CACHE"


@dataclass(frozen=True)
class AssetStatus:
    """Where an asset would come from now, found without downloading anything."""

    name: str
    found: Path | None
    """None where it would have to be downloaded or cannot be had."""
    how: Literal["environment", "cache"] | None
    """Which of the ways led to it, None where none did."""
    variable: str
    address: str
    problem: str = ""
    """Why something that is there cannot be used."""


def asset_status(name: str) -> AssetStatus:
    """Say where an asset would come from, without touching the network."""
    asset = find_asset(name)
    pointed = _pointed_at(asset, None)
    how: Literal["environment", "cache"] = "cache" if pointed is None else "environment"
    found, problem = pointed or _cached(asset)
    return AssetStatus(name, found, how if found else None, asset.variable, asset.url, problem)


def resolve(name: str, path: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of an asset, absolute, downloading it where nothing else leads to it."""
    return require({name: path})[name]


def require(wanted: Mapping[str, str | os.PathLike[str] | None]) -> dict[str, Path]:
    """Return the files of several assets, with one error for all that is missing."""
    found: dict[str, Path] = {}
    missing: dict[Asset, str] = {}
    left: list[Asset] = []
    for asset, path in [(find_asset(name), path) for name, path in wanted.items()]:
        file, problem = _pointed_at(asset, path) or (_cached(asset)[0], "")
        if file is not None:
            found[asset.name] = file
        elif problem:
            missing[asset] = problem
        else:
            left.append(asset)
    silent: dict[str, str] = {}
    if missing:
        missing |= {asset: f"{asset.name} would have to be downloaded" for asset in left}
        left = []
    for asset in left:
        if asset.host in silent:
            missing[asset] = silent[asset.host]
            continue
        try:
            found[asset.name] = download(asset, cache_folder())
        except DownloadFailedError as error:
            missing[asset] = str(error)
            if not error.reached:
                silent[asset.host] = str(error)
    if missing:
        variables = ", ".join(dict.fromkeys(f"${asset.variable}" for asset in missing))
        raise MissingAssetError(
            f"expected to find or download {', '.join(asset.name for asset in missing)}, but "
            f"{'; '.join(dict.fromkeys(missing.values()))}.",
            hint=f"Four ways lead to it: pass its path as an argument; set {variables} to it; put "
            f"{', '.join(asset.file_name for asset in missing)} into the cache {cache_folder()} "
            f"(${CACHE_VARIABLE} moves the cache); or allow the download from "
            f"{', '.join(asset.url for asset in missing)} (docs: command-line).",
        )
    return found


def cache_folder() -> Path:
    """Return where downloads are kept: `$DEEPFAKE_GENERALIZE_CACHE`, or the platform's place."""
    import pooch

    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen) if chosen else Path(pooch.os_cache("deepfake_generalize"))
    return folder.expanduser().absolute()


def _pointed_at(
    asset: Asset, path: str | os.PathLike[str] | None
) -> tuple[Path | None, str] | None:
    """Return the file that the argument or the variable leads to, or why it leads to none."""
    named = os.environ.get(asset.variable)
    if path is None and not named:
        return None
    how, path = (f"${asset.variable}", str(named)) if path is None else ("the path given", path)
    file = Path(path).expanduser().absolute()
    with contextlib.suppress(OSError, ValueError):
        file = file / asset.file_name if file.is_dir() else file
        if file.is_file():
            return file, ""
    return None, f"{how} leads to no file {str(file)!r} (nor to a folder with {asset.file_name})"


def _cached(asset: Asset) -> tuple[Path | None, str]:
    """Return the file in the cache, or why it cannot be used."""
    import pooch

    file = cache_folder() / asset.file_name
    if not file.is_file():
        return None, ""
    with contextlib.suppress(OSError):
        if pooch.file_hash(str(file), alg="sha256") == asset.sha256:
            return file, ""
    return None, f"{file} does not have the expected checksum; it will be downloaded again"
