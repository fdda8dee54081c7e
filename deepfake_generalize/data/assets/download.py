"""One download, announced before it begins, checked, and with one sentence where it fails."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deepfake_generalize.data.assets.resolve import Asset

_CONNECT_S = 10.0
# By name, since each way in which a download can fail is wrapped by three libraries in a row.
_SAID_OF = {
    "gaierror": "{host} could not be found (is there a network?)",
    "ConnectionRefusedError": "{host} refused the connection",
    "SSLError": "{host} could not be trusted (a proxy, or a certificate that is not known)",
    "ProxyError": "the proxy to {host} could not be used",
    "TimeoutError": "the download from {host} timed out",
    "Timeout": "the download from {host} timed out",
    "ReadTimeoutError": "the download from {host} timed out",
    "ConnectionError": "the connection to {host} broke off",
    "ChunkedEncodingError": "the connection to {host} broke off",
}


class DownloadFailedError(Exception):
    """A download failed.

    Args:
        reason: Why, in words that end a sentence.
        reached: Whether the host answered at all.
    """

    def __init__(self, reason: str, *, reached: bool) -> None:
        """Keep both."""
        super().__init__(reason)
        self.reason = reason
        self.reached = reached


def download(asset: Asset, folder: Path, timeout_s: float) -> Path:
    """Return the file of an asset from a folder, downloading it if it is not there.

    Says on standard error what is downloaded from where before it begins.

    Args:
        asset: What to download.
        folder: Where downloads are kept; made if missing.
        timeout_s: Seconds without a byte after which the server is given up.

    Returns:
        A file whose checksum was verified.

    Raises:
        DownloadFailedError: It cannot be had, or is another file.
    """
    import pooch

    file = folder / asset.file_name
    if file.is_file() and matches(file, asset.sha256):
        return file
    host = host_of(asset.url)
    if sys.stderr is not None:
        sys.stderr.write(f"downloading {asset.name} from {host} ...\n")
        sys.stderr.flush()
    store = pooch.create(
        path=folder,
        base_url="",
        registry={asset.file_name: f"sha256:{asset.sha256}"},
        urls={asset.file_name: asset.url},
    )
    limits = (min(_CONNECT_S, timeout_s), timeout_s)
    try:
        with _quiet(pooch.get_logger()):
            downloader = pooch.HTTPDownloader(timeout=limits, stream=False)
            return Path(store.fetch(asset.file_name, downloader=downloader))
    except (OSError, ValueError) as error:
        # requests' exceptions are OSErrors; pooch reports a wrong checksum as ValueError.
        reached = getattr(error, "response", None) is not None or isinstance(error, ValueError)
        raise DownloadFailedError(_reason(error, host), reached=reached) from error


def host_of(url: str) -> str:
    """Return the host of an address.

    Examples:
        >>> host_of("https://example.org/weights.h5")
        'example.org'
    """
    return urlsplit(url).hostname or url


def matches(file: Path, sha256: str) -> bool:
    """Return whether a file can be read and has this checksum."""
    import pooch

    try:
        return bool(pooch.file_hash(str(file), alg="sha256") == sha256)
    except OSError:
        return False


def _reason(error: Exception, host: str) -> str:
    if isinstance(error, ValueError) and "hash" in str(error):
        return f"what {host} sent has another checksum than is expected"
    response = getattr(error, "response", None)
    if response is not None:
        return f"{host} answered {response.status_code} ({response.reason})"
    kinds = {cls.__name__ for one in _chain(error) for cls in type(one).__mro__}
    for kind, said in _SAID_OF.items():
        if kind in kinds and "requests" in type(error).__module__:
            return said.format(host=host)
    text = " ".join(str(error).split()).rstrip(".")
    return f"the download failed: {type(error).__name__}: {text}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it was made of, also those that libraries hide in it."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inside = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [other for other in inside if isinstance(other, BaseException)]


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
