"""Packing crops: images, checksums and manifest in one HDF5 file that is read fast."""

from __future__ import annotations

import hashlib
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize._system.atomic_files import replacing
from deepfake_generalize._system.paths import absolute
from deepfake_generalize.data.crops.batch_reader import ImageSource, check_size
from deepfake_generalize.data.crops.hdf5_format import (
    CHECKSUMS,
    IMAGES,
    MANIFEST,
    index_sha256,
    write_attributes,
)
from deepfake_generalize.data.crops.hdf5_reader import PACK_SUFFIXES, open_pack
from deepfake_generalize.data.crops.manifest import CROP_COLUMNS, PATH_COLUMNS
from deepfake_generalize.data.crops.sound_file import SoundFile
from deepfake_generalize.data.manifests import (
    check_labels,
    manifest_text,
    require_columns,
)
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from deepfake_generalize.types import IntArray, UInt8Array

_BYTES_AT_ONCE = 32_000_000
_DEFLATE_LEVEL = 1


def pack(
    crops: pd.DataFrame,
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    compression: str | None = None,
) -> Path:
    """Write crops, images and manifest, into one HDF5 file, all of it or nothing.

    `read_crops(path)` gives the manifest back. The `path` of a packed crop goes on behind the
    pack's own as if that were a folder ("/data/crops.h5/FF++/real/001/frame_00012.png"), and
    `read_image`, `to_dataset`, `balanced_splits`, `audit_leakage`, `benchmark` and `pack` itself
    take it like the path of a file. Frames keep their names, so the splits of a pack are those of
    the files it was made of, hash included.

    Args:
        crops: The crop manifest, columns `CROP_COLUMNS`, at least one row, no crop twice; files
            and packed crops may be mixed. Not changed.
        path: The pack, named .h5 or .hdf5; its folder is made if missing. A pack that is there is
            replaced, also where crops are read from it.
        size: (height, width) that images are resized to, as in `to_dataset`. None: they must all
            be of one size.
        compression: None stores the pixels as they are, for batches at full speed; "gzip" deflates
            them without loss, for perhaps a third less space at a tenth of that speed.

    Returns:
        The file written. The same crops packed to the same place give the same bytes.

    Raises:
        InputError: No rows, missing columns, another label, a crop twice, a missing or damaged
            image, unequal sizes without `size`, another name or compression, or a place that
            cannot be written.

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
    target = _check_target(path)
    _check_rows(crops, compression)
    check_size(size)
    paths = [str(absolute(str(value))) for value in crops["path"]]
    names = _member_names(paths)
    source = ImageSource(paths, size)
    rows = crops.reset_index(drop=True).assign(path=[str(target / name) for name in names])
    text = manifest_text(rows, target, CROP_COLUMNS, PATH_COLUMNS, what="crops")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            _write(temporary, source, text, compression)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"expected to write the pack {str(target)!r}: {error}.",
            hint="Choose a place that can be written and has room.",
        ) from error
    return target


def verify_pack(path: str | Path) -> str:
    """Read all of a pack and check it.

    Args:
        path: The pack.

    Returns:
        The SHA-256 of all that it holds, which `pack` wrote into it; a copy has the same.

    Raises:
        InputError: Not there, not a pack, of another version, or damaged.

    Examples:
        >>> verify_pack("absent.h5")
        Traceback (most recent call last):
            ...
        deepfake_generalize.errors.InputError: expected a pack of crops at ...absent.h5': No such
        file or directory. Check the path.
    """
    found = open_pack(absolute(path))
    layout = found.layout
    pixels = hashlib.sha256()
    for rows in _slices(len(found.names), layout.size):
        pixels.update(found.read(rows).data)
    index = index_sha256(layout.size, layout.checksums, layout.manifest)
    sha256 = _content_sha256(index, pixels.hexdigest())
    if sha256 != layout.sha256:
        raise InputError(
            f"expected the pack {found.file!r} to have the hash {layout.sha256[:12]}... that is "
            f"written in it, it has {sha256[:12]}...",
            hint="Copy the pack again, or make it again with data.pack.",
        )
    return layout.sha256


def _check_target(path: object) -> Path:
    named = isinstance(path, (str, os.PathLike)) and Path(path).suffix.lower() in PACK_SUFFIXES
    if not named:
        raise InputError(
            f"expected the path of a pack to end in {' or '.join(PACK_SUFFIXES)}, received "
            f"{path!r}.",
            hint="Name it crops.h5.",
        )
    return absolute(path)  # type: ignore[arg-type]


def _check_rows(crops: pd.DataFrame, compression: object) -> None:
    require_columns(crops, CROP_COLUMNS, what="crops")
    if crops.empty:
        raise InputError("expected crops, received no rows.", hint="Check what selected them.")
    check_labels(crops["label"], what="crops")
    if compression not in (None, "gzip"):
        raise InputError(
            f"expected compression to be None or 'gzip', received {compression!r}.",
            hint="None is read fastest.",
        )


def _member_names(paths: list[str]) -> list[str]:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise InputError(
                f"expected each crop once, {path!r} is listed more than once.",
                hint="Drop the duplicate rows.",
            )
        seen.add(path)
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    return [path[len(folder) :].lstrip("/") for path in paths]


def _write(file: Path, source: ImageSource, manifest: bytes, compression: str | None) -> None:
    with file.open("r+b", buffering=0) as raw:
        sound = SoundFile(raw)
        _fill(sound, source, manifest, compression)
        sound.check()


def _fill(sound: SoundFile, source: ImageSource, manifest: bytes, compression: str | None) -> None:
    import h5py

    checksums = np.zeros(len(source), "<u4")
    pixels = hashlib.sha256()
    with h5py.File(_make_file(sound)) as content:
        images = _make_images(content, (len(source), *source.size, 3), compression)
        for rows, block in _blocks(source):
            images[rows[0] : rows[-1] + 1] = block
            sound.check()
            checksums[rows] = [zlib.crc32(image.data) for image in block]
            pixels.update(block.data)
        content.create_dataset(CHECKSUMS, data=checksums)
        content.create_dataset(MANIFEST, data=np.frombuffer(manifest, np.uint8))
        index = index_sha256(source.size, checksums, manifest)
        write_attributes(content, index, _content_sha256(index, pixels.hexdigest()))


def _make_file(sound: SoundFile) -> Any:
    import h5py

    # No time of making is kept, so that the same crops give the same bytes.
    making = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    making.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, sound)
    return h5py.h5f.create(b"a pack", h5py.h5f.ACC_TRUNC, making, access)


def _make_images(content: Any, shape: tuple[int, int, int, int], compression: str | None) -> Any:
    import h5py

    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)
    settings.set_chunk((1, *shape[1:]))
    if compression is None:
        # All room at once and nothing written into it: the chunks then lie one behind the other.
        settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    else:
        settings.set_deflate(_DEFLATE_LEVEL)
    space = h5py.h5s.create_simple(shape)
    made = h5py.h5d.create(content.id, IMAGES.encode(), h5py.h5t.STD_U8LE, space, settings)
    return h5py.Dataset(made)


def _blocks(source: ImageSource) -> Iterator[tuple[IntArray, UInt8Array]]:
    workers = os.cpu_count() or 1
    # Threads do: decoding and checksums let go of Python's lock.
    with ThreadPoolExecutor(workers) as pool:
        for rows in _slices(len(source), source.size):
            yield rows, np.concatenate(list(pool.map(source.read, np.array_split(rows, workers))))


def _slices(n: int, size: tuple[int, int]) -> Iterator[IntArray]:
    step = max(1, _BYTES_AT_ONCE // (size[0] * size[1] * 3))
    for start in range(0, n, step):
        yield np.arange(start, min(start + step, n))


def _content_sha256(index: str, pixels: str) -> str:
    return hashlib.sha256(f"{index} {pixels}".encode()).hexdigest()
