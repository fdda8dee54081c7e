"""One download by pooch: announced before it begins, limited, checked."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepfake_generalize.data.assets.registry import Asset

TIMEOUT_S = 30.0
"""Seconds without a byte after which a server is given up."""
_CONNECT_S = 10.0
_MAX_BYTES = 100_000_000
"""No model file is nearly as large; a server that sends more sends something else."""


class DownloadFailedError(Exception):
    """A download failed; the message says why, `reached` whether the host answered at all."""

    def __init__(self, reason: str, *, reached: bool) -> None:
        """Keep both."""
        super().__init__(reason)
        self.reached = reached


def download(asset: Asset, folder: Path) -> Path:
    """Return the file of an asset from a folder, which is made, or download it there.

    Says on standard error what is downloaded from where before it begins.

    Raises:
        DownloadFailedError: It cannot be had, or is another file.
    """
    import pooch

    if sys.stderr is not None:
        sys.stderr.write(f"downloading {asset.name} from {asset.host} ...\n")
        sys.stderr.flush()

    def fetch(url: str, path: str, store: object) -> None:
        limits = (min(_CONNECT_S, TIMEOUT_S), TIMEOUT_S)
        with _LimitedFile(path, "wb") as file:
            pooch.HTTPDownloader(timeout=limits)(url, file, store)

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        known_hash, name = f"sha256:{asset.sha256}", asset.file_name
        return Path(pooch.retrieve(asset.url, known_hash, name, folder, downloader=fetch))
    except (OSError, ValueError) as error:
        # requests' exceptions are OSErrors; pooch reports a wrong checksum as ValueError.
        answered = getattr(error, "response", None) is not None or isinstance(error, ValueError)
        reason = f"the download from {asset.host} failed ({_cause(error)})"
        # The chain behind it is pages of other libraries' insides.
        raise DownloadFailedError(reason, reached=answered) from None
    finally:
        logger.setLevel(level)


class _LimitedFile(io.FileIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > _MAX_BYTES:
            raise ValueError(f"it is larger than {_MAX_BYTES // 1_000_000} MB")
        return super().write(data)


def _cause(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    if isinstance(error, ValueError) and "hash" in str(error):
        return "it has another checksum than is expected"
    # Three libraries in a row wrap what the system said.
    while error.__context__ is not None:
        error = error.__context__
    said = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
    return said or type(error).__name__
