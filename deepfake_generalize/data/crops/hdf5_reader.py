"""Reading packs of crops: what is in one, and its pixels, by many readers at once.

HDF5 is asked where the pixels lie and closed again; they are then read by position from a file of
the reader's own. So nothing is shared between threads or across a fork, nothing waits for HDF5's
one lock, and files on read-only or network disks need none. A memory map would do the same, no
faster, and a file cut under it would end the process.
"""

from __future__ import annotations

import functools
import io
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import numpy as np
import pandas as pd
from isal.isal_zlib import crc32

from deepfake_generalize.data.crops.hdf5_format import PACK_HINT, Index, read_index
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deepfake_generalize.types import IntArray, UInt8Array

PACK_SUFFIXES: tuple[str, ...] = (".h5", ".hdf5")

_Stamp: TypeAlias = tuple[int, int, int]
_BORDER = re.compile(r"\.(?:h5|hdf5)/", re.IGNORECASE)


@dataclass(frozen=True, eq=False, repr=False)
class Pack:
    """A pack's index, in memory, without an open file.

    Attributes:
        file: Where it lies.
        index: What it holds.
        offset: Where its pixels begin.
        names: The name of each image; the path of a packed crop is `file`, "/", and its name.
        rows: Each name's row.
    """

    file: str
    index: Index
    offset: int
    names: tuple[str, ...]
    rows: Mapping[str, int]
    _stamp: _Stamp

    def row(self, name: str) -> int:
        """Return the row of an image, or raise `InputError` where the pack holds none of it."""
        if name not in self.rows:
            raise InputError(
                f"expected the image {name!r} in the pack {self.file!r}, it is not among its "
                f"{len(self.rows)} images.",
                hint="The pack was made again of other crops: read it with data.read_crops.",
            )
        return self.rows[name]

    def read(self, rows: IntArray) -> UInt8Array:
        """Read images, each checked against its checksum.

        Args:
            rows: (n,) row numbers in any order; one may come twice.

        Returns:
            (n, H, W, 3) uint8, RGB, in the order of `rows`.

        Raises:
            InputError: The pack is damaged, or another than when it was opened.
        """
        images = np.empty((len(rows), *self.index.size, 3), np.uint8)
        try:
            with open(self.file, "rb", buffering=0) as file:  # noqa: PTH123 - of a str
                self._check_same(os.fstat(file.fileno()))
                for image, row in zip(images, rows, strict=True):
                    place = self.offset + int(row) * image.nbytes
                    if os.preadv(file.fileno(), [image.data], place) != image.nbytes:
                        _damaged(self.file, "it is truncated")
        except OSError as error:
            raise InputError(
                f"expected a pack of crops at {self.file!r}: {error.strerror}.",
                hint="Check the path.",
            ) from error
        for image, row in zip(images, rows, strict=True):
            if crc32(image.data) != self.index.checksums[row]:
                _damaged(self.file, f"the checksum of the image {self.names[row]!r} is wrong")
        return images

    def _check_same(self, found: os.stat_result) -> None:
        if _stamp_of(found) != self._stamp:
            raise InputError(
                f"expected the pack {self.file!r} as it was when it was opened, it was replaced "
                "or altered.",
                hint="Read it with data.read_crops again.",
            )


def open_pack(file: str | Path) -> Pack:
    """Read the index of a pack; the last few are kept, by file and time of change.

    Raises:
        InputError: Not there, not a pack, of another version, or damaged.
    """
    name = os.fspath(file)
    try:
        stamp = _stamp_of(os.stat(name))  # noqa: PTH116 - of a str, once a packed image
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"expected a pack of crops at {name!r}: {reason}.", hint="Check the path."
        ) from error
    return _load(name, stamp)


def split_packed(path: str) -> tuple[str, str] | None:
    """Split the path of a packed crop into the pack and the name of the image in it.

    Args:
        path: Any path, such as "/data/crops.h5/FF++/real/001/frame_00012.png".

    Returns:
        None where no file ends in .h5 or .hdf5 on the way: then it is the path of an image file.
    """
    for border in _BORDER.finditer(path):
        pack = path[: border.end() - 1]
        if os.path.isfile(pack):  # noqa: PTH113 - of a str, once for each of many rows
            return pack, path[border.end() :]
    return None


def is_pack(path: Path) -> bool:
    """Return whether this is a file with the name of a pack."""
    return path.suffix.lower() in PACK_SUFFIXES and path.is_file()


@functools.lru_cache(maxsize=8)
def _load(file: str, stamp: _Stamp) -> Pack:
    index, offset = read_index(file)
    names = _names(file, index.manifest)
    rows = {name: row for row, name in enumerate(names)}
    if len(rows) != len(index.checksums):
        _damaged(file, f"it names {len(rows)} images and holds {len(index.checksums)}")
    return Pack(file, index, offset, names, rows, stamp)


def _names(file: str, manifest: bytes) -> tuple[str, ...]:
    try:
        table = pd.read_csv(
            io.BytesIO(manifest),
            usecols=["path"],
            dtype=object,
            keep_default_na=False,
            encoding_errors="surrogateescape",
        )
    except ValueError as error:
        _damaged(file, f"its manifest is none: {error}")
    names = tuple(map(str, table["path"]))
    for name in names:
        if not name or os.path.normpath(name) != name or name.startswith(("/", "..")):
            raise InputError(
                f"expected images inside the pack {file!r}, its manifest names {name!r}.",
                hint=PACK_HINT,
            )
    return names


def _damaged(file: str, reason: str) -> NoReturn:
    raise InputError(f"expected a whole pack of crops at {file!r}, but {reason}.", hint=PACK_HINT)


def _stamp_of(found: os.stat_result) -> _Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns
