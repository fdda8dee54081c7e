"""Packing crops: images, checksums and manifest in one HDF5 file that is read fast."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from isal.isal_zlib import crc32

from deepfake_generalize._system.files import absolute, replacing
from deepfake_generalize.data.crops import hdf5_reader
from deepfake_generalize.data.crops.batches import ImageSource, check_size
from deepfake_generalize.data.crops.hdf5_reader import PACK_SUFFIXES, Index
from deepfake_generalize.data.crops.manifest import CROP_COLUMNS, PATH_COLUMNS
from deepfake_generalize.data.manifests import check_crops, check_once, manifest_text, with_columns
from deepfake_generalize.errors import InputError

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
    check_crops(crops, ("path", "label"), unknown=True)
    crops = with_columns(crops, CROP_COLUMNS)
    check_size(size)
    paths = [str(absolute(str(path))) for path in crops["path"]]
    check_once(pd.Series(paths), what="crops")
    source = ImageSource(paths, size)
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    packed = [str(target / path[len(folder) :].lstrip("/")) for path in paths]
    rows = crops.reset_index(drop=True).assign(path=packed)
    text = manifest_text(rows, target, CROP_COLUMNS, PATH_COLUMNS, what="crops")
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
        content[hdf5_reader.CHECKSUMS] = np.ascontiguousarray(index.checksums, "<u4")
        content[hdf5_reader.MANIFEST] = np.frombuffer(index.manifest, np.uint8)
        shape = (len(index.checksums), *index.size, 3)
        images = content.create_dataset(hdf5_reader.IMAGES, shape, "u1", fill_time="never")
        content.attrs["version"] = hdf5_reader.VERSION
        content.attrs["format"] = np.bytes_(hdf5_reader.FORMAT)
        content.attrs["index_sha256"] = np.bytes_(index.sha256)
        # The first byte that is written is what takes the room, behind all else.
        images[0, 0, 0, 0] = 0
        offset: int = images.id.get_offset()
    return written.getvalue()[:offset]
