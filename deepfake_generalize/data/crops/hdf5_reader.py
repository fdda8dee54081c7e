"""Reading packs of crops: what is in one, and its pixels, by many readers at once.

HDF5 is asked where the pixels lie and closed again; they are then read by position from a file of
the reader's own. So nothing is shared between threads or across a fork, nothing waits for HDF5's
one lock, and files on read-only or network disks need none.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import numpy as np
import pandas as pd

from deepfake_generalize.data.crops.hdf5_format import Layout, read_layout
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from deepfake_generalize.types import AnyArray, IntArray, UInt8Array

PACK_SUFFIXES: tuple[str, ...] = (".h5", ".hdf5")

_Stamp: TypeAlias = tuple[int, int, int]
_BORDER = re.compile(r"\.(?:h5|hdf5)/", re.IGNORECASE)
_BUFFERS_AT_ONCE = 512
_HINT = "Copy the pack again, or make it again with data.pack."


@dataclass(frozen=True, eq=False, repr=False)
class Pack:
    """An index of a pack, in memory, without an open file.

    Attributes:
        file: Where it lies.
        layout: What HDF5 says about it.
        names: The name of each image; the path of a packed crop is `file`, "/", and its name.
        rows: Each name's row.
    """

    file: str
    layout: Layout
    names: tuple[str, ...]
    rows: Mapping[str, int]
    _stamp: _Stamp

    def row(self, name: str) -> int:
        """Return the row of an image.

        Raises:
            InputError: The pack holds none of that name.
        """
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
        images = np.empty((len(rows), *self.layout.size, 3), np.uint8)
        with self._open() as handle:
            if self.layout.compressed:
                self._inflate(handle, images, rows)
            else:
                self._copy(handle, images, rows)
        for image, row in zip(images, rows, strict=True):
            if zlib.crc32(image.data) != self.layout.checksums[row]:
                self._damaged(f"the checksum of the image {self.names[row]!r} is wrong")
        return images

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        try:
            handle = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(
                f"expected a pack of crops at {self.file!r}: {error.strerror}.",
                hint="Check the path.",
            ) from error
        try:
            if _stamp_of(os.fstat(handle)) != self._stamp:
                raise InputError(
                    f"expected the pack {self.file!r} as it was when it was opened, it was "
                    "replaced or altered.",
                    hint="Read it with data.read_crops again.",
                )
            yield handle
        finally:
            os.close(handle)

    def _copy(self, handle: int, images: UInt8Array, rows: IntArray) -> None:
        offsets = self.layout.offsets
        for run in _runs(offsets[rows], images[0].nbytes):
            buffers = [memoryview(images[i]).cast("B") for i in run]
            start = int(offsets[rows[run[0]]])
            if os.preadv(handle, buffers, start) != len(run) * images[0].nbytes:
                self._damaged("it is truncated")

    def _inflate(self, handle: int, images: UInt8Array, rows: IntArray) -> None:
        for image, row in zip(images, rows, strict=True):
            content = os.pread(handle, int(self.layout.stored[row]), int(self.layout.offsets[row]))
            try:
                # A hostile stream may not unpack to more than the image it stands for.
                pixels = zlib.decompressobj().decompress(content, image.nbytes)
                image[:] = np.frombuffer(pixels, np.uint8).reshape(image.shape)
            except (zlib.error, ValueError):
                self._damaged(f"the image {self.names[row]!r} cannot be decompressed")

    def _damaged(self, reason: str) -> NoReturn:
        raise InputError(
            f"expected a whole pack of crops at {self.file!r}, but {reason}.", hint=_HINT
        )


def open_pack(file: str | Path) -> Pack:
    """Read the index of a pack; the last few are kept, by file and time of change.

    Args:
        file: The pack.

    Returns:
        Its index.

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
    layout = read_layout(file)
    names = _names(file, layout)
    rows = {name: row for row, name in enumerate(names)}
    if len(rows) != len(layout.offsets):
        raise InputError(
            f"expected a whole pack of crops at {file!r}, but it names {len(rows)} images and "
            f"holds {len(layout.offsets)}.",
            hint=_HINT,
        )
    return Pack(file, layout, names, rows, stamp)


def _names(file: str, layout: Layout) -> tuple[str, ...]:
    try:
        table = pd.read_csv(
            io.BytesIO(layout.manifest),
            usecols=["path"],
            dtype=object,
            keep_default_na=False,
            encoding_errors="surrogateescape",
        )
    except ValueError as error:
        raise InputError(
            f"expected a whole pack of crops at {file!r}, but its manifest is none: {error}.",
            hint=_HINT,
        ) from error
    names = tuple(map(str, table["path"]))
    for name in names:
        if not name or os.path.normpath(name) != name or name.startswith(("/", "..")):
            raise InputError(
                f"expected images inside the pack {file!r}, its manifest names {name!r}.",
                hint=_HINT,
            )
    return names


def _runs(offsets: IntArray, n_bytes: int) -> list[AnyArray]:
    """Group the positions of a batch into what lies in one piece on disk, in its order there."""
    order = np.argsort(offsets, kind="stable")
    ends = np.flatnonzero(np.diff(offsets[order]) != n_bytes) + 1
    return [
        run[start : start + _BUFFERS_AT_ONCE]
        for run in np.split(order, ends)
        for start in range(0, len(run), _BUFFERS_AT_ONCE)
    ]


def _stamp_of(found: os.stat_result) -> _Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns
