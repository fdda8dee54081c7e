"""One download: announced before it begins, limited in size and time, checked, whole or absent."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from deepfake_generalize._system.files import replacing
from deepfake_generalize.data.assets.registry import Asset

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
