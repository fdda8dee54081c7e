"""Still images from disk: 8-bit RGB or an error that says why not."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import cv2
import numpy as np

from deepfake_generalize.data.crops.fast_png import decode_png
from deepfake_generalize.data.crops.hdf5_reader import open_pack, split_packed
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import MAX_PIXELS, describe

if TYPE_CHECKING:
    from deepfake_generalize.types import UInt8Array

IMAGE_SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".bmp")

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FORMATS_HINT = "Convert it to an 8-bit RGB or grey PNG, JPEG or BMP."
_END_BYTES = 4096
_AGAIN_HINT = "Copy or extract the file again."
# Start-of-frame markers: FFC0 to FFCF without the tables FFC4, FFC8 and FFCC.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class _Header:
    kind: str
    width: int
    height: int
    bits: int
    channels: int
    alpha: bool = False
    scan: int = 0


def read_image(path: str | Path) -> UInt8Array:
    """Read one still image.

    Args:
        path: A PNG, JPEG or BMP file of 8 bits a channel, grey or colour, without transparency and
            of at most 100 megapixels, by any path that the system can open; or the path of a packed
            crop, as `read_crops` gives it for a pack.

    Returns:
        (H, W, 3) uint8, RGB, 0 to 255. Grey is repeated in the three channels; an orientation
        stored in a JPEG's EXIF data is not applied.

    Raises:
        InputError: The file or pack is missing, empty, truncated, damaged, not of these formats,
            has 16 bits a channel or transparency, or is too large.

    Examples:
        >>> import tempfile, cv2
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.full((4, 6, 3), (3, 2, 1), np.uint8))
        ...     image = read_image(f"{folder}/a.png")
        >>> image.shape, image[0, 0].tolist()
        ((4, 6, 3), [1, 2, 3])
    """
    name = _name(path)
    packed = split_packed(name)
    if packed is not None:
        pack = open_pack(packed[0])
        return cast("UInt8Array", pack.read(np.array([pack.row(packed[1])]))[0])
    data = _read(name)
    header = _parse(name, data)
    _check(name, header)
    _check_whole(name, data, header)
    if header.kind == "PNG":
        image = np.empty((header.height, header.width, 3), np.uint8)
        if decode_png(data, image):
            return image
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        decoded = cast("Any", cv2.imdecode(np.frombuffer(data, np.uint8), flags))
    except cv2.error:
        decoded = None
    if decoded is None or decoded.shape[:2] != (header.height, header.width):
        _damaged(name, f"its {header.kind} data cannot be decoded")
    return cast("UInt8Array", cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def image_size(path: str | Path) -> tuple[int, int]:
    """Return (height, width) of an image that `read_image` would accept, from its ends alone.

    Args:
        path: The image file, or the path of a packed crop.

    Returns:
        Height and width in pixels.

    Raises:
        InputError: As `read_image`, except for damage between the header and the end.
    """
    name = _name(path)
    packed = split_packed(name)
    if packed is not None:
        pack = open_pack(packed[0])
        pack.row(packed[1])
        return pack.layout.size
    try:
        header = _parse(name, _read(name, 65_536))
    except InputError:
        # A JPEG may carry more than 64 KiB of metadata before its size.
        header = _parse(name, _read(name))
    _check(name, header)
    _check_end(name, header)
    return header.height, header.width


def _name(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(
            f"expected the path of an image, received {describe(path)}.", hint="Pass a str or Path."
        )
    return os.fspath(path)


def _read(name: str, size: int = -1) -> bytes:
    try:
        with Path(name).open("rb") as file:
            data = file.read(size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"expected an image file at {name!r}: {reason}.", hint="Check the path."
        ) from error
    if not data:
        raise InputError(f"expected an image at {name!r}, the file is empty.", hint=_AGAIN_HINT)
    return data


def _parse(name: str, data: bytes) -> _Header:
    try:
        if data.startswith(_PNG):
            return _png_header(data)
        if data.startswith(_JPEG):
            return _jpeg_header(data)
        if data.startswith(b"BM"):
            return _bmp_header(data)
    except (struct.error, IndexError):
        _damaged(name, "it ends within its header")
    raise InputError(
        f"expected a PNG, JPEG or BMP image at {name!r}, the content is none of these "
        f"(it begins with {data[:8]!r}).",
        hint=_FORMATS_HINT,
    )


def _png_header(data: bytes) -> _Header:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    # A tRNS chunk makes a PNG without an alpha channel transparent; it stands before the pixels.
    alpha = colour in (4, 6) or b"tRNS" in data[: max(data.find(b"IDAT"), 0)]
    return _Header("PNG", width, height, bits, 1 if colour in (0, 4) else 3, alpha)


def _jpeg_header(data: bytes) -> _Header:
    position, frame = 2, (0, 0, 0, 0)
    while True:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _FRAME_MARKERS:
            frame = struct.unpack_from(">BHHB", data, position + 4)
        if marker == 0xDA:
            bits, height, width, channels = frame
            return _Header("JPEG", width, height, bits, channels, scan=position)
        if data[position] != 0xFF or length < 2:
            raise IndexError(position)
        position += 2 + length


def _bmp_header(data: bytes) -> _Header:
    width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    return _Header("BMP", width, abs(height), 8, 3, alpha=bits == 32)


def _check(name: str, header: _Header) -> None:
    if header.width < 1 or header.height < 1:
        _damaged(name, "its header gives no size")
    if header.width * header.height > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS // 1_000_000} megapixels, {name!r} declares "
            f"{header.width} x {header.height}.",
            hint="Crop or shrink the image first.",
        )
    if header.bits > 8:
        raise InputError(
            f"expected 8 bits a channel, {name!r} has {header.bits}.", hint=_FORMATS_HINT
        )
    if header.alpha or header.channels not in (1, 3):
        what = "an alpha channel" if header.alpha else f"{header.channels} channels"
        raise InputError(
            f"expected a grey or RGB image without transparency, {name!r} has {what}.",
            hint=_FORMATS_HINT,
        )


def _check_end(name: str, header: _Header) -> None:
    # What stops early is told from its last bytes; to read every file whole would take too long.
    marker = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}.get(header.kind)
    if marker is None:
        return
    with Path(name).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(size - _END_BYTES, header.scan)
        file.seek(start)
        found = marker in file.read()
    # Something may be appended behind the end, so a long file without it gets a second look.
    if not found and start > header.scan:
        _check_whole(name, _read(name), header)
    elif not found:
        _damaged(name, f"its end marker is missing: the {header.kind} is truncated")


def _check_whole(name: str, data: bytes, header: _Header) -> None:
    # The decoders return a half-grey image for a file that ends early, so its end is looked for.
    if header.kind == "JPEG" and data.find(b"\xff\xd9", header.scan) < 0:
        _damaged(name, "its end marker is missing: the JPEG is truncated")
    if header.kind == "PNG":
        _check_chunks(name, data)
    if header.kind == "BMP" and len(data) < struct.unpack_from("<I", data, 2)[0]:
        _damaged(name, "it is shorter than its header says: the BMP is truncated")


def _check_chunks(name: str, data: bytes) -> None:
    position = len(_PNG)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(data[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            _damaged(name, f"the checksum of its {kind.decode('latin-1')} chunk is wrong")
        if kind == b"IEND":
            return
        position = end + 4
    _damaged(name, "its end marker is missing: the PNG is truncated")


def _damaged(name: str, reason: str) -> NoReturn:
    raise InputError(f"expected a whole image at {name!r}, but {reason}.", hint=_AGAIN_HINT)
