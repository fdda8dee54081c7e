"""All the model files that a job needs, before it begins; what is missing is named at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from deepfake_generalize.data.assets.download import DownloadFailedError, download, host_of
from deepfake_generalize.data.assets.resolve import (
    TIMEOUT_S,
    Asset,
    asset_status,
    cache_folder,
    download_failed,
    find_asset,
    resolve_asset,
)
from deepfake_generalize.errors import MissingAssetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def face_assets(aligner: str, *, finds: bool) -> list[str]:
    """Return the names of the model files that cutting out faces takes.

    Args:
        aligner: What finds the eyes, as in `extract_faces`.
        finds: Whether `MediaPipeFinder` finds the faces.

    Returns:
        Names of `assets.ASSETS`.

    Examples:
        >>> face_assets("landmarks", finds=True)
        ['face-full-range', 'face-landmarks']
        >>> face_assets("finder", finds=False)
        []
    """
    by_aligner = {"landmarks": ["face-landmarks"], "short-range": ["face-short-range"]}
    return (["face-full-range"] if finds else []) + by_aligner.get(aligner, [])


def require(wanted: Mapping[str, str | os.PathLike[str] | None]) -> dict[str, Path]:
    """Find several assets, downloading those that nothing else leads to.

    Nothing is downloaded where a path that was given leads nowhere: the job cannot begin anyway.
    A host that could not be reached is not tried again.

    Args:
        wanted: Names of `assets.ASSETS`, each with its path as in `assets.resolve`, or None.

    Returns:
        The file of each.

    Raises:
        InputError: No asset has that name.
        MissingAssetError: Files are missing; one error for all of them.
    """
    given = {
        name: path
        for name, path in wanted.items()
        if path is not None or os.environ.get(find_asset(name).variable)
    }
    found: dict[str, Path] = {}
    errors: dict[str, MissingAssetError] = {}
    for name, path in given.items():
        try:
            found[name] = resolve_asset(find_asset(name), path)
        except MissingAssetError as error:
            errors[name] = error
    left = [find_asset(name) for name in wanted if name not in given]
    if errors:
        absent = [asset for asset in left if asset_status(asset.name).found is None]
        reasons = {a.name: f"{a.name} would have to be downloaded" for a in absent}
    else:
        reasons = _download(left, found)
    if not errors and len(reasons) == 1:
        name, reason = reasons.popitem()
        raise download_failed(find_asset(name), reason)
    if len(errors) == 1 and not reasons:
        raise errors.popitem()[1]
    if errors or reasons:
        said = [error.message.rstrip(".") for error in errors.values()] + [*reasons.values()]
        raise _error_of([*errors, *reasons], said)
    return found


def _download(assets: Iterable[Asset], found: dict[str, Path]) -> dict[str, str]:
    """Fill `found`, and return why each of the others could not be had."""
    silent: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for asset in assets:
        host = host_of(asset.url)
        if host in silent and asset_status(asset.name).found is None:
            reasons[asset.name] = silent[host]
            continue
        try:
            found[asset.name] = download(asset, cache_folder(), TIMEOUT_S)
        except DownloadFailedError as error:
            reasons[asset.name] = error.reason
            if not error.reached:
                silent[host] = error.reason
    return reasons


def _error_of(names: Iterable[str], said: Iterable[str]) -> MissingAssetError:
    assets = [find_asset(name) for name in names]
    variables = ", ".join(dict.fromkeys(f"${asset.variable}" for asset in assets))
    hosts = " and ".join(dict.fromkeys(host_of(asset.url) for asset in assets))
    return MissingAssetError(
        f"{len(assets)} model files are missing, {', '.join(one.name for one in assets)}: "
        f"{'; '.join(dict.fromkeys(said))}.",
        hint=f"Let {variables} lead to copies, put {', '.join(a.file_name for a in assets)} into "
        f"the cache {cache_folder()}, or allow downloads from {hosts}; `deepfake-generalize doctor`"
        " gives the addresses.",
    )
