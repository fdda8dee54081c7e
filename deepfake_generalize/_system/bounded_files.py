"""Files of strangers, read only where they have an end: no pipes, no devices, no zip bombs."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import io
    import zipfile
    from collections.abc import Collection, Iterator
    from pathlib import Path

MAX_BYTES = 1 << 32
# One only Unix has, the other only Windows.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
MAX_TEXT_BYTES = 10_000_000
"""Of JSON in a file: the description of EfficientNet has a quarter of a million."""


def may_unpack_to(packed: int) -> int:
    """Return to how many bytes a file of so many may unpack."""
    return max(20 * packed, 100_000_000)


def open_regular(file: str | Path, *, most: int = MAX_BYTES) -> io.BufferedReader:
    """Open a file that is to be read whole, or raise `OSError` where that has no end.

    Pipes and devices are refused without waiting for them, and so are files of more than `most`
    bytes.
    """
    try:
        handle = os.open(file, _READING)
    except ValueError as error:  # A NUL byte, or what no bytes stand for.
        raise OSError(errno.EINVAL, "no file can have this name", str(file)) from error
    opened = os.fdopen(handle, "rb")
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size <= most:
        return opened
    opened.close()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(None, "Is a directory", str(file))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(None, "it is no regular file", str(file))
    raise OSError(None, f"it has {found.st_size} bytes, more than {most}", str(file))


def read_regular(file: str | Path, *, most: int = MAX_BYTES) -> bytes:
    """Return what a file holds that `open_regular` opens."""
    with open_regular(file, most=most) as opened:
        return opened.read()


def check_unpacked(archive: zipfile.ZipFile, packed: int, texts: Collection[str] = ()) -> None:
    """Raise `ValueError` where a zip file of `packed` bytes declares to unpack to far more.

    `zipfile` reads no more of a member than is declared. Those in `texts` are parsed whole.
    """
    most = may_unpack_to(packed)
    if (unpacked := sum(member.file_size for member in archive.infolist())) > most:
        raise ValueError(f"it may unpack to at most {most:,} bytes, it declares {unpacked:,}")
    for member in archive.infolist():
        if member.filename in texts and member.file_size > MAX_TEXT_BYTES:
            raise ValueError(
                f"it may hold at most {MAX_TEXT_BYTES:,} bytes of description, {member.filename} "
                f"in it declares {member.file_size:,}"
            )


@contextlib.contextmanager
def open_arrays(file: Path, texts: Collection[str] = ()) -> Iterator[Any]:
    """Open what `np.savez` wrote, without pickle, and only where `check_unpacked` passes."""
    import zipfile

    import numpy as np  # The command line starts without it.

    # Of any size: training writes checkpoints of any network.
    with open_regular(file, most=1 << 62) as raw:
        with zipfile.ZipFile(raw) as archive:
            check_unpacked(archive, os.fstat(raw.fileno()).st_size, texts)
        raw.seek(0)
        with np.load(raw, allow_pickle=False) as arrays:
            yield arrays
