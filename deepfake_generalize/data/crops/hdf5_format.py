"""The file format of a pack: HDF5 with the images in one piece, their checksums, a manifest.

    /crc32      (N,) uint32, the CRC-32 of each image's bytes
    /crops.csv  uint8, the crop manifest as UTF-8 text, whose paths are relative to the pack as if
                it were a folder
    /images     (N, H, W, 3) uint8, contiguous, the last thing in the file
    attributes  format, version, index_sha256 (of all but the pixels, which the checksums stand for)

Everything HDF5 itself needs is of its version 1.10, whose structures carry checksums of their own.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import MAX_PIXELS

if TYPE_CHECKING:
    from deepfake_generalize.types import AnyArray

PACK_HINT = "Copy the pack again, or make it again with data.pack."

_FORMAT, _VERSION = "deepfake_generalize.crops", 2
_IMAGES, _CHECKSUMS, _MANIFEST = "images", "crc32", "crops.csv"
_MOST_TEXT = 256


class _NotAPackError(Exception):
    """Says what is wrong, for the one place that knows the file's name."""


@dataclass(frozen=True, eq=False, repr=False)
class Index:
    """All that a pack holds but the pixels.

    Attributes:
        size: (height, width) of every image.
        checksums: (N,) uint32.
        manifest: CSV text.
    """

    size: tuple[int, int]
    checksums: AnyArray
    manifest: bytes

    @property
    def sha256(self) -> str:
        """Hash of version, size, checksums and manifest."""
        facts = [_FORMAT, _VERSION, len(self.checksums), *self.size]
        digest = hashlib.sha256(json.dumps(facts).encode())
        digest.update(np.ascontiguousarray(self.checksums, "<u4").tobytes())
        digest.update(self.manifest)
        return digest.hexdigest()


def file_head(index: Index) -> bytes:
    """Return the bytes of a pack up to its first pixel; they are as many for any checksums.

    HDF5 makes them in memory and never writes to the disk: it cannot close a file that it cannot
    finish, and crashes the process later.
    """
    import h5py

    # No time of making is kept, so that the same crops give the same bytes.
    making = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    making.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple((len(index.checksums), *index.size, 3))
    written = io.BytesIO()
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, written)
    with h5py.File(h5py.h5f.create(b"a pack", h5py.h5f.ACC_TRUNC, making, access)) as content:
        content[_CHECKSUMS] = np.ascontiguousarray(index.checksums, "<u4")
        content[_MANIFEST] = np.frombuffer(index.manifest, np.uint8)
        made = h5py.h5d.create(content.id, _IMAGES.encode(), h5py.h5t.STD_U8LE, space, settings)
        content.attrs["version"] = _VERSION
        content.attrs["format"] = np.bytes_(_FORMAT)
        content.attrs["index_sha256"] = np.bytes_(index.sha256)
        # The first byte that is written is what takes the room, behind all else.
        content[_IMAGES][0, 0, 0, 0] = 0
        offset: int = made.get_offset()
    return written.getvalue()[:offset]


def read_index(file: str) -> tuple[Index, int]:
    """Read the index of a pack and check it; the pixels are not read.

    Args:
        file: An existing file, which may be damaged or made to do harm: nothing outside of it is
            opened, and no more memory is taken than it is long.

    Returns:
        The index, and where in the file the pixels begin.

    Raises:
        InputError: Not HDF5, not a pack, of another version, damaged or truncated.
    """
    import h5py

    try:
        # Without locks: who may only read cannot make one, and `pack` never writes into a pack.
        with h5py.File(file, "r", locking=False) as content:
            return _read(content, os.stat(file).st_size)  # noqa: PTH116 - of a str
    except _NotAPackError as error:
        reason = str(error)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, UnicodeError) as error:
        reason = f"HDF5 cannot read it: {str(error).strip().rstrip('.')}"
    raise InputError(f"expected a pack of crops at {file!r}, but {reason}.", hint=PACK_HINT)


def _read(content: Any, file_bytes: int) -> tuple[Index, int]:
    if _attribute(content, "format") != _FORMAT:
        raise _NotAPackError("it is an HDF5 file of another kind")
    version = _attribute(content, "version")
    if version != _VERSION:
        raise _NotAPackError(f"its format has version {version}, this release reads {_VERSION}")
    checksums = _dataset(content, _CHECKSUMS, "<u4", (None,), file_bytes)[()]
    manifest = _dataset(content, _MANIFEST, "u1", (None,), file_bytes)[()].tobytes()
    images = _dataset(content, _IMAGES, "u1", (len(checksums), None, None, 3), file_bytes)
    height, width = images.shape[1:3]
    if height * width > MAX_PIXELS:
        raise _NotAPackError(
            f"its images are {height} x {width}; at most {MAX_PIXELS // 1_000_000} megapixels "
            "are read"
        )
    index = Index((height, width), checksums, manifest)
    if _attribute(content, "index_sha256") != index.sha256:
        raise _NotAPackError("the checksum of its manifest is wrong")
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
        raise _NotAPackError(f"it has no dataset {name!r} of its own")
    if found.external or found.is_virtual:
        raise _NotAPackError(f"the data of {name!r} lie outside of it")
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
        raise _NotAPackError(
            f"{name!r} is {found.dtype} of shape {found.shape}, or not stored in one piece"
        )
    return found
