"""Packs of crops: their file format, and how their pixels are read, by many readers at once.

A pack is an HDF5 file with the images in one piece, their checksums, and a manifest:

    /crc32      (N,) uint32, the CRC-32 of each image's bytes
    /crops.csv  uint8, the crop manifest as UTF-8 text, whose paths are relative to the pack as if
                it were a folder
    /images     (N, H, W, 3) uint8, contiguous, the last thing in the file
    attributes  format, version, index_sha256 (of all but the pixels, which the checksums stand for)

Everything HDF5 itself needs is of its version 1.10, whose structures carry checksums of their own.

HDF5 is asked where the pixels lie and closed again; they are then read by position from a file of
the reader's own, so nothing is shared between threads or across a fork.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pandas as pd
from isal.isal_zlib import crc32

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, IntArray, UInt8Array
from deepfake_generalize.validation import MAX_PIXELS

PACK_SUFFIXES: tuple[str, ...] = (".h5", ".hdf5")
FORMAT, VERSION = "deepfake_generalize.crops", 2
IMAGES, CHECKSUMS, MANIFEST = "images", "crc32", "crops.csv"

_Stamp: TypeAlias = tuple[int, int, int]
_MOST_TEXT = 256
_HINT = "Copy the pack again, or make it again with data.pack."
_BORDER = re.compile(r"\.(?:h5|hdf5)/", re.IGNORECASE)


@dataclass(frozen=True, eq=False, repr=False)
class Index:
    """All that a pack holds but the pixels."""

    size: tuple[int, int]
    """(height, width) of every image."""
    checksums: AnyArray
    """(N,) uint32."""
    manifest: bytes

    @property
    def sha256(self) -> str:
        """Hash of version, size, checksums and manifest."""
        facts = [FORMAT, VERSION, len(self.checksums), *self.size]
        digest = hashlib.sha256(json.dumps(facts).encode())
        digest.update(np.ascontiguousarray(self.checksums, "<u4").tobytes())
        digest.update(self.manifest)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False, repr=False)
class Pack:
    """A pack's index, in memory, without an open file."""

    file: str
    index: Index
    offset: int
    """Where its pixels begin."""
    rows: Mapping[str, int]
    """The name of each image to its row."""
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

    def images(self, rows: IntArray) -> Iterator[UInt8Array]:
        """Read images, (H, W, 3) uint8, RGB, in the order of `rows` (n,), all in the same memory.

        InputError where the pack is damaged, as a checksum tells, or changed since it was opened.
        """
        image = np.empty((*self.index.size, 3), np.uint8)
        with _reading(self.file), open(self.file, "rb", buffering=0) as file:  # noqa: PTH123
            if _stamp_of(os.fstat(file.fileno())) != self._stamp:
                raise InputError(
                    f"expected the pack {self.file!r} as it was when it was opened, it was "
                    "replaced or altered.",
                    hint="Read it with data.read_crops again.",
                )
            for row in rows:
                place = self.offset + int(row) * image.nbytes
                if os.preadv(file.fileno(), [image.data], place) != image.nbytes:
                    _damaged(self.file, "it is truncated")
                if crc32(image.data) != self.index.checksums[row]:
                    name = list(self.rows)[row]
                    _damaged(self.file, f"the checksum of the image {name!r} is wrong")
                yield image


def open_pack(file: str | Path) -> Pack:
    """Read the index of a pack; the last few are kept, by file and time of change."""
    name = os.fspath(file)
    with _reading(name):
        stamp = _stamp_of(os.stat(name))  # noqa: PTH116 - of a str, once a packed image
    return _load(name, stamp)


def split_packed(path: str) -> tuple[str, str] | None:
    """Split "/data/crops.h5/real/001/frame_12.png" into pack and name; None for an image file."""
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
    import h5py

    try:
        # Without locks: who may only read cannot make one, and `pack` never writes into a pack.
        with h5py.File(file, "r", locking=False) as content:
            index, offset = _read(content, file_bytes=stamp[1])
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError) as error:
        _refuse(file, f"HDF5 cannot read it: {str(error).strip().rstrip('.')}")
    rows = {name: row for row, name in enumerate(_names(file, index.manifest))}
    if len(rows) != len(index.checksums):
        _damaged(file, f"it names {len(rows)} images and holds {len(index.checksums)}")
    return Pack(file, index, offset, rows, stamp)


def _read(content: Any, file_bytes: int) -> tuple[Index, int]:
    """Read the index and where the pixels begin, of a file that may be made to do harm."""
    if _attribute(content, "format") != FORMAT:
        _refuse(content.filename, "it is an HDF5 file of another kind")
    version = _attribute(content, "version")
    if version != VERSION:
        reason = f"its format has version {version}, this release reads {VERSION}"
        _refuse(content.filename, reason)
    checksums = _dataset(content, CHECKSUMS, "<u4", (None,), file_bytes)[()]
    manifest = _dataset(content, MANIFEST, "u1", (None,), file_bytes)[()].tobytes()
    images = _dataset(content, IMAGES, "u1", (len(checksums), None, None, 3), file_bytes)
    height, width = images.shape[1:3]
    if height * width > MAX_PIXELS:
        most = f"at most {MAX_PIXELS // 1_000_000} megapixels are read"
        _refuse(content.filename, f"its images are {height} x {width}; {most}")
    index = Index((height, width), checksums, manifest)
    if _attribute(content, "index_sha256") != index.sha256:
        _refuse(content.filename, "the checksum of its manifest is wrong")
    return index, images.id.get_offset()


def _attribute(content: Any, name: str) -> str | int | None:
    if name not in content.attrs:
        return None
    found = content.attrs.get_id(name)
    # Text of variable length lies in a heap without checksums, where a flipped bit sends HDF5 round
    # for ever.
    if found.shape != () or found.dtype.kind not in "Siu" or found.dtype.itemsize > _MOST_TEXT:
        return None
    value = content.attrs[name]
    return bytes(value).decode() if found.dtype.kind == "S" else int(value)


def _dataset(
    content: Any, name: str, dtype: str, shape: tuple[int | None, ...], file_bytes: int
) -> Any:
    """Return a dataset that lies in one piece within the file; None stands for any length."""
    import h5py

    # Links may lead to other files, and so may external and virtual storage.
    inside = content.get(name, getclass=True, getlink=True) is h5py.HardLink
    found = content[name] if inside else None
    if not isinstance(found, h5py.Dataset):
        _refuse(content.filename, f"it has no dataset {name!r} of its own")
    if found.external or found.is_virtual:
        _refuse(content.filename, f"the data of {name!r} lie outside of it")
    fits = len(found.shape) == len(shape) and all(
        length in (None, own) for own, length in zip(found.shape, shape, strict=True)
    )
    n_bytes = found.size * found.dtype.itemsize
    offset = found.id.get_offset() if found.chunks is None else None
    if (
        not (fits and found.dtype == dtype and 0 < n_bytes == found.id.get_storage_size())
        or offset is None
        or offset + n_bytes > file_bytes
    ):
        kind = f"{found.dtype} of shape {found.shape}"
        _refuse(content.filename, f"{name!r} is {kind}, or not stored in one piece")
    return found


def _names(file: str, manifest: bytes) -> list[str]:
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
    names = [str(name) for name in table["path"]]
    for name in names:
        if not name or os.path.normpath(name) != name or name.startswith(("/", "..")):
            raise InputError(
                f"expected images inside the pack {file!r}, its manifest names {name!r}.",
                hint=_HINT,
            )
    return names


def _reading(file: str) -> AbstractContextManager[None]:
    return telling(f"expected a pack of crops at {file!r}", hint="Check the path.")


def _damaged(file: str, reason: str) -> NoReturn:
    _refuse(file, reason, "a whole pack")


def _refuse(file: str, reason: str, expected: str = "a pack") -> NoReturn:
    raise InputError(f"expected {expected} of crops at {file!r}, but {reason}.", hint=_HINT)


def _stamp_of(found: os.stat_result) -> _Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns
