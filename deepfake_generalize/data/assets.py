"""Model files that are not in the wheel: which there are, where each is, how it is downloaded.

What a user points at is believed and only has to exist; what comes from the cache or the network
must match its checksum. A download is announced before it begins, limited in size and time, and
whole or absent.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import sys
import threading
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import MAX_TEXT_BYTES, read_regular, replacing
from deepfake_generalize.errors import InputError, MissingAssetError, MissingDependencyError
from deepfake_generalize.validation import check_choice

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


ASSETS: tuple[Asset, ...] = tuple(
    Asset(name, **entry)
    for name, entry in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items()
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


TIMEOUT_S = 30.0
"""Seconds without a byte after which a server is given up."""
TOTAL_S = 300.0
"""Seconds after which it is given up whatever it sends: no model file is larger than some MB."""
_CONNECT_S = 10.0
_PAUSE_S = 0.1
_PART_BYTES = 1024
"""What is asked for at a time: unpacked, it may be a thousand times as much."""


class DownloadFailedError(Exception):
    """A download failed; the message says why, `reached` whether the host answered at all."""

    def __init__(self, reason: str, *, reached: bool) -> None:
        """Keep both."""
        super().__init__(reason)
        self.reached = reached


def download(asset: Asset, folder: Path) -> Path:
    """Download an asset into a folder, which is made, and return its file; say so on stderr."""
    if sys.stderr is not None:
        sys.stderr.write(f"downloading {asset.name} from {asset.host} ...\n")
        sys.stderr.flush()
    target = folder / asset.file_name
    failed: list[Exception] = []
    given_up = threading.Event()
    # A thread of its own: a server that sends a byte now and then keeps whoever reads from it
    # waiting, wherever it is, and no timeout of a socket ends that.
    fetching = threading.Thread(target=_fetch, args=(asset, target, given_up, failed), daemon=True)
    deadline = time.monotonic() + TOTAL_S
    fetching.start()
    try:
        while fetching.is_alive() and time.monotonic() < deadline:
            fetching.join(_PAUSE_S)
    finally:
        given_up.set()
    if fetching.is_alive():
        failed.append(ValueError(f"it is not done after {TOTAL_S:g} seconds"))
    if failed:
        # requests' exceptions are OSErrors; a wrong file and one too large are ValueErrors.
        error = failed[-1]
        answered = getattr(error, "response", None) is not None or isinstance(error, ValueError)
        reason = f"the download from {asset.host} failed ({_cause(error)})"
        # The chain behind it is pages of other libraries' insides.
        raise DownloadFailedError(reason, reached=answered) from None
    return target


def _fetch(asset: Asset, target: Path, given_up: threading.Event, failed: list[Exception]) -> None:
    import pooch
    import requests

    limits, most = (min(_CONNECT_S, TIMEOUT_S), TIMEOUT_S), asset.most_bytes
    plain = {"Accept-Encoding": "identity"}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            with (
                requests.get(asset.url, timeout=limits, headers=plain, stream=True) as response,
                temporary.open("wb") as file,
            ):
                response.raise_for_status()
                for part in response.iter_content(_PART_BYTES):
                    _check(file.tell() + len(part) <= most, f"it is larger than {most:,} bytes")
                    _check(not given_up.is_set(), "it was given up")
                    file.write(part)
            is_right = pooch.file_hash(str(temporary), alg="sha256") == asset.sha256
            _check(is_right, "it has another checksum than is expected")
    except Exception as error:  # All of it is told by the thread that waits.
        failed.append(error)


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _cause(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    # Three libraries in a row wrap what the system said.
    while error.__context__ is not None:
        error = error.__context__
    said = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
    return said or type(error).__name__


class DetectorReference(NamedTuple):
    """The parts of `net.py:model[size=256]`: all but the settings, `net.py`, `model`, the settings.

    `name` is empty where the place, a public name or a file, is itself what is meant.
    """

    text: str
    place: str
    name: str
    settings: dict[str, object]


def find_detector(reference: str, weights: str | Path | None = None) -> DetectorReference:
    """Find what `models.load_detector` would load; nothing is run, nothing heavy is loaded."""
    text, inside = reference, ""
    if not Path(text).exists() and (bracketed := re.fullmatch(r"(.+)\[(.+)\]", text)):
        text, inside = bracketed.groups()
    place, _, name = text.rpartition(":")
    if Path(text).exists() or not (place and name.isidentifier()):
        place, name = text, ""
    if name and not place.endswith(".py"):
        there = _is_module(place)
    else:
        there = Path(place).exists() and (bool(name) or not place.endswith(".py"))
    if not there and text not in DETECTORS:
        raise InputError(
            "expected the name of a public detector, a saved .keras file, an .onnx file, "
            f"path/to/file.py:name or package.module:name, received {text!r}.",
            hint=f"{'Name what is in' if Path(place).exists() else 'There is no'} {place}; public "
            f"names are {', '.join(DETECTORS)} (docs: guides/my-detector).",
        )
    if name and place.endswith(".py"):
        with telling(f"expected a file of Python at {place!r}", hint="Check the path."):
            program = read_regular(place, most=MAX_TEXT_BYTES).decode(errors="replace")
        if not re.search(rf"\b{name}\b|import \*", program):
            own = re.findall(r"^(?:def|class) (\w+)", program, re.MULTILINE)
            raise InputError(
                f"expected {name!r} in {place}, there is none.",
                hint=f"It has {', '.join(own) or 'no function and no class'}.",
            )
    if weights is not None and text not in DETECTORS:
        raise InputError(
            f"expected weights= beside a public detector's name, received it with {text}.",
            hint=f"Others hold their weights; the names are {', '.join(DETECTORS)}.",
        )
    if text.endswith(".onnx") and importlib.util.find_spec("onnxruntime") is None:
        raise MissingDependencyError(
            f"expected onnxruntime, which computes {text}: it is not installed.",
            hint="pip install onnxruntime",
        )
    return DetectorReference(text, place, name, _settings(inside))


def _settings(inside: str) -> dict[str, object]:
    """Read `size=299,logits=true`: numbers, true and false, else words."""
    found: dict[str, object] = {}
    for part in filter(None, inside.split(",")):
        name, _, value = (word.strip(" '\"") for word in part.partition("="))
        try:
            found[name] = json.loads(value.lower())
        except ValueError:
            found[name] = value
    return found


def _is_module(name: str) -> bool:
    """Say whether Python, or the folder that it runs in, has a module; none is imported."""
    top, *rest = name.split(".")
    spec = PathFinder.find_spec(top, [str(Path.cwd())]) or importlib.util.find_spec(top)
    for part in rest:
        spec = spec and PathFinder.find_spec(part, spec.submodule_search_locations or [])
    return spec is not None
