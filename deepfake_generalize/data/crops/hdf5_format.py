"""The file format of a pack: HDF5 with the images in equal chunks, their checksums, a manifest.

    /images     (N, H, W, 3) uint8, a chunk an image, as it is or deflated
    /crc32      (N,) uint32, the CRC-32 of each image's bytes
    /crops.csv  uint8, the crop manifest as UTF-8 text, whose paths are relative to the pack as if
                it were a folder
    attributes  format, version, index_sha256 (of all but the pixels), sha256 (of everything)

Everything HDF5 itself needs is of its version 1.10, whose structures carry checksums of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import MAX_PIXELS

if TYPE_CHECKING:
    from deepfake_generalize.types import AnyArray, IntArray

FORMAT = "deepfake_generalize.crops"
VERSION = 1
IMAGES, CHECKSUMS, MANIFEST = "images", "crc32", "crops.csv"

_MOST_TEXT = 256
_HINT = "Copy the pack again, or make it again with data.pack."


class _NotAPackError(Exception):
    """Says what is wrong, for the one place that knows the file's name."""


@dataclass(frozen=True, eq=False, repr=False)
class Layout:
    """What a pack's index says.

    Attributes:
        size: (height, width) of every image.
        checksums: (N,) uint32.
        offsets: (N,) int64, where each image begins in the file.
        stored: (N,) int64, bytes each takes there.
        compressed: Whether they are deflated.
        manifest: CSV text.
        sha256: Hash of everything, as written.
    """

    size: tuple[int, int]
    checksums: AnyArray
    offsets: IntArray
    stored: IntArray
    compressed: bool
    manifest: bytes
    sha256: str


def index_sha256(size: tuple[int, int], checksums: AnyArray, manifest: bytes) -> str:
    """Return the hash of all but the pixels: version, size, checksums and manifest."""
    digest = hashlib.sha256(json.dumps([FORMAT, VERSION, len(checksums), *size]).encode())
    digest.update(np.ascontiguousarray(checksums, "<u4").tobytes())
    digest.update(manifest)
    return digest.hexdigest()


def write_attributes(content: Any, index: str, sha256: str) -> None:
    """Write the attributes of an open HDF5 file, all of fixed length."""
    content.attrs["version"] = VERSION
    for name, text in (("format", FORMAT), ("index_sha256", index), ("sha256", sha256)):
        content.attrs[name] = np.bytes_(text)


def read_layout(file: str) -> Layout:
    """Read the index of a pack and check it; the pixels are not read.

    Args:
        file: An existing file, which may be damaged or made to do harm: nothing outside of it is
            opened, and no more memory is taken than it is long.

    Returns:
        Its index.

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
    raise InputError(f"expected a pack of crops at {file!r}, but {reason}.", hint=_HINT)


def _read(content: Any, file_bytes: int) -> Layout:
    if _attribute(content, "format") != FORMAT:
        raise _NotAPackError("it is an HDF5 file of another kind")
    version = _attribute(content, "version")
    if version != VERSION:
        raise _NotAPackError(f"its format has version {version}, this release reads {VERSION}")
    checksums = _whole(content, CHECKSUMS, np.dtype("<u4"), file_bytes)
    manifest = _whole(content, MANIFEST, np.dtype("u1"), file_bytes).tobytes()
    images = _dataset(content, IMAGES)
    size = _image_size(images, len(checksums))
    if _attribute(content, "index_sha256") != index_sha256(size, checksums, manifest):
        raise _NotAPackError("the checksum of its manifest is wrong")
    compressed = images.compression == "gzip"
    offsets, stored = _chunks(images, file_bytes, compressed=compressed)
    sha256 = str(_attribute(content, "sha256"))
    return Layout(size, checksums, offsets, stored, compressed, manifest, sha256)


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


def _dataset(content: Any, name: str) -> Any:
    import h5py

    # Links may lead to other files, and so may external and virtual storage.
    inside = content.get(name, getclass=True, getlink=True) is h5py.HardLink
    found = content[name] if inside else None
    if not isinstance(found, h5py.Dataset):
        raise _NotAPackError(f"it has no dataset {name!r} of its own")
    if found.external or found.is_virtual:
        raise _NotAPackError(f"the data of {name!r} lie outside of it")
    return found


def _whole(content: Any, name: str, dtype: np.dtype[Any], file_bytes: int) -> AnyArray:
    found = _dataset(content, name)
    n_bytes = found.size * dtype.itemsize if found.ndim == 1 and found.dtype == dtype else -1
    in_one_piece = found.chunks is None and found.id.get_storage_size() == n_bytes
    if not in_one_piece or not 0 < n_bytes <= file_bytes:
        raise _NotAPackError(
            f"{name!r} is {found.dtype} of shape {found.shape}, or not stored whole"
        )
    return np.asarray(found[()])


def _image_size(images: Any, n: int) -> tuple[int, int]:
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[0] != n or shape[3] != 3:
        raise _NotAPackError(f"its images are {images.dtype} of shape {shape} for {n} checksums")
    height, width = int(shape[1]), int(shape[2])
    if not 0 < height * width <= MAX_PIXELS:
        raise _NotAPackError(
            f"its images are {height} x {width}; at most {MAX_PIXELS // 1_000_000} megapixels "
            "are read"
        )
    filters = images.id.get_create_plist().get_nfilters()
    if images.chunks != (1, height, width, 3) or filters != (images.compression == "gzip"):
        raise _NotAPackError("its images are not stored as data.pack stores them")
    return height, width


def _chunks(images: Any, file_bytes: int, *, compressed: bool) -> tuple[IntArray, IntArray]:
    n, height, width, _ = images.shape
    offsets = np.full(n, -1, np.int64)
    stored = np.zeros(n, np.int64)

    def keep(chunk: Any) -> None:
        row = chunk.chunk_offset[0]
        if chunk.filter_mask == 0:
            offsets[row], stored[row] = chunk.byte_offset, chunk.size

    images.id.chunk_iter(keep)
    plausible = (offsets > 0) & (stored > 0) & (offsets + stored <= file_bytes)
    if not compressed:
        plausible &= stored == height * width * 3
    if not plausible.all():
        raise _NotAPackError("not all of its images are stored in it: it is truncated")
    return offsets, stored
