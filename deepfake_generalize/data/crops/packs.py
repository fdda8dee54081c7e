"""Crops as files and as packs: one image, many by their rows, and packing them.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pandas as pd
from isal.isal_zlib import crc32

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import absolute, replacing
from deepfake_generalize.data import manifests
from deepfake_generalize.data.crops.images import image_size, read_image_file, resize
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, FloatArray, IntArray, UInt8Array
from deepfake_generalize.validation import MAX_PIXELS, check_type, is_whole


def read_image(path: str | Path) -> UInt8Array:
    """Read one still image.

    Args:
        path: A PNG, JPEG, BMP or WebP file of 8 bits a channel, grey or colour, opaque and of at
            most 100 megapixels, by any path that the system can open; or the path of a packed crop,
            as `read_crops` gives it for a pack.

    Returns:
        (H, W, 3) uint8, RGB, 0 to 255. Grey is repeated in the three channels; the orientation in
        a file's EXIF data is applied, as viewers do; of an animation the still picture is read.

    Raises:
        InputError: The file or pack is missing, empty, truncated, damaged, not of these formats,
            has 16 bits a channel or transparent pixels, is too large, or no regular file.

    Examples:
        >>> import tempfile, cv2
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.full((4, 6, 3), (3, 2, 1), np.uint8))
        ...     image = read_image(f"{folder}/a.png")
        >>> image.shape, image[0, 0].tolist()
        ((4, 6, 3), [1, 2, 3])
    """
    check_type("the path of an image", path, (str, os.PathLike), hint="Pass a str or Path.")
    name = os.fspath(path)
    packed = split_packed(name)
    if packed is None:
        return read_image_file(name)
    source = open_pack(packed[0])
    return next(source.images(np.array([source.row(packed[1])])))


_A_FILE = -1


class ImageSource:
    """Images by their row, from files, packs or both, read at `size` (height, width)."""

    def __init__(self, paths: Sequence[str], size: tuple[int, int] | None = None) -> None:
        """Look at every file's ends and every pack's index; at least one path is needed."""
        self._paths = list(paths)
        self._packs: list[Pack] = []
        self._pack_of = np.full(len(paths), _A_FILE, np.int64)
        self._row_of = np.zeros(len(paths), np.int64)
        numbers: dict[str, int] = {}
        for row, path in enumerate(self._paths):
            found = split_packed(path)
            if found is not None:
                file, name = found
                if file not in numbers:
                    numbers[file] = len(self._packs)
                    self._packs.append(open_pack(file))
                self._pack_of[row] = numbers[file]
                self._row_of[row] = self._packs[numbers[file]].row(name)
        sizes = [
            image_size(path) if number == _A_FILE else self._packs[number].index.size
            for path, number in zip(self._paths, self._pack_of, strict=True)
        ]
        self.size = sizes[0] if size is None else size
        for path, (height, width) in zip(self._paths, sizes, strict=True):
            if size is None and (height, width) != self.size:
                raise InputError(
                    f"expected crops of one size, {self._paths[0]!r} is {self.size[0]} x "
                    f"{self.size[1]} (height x width) and {path!r} is {height} x {width}.",
                    hint="Pass size=(height, width) to resize them.",
                )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def read(self, rows: IntArray) -> UInt8Array:
        """Read the images of `rows` (n,): (n, H, W, 3) uint8, RGB, in that order."""
        images = np.empty((len(rows), *self.size, 3), np.uint8)
        for place, image in self._images(np.asarray(rows)):
            images[place] = image
        return images

    def read_scaled(self, rows: IntArray, images: FloatArray) -> None:
        """Read them as float32 in [0, 1] into `images` (n, H, W, 3), each while it is at hand."""
        for place, image in self._images(np.asarray(rows)):
            images[place] = image
            images[place] /= np.float32(255.0)

    def _images(self, rows: IntArray) -> Iterator[tuple[int, UInt8Array]]:
        """Yield the place of each image among `rows`, and the image, in memory that is reused."""
        kinds = self._pack_of[rows]
        for kind in np.unique(kinds):
            places = np.flatnonzero(kinds == kind)
            found: Iterable[UInt8Array] = (
                (read_image_file(self._paths[row]) for row in rows[places])
                if kind == _A_FILE
                else self._packs[kind].images(self._row_of[rows[places]])
            )
            for place, image in zip(places, found, strict=True):
                yield int(place), resize(image, self.size)


def check_size(size: object) -> None:
    """Raise `InputError` unless `size` is None or (height, width)."""
    if size is not None and not (
        isinstance(size, tuple) and len(size) == 2 and all(is_whole(side, least=1) for side in size)
    ):
        raise InputError(
            f"expected size to be None or (height, width) in pixels, received {size!r}.",
            hint="Use (256, 256).",
        )


_BYTES_AT_ONCE = 32_000_000


def pack(
    crops: pd.DataFrame,
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
) -> Path:
    """Write crops, images and manifest, into one HDF5 file, all of it or nothing.

    `read_crops(path)` gives the manifest back. The `path` of a packed crop goes on behind the
    pack's own as if that were a folder ("/data/crops.h5/FF++/real/001/frame_00012.png"), and all
    functions take it like the path of a file. Frames keep their names, and so the splits of a pack
    are those of the files it was made of. Landmarks beside the crops are not packed.

    Args:
        crops: The crop manifest, at least `path` and `label` (NA where it is not known), at least
            one row, no crop twice; files and packed crops may be mixed. Not changed.
        path: The pack, named .h5 or .hdf5; its folder is made if missing. A pack that is there is
            replaced, also where crops are read from it.
        size: (height, width) that images are resized to, as in `to_dataset`. None: they must all
            be of one size.

    Returns:
        The file written. The same crops packed to the same place give the same bytes.

    Raises:
        InputError: No rows, missing columns, another label, a crop twice, a missing or damaged
            image, unequal sizes without `size`, another name, or a place that cannot be written.

    Examples:
        >>> import tempfile, cv2
        >>> from deepfake_generalize.data import read_crops, read_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("real/a.png", "fake/b.png"):
        ...         Path(folder, name).parent.mkdir()
        ...         _ = cv2.imwrite(f"{folder}/{name}", np.full((8, 8, 3), 7, np.uint8))
        ...     file = pack(read_crops(folder), f"{folder}/crops.h5")
        ...     packed = read_crops(file)
        ...     print(packed["path"][0].removeprefix(folder), read_image(packed["path"][0]).shape)
        /crops.h5/fake/b.png (8, 8, 3)
    """
    if not isinstance(path, (str, os.PathLike)) or Path(path).suffix.lower() not in PACK_SUFFIXES:
        raise InputError(
            f"expected the path of a pack to end in {' or '.join(PACK_SUFFIXES)}, received "
            f"{path!r}.",
            hint="Name it crops.h5.",
        )
    target = absolute(path)
    manifests.check_crops(crops, ("path", "label"), unknown=True)
    crops = manifests.with_columns(crops, manifests.CROP_COLUMNS)
    check_size(size)
    paths = [str(absolute(str(path))) for path in crops["path"]]
    manifests.check_once(pd.Series(paths), what="crops")
    source = ImageSource(paths, size)
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    packed = [str(target / path[len(folder) :].lstrip("/")) for path in paths]
    rows = crops.reset_index(drop=True).assign(path=packed)
    text = manifests.manifest_text(
        rows, target, manifests.CROP_COLUMNS, manifests.PATH_COLUMNS, what="crops"
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            _write(temporary, source, text)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"expected to write the pack {str(target)!r}: {error}.",
            hint="Choose a place that can be written and has room.",
        ) from error
    return target


def _write(file: Path, source: ImageSource, manifest: bytes) -> None:
    index = Index(source.size, np.zeros(len(source), "<u4"), manifest)
    step = max(1, _BYTES_AT_ONCE // (source.size[0] * source.size[1] * 3))
    workers = os.cpu_count() or 1
    # Threads do: decoding and checksums let go of Python's lock.
    with file.open("wb") as out, ThreadPoolExecutor(workers) as pool:
        out.write(_file_head(index))
        checksums: list[int] = []
        for start in range(0, len(source), step):
            rows = np.arange(start, min(start + step, len(source)))
            for images in pool.map(source.read, np.array_split(rows, workers)):
                out.write(images.data)
                checksums += [crc32(image.data) for image in images]
        index.checksums[:] = checksums
        out.seek(0)
        out.write(_file_head(index))


def _file_head(index: Index) -> bytes:
    """Return the bytes of a pack up to its first pixel; they are as many for any checksums."""
    import h5py

    # Made in memory: on a disk, HDF5 cannot close a file that it cannot finish, and crashes later.
    # No time of making is kept, so that the same crops give the same bytes.
    making = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    making.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    written = io.BytesIO()
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, written)
    with h5py.File(h5py.h5f.create(b"a pack", h5py.h5f.ACC_TRUNC, making, access)) as content:
        content[CHECKSUMS] = np.ascontiguousarray(index.checksums, "<u4")
        content[MANIFEST] = np.frombuffer(index.manifest, np.uint8)
        shape = (len(index.checksums), *index.size, 3)
        images = content.create_dataset(IMAGES, shape, "u1", fill_time="never")
        content.attrs["version"] = VERSION
        content.attrs["format"] = np.bytes_(FORMAT)
        content.attrs["index_sha256"] = np.bytes_(index.sha256)
        # The first byte that is written is what takes the room, behind all else.
        images[0, 0, 0, 0] = 0
        offset: int = images.id.get_offset()
    return written.getvalue()[:offset]


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
