"""Still images from disk: 8-bit RGB or an error that says why not; and how they are resized.

Two thirds of the time of a PNG decoder go into zlib. Where a file is of the usual kind, ISA-L
inflates the pixels, three times as fast, and FFmpeg turns them back from differences; it gets them
as a PNG that is not compressed.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn, cast

import cv2
import numpy as np
from isal import isal_zlib
from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import open_regular
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, UInt8Array
from deepfake_generalize.validation import MAX_PIXELS


class _Jpeg(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave the EXIF data alone: damaged ones would refuse an image whose pixels are whole."""


# Pillow's classes are called themselves, since Image.open warns of sizes that are accepted here.
_READERS: dict[str, tuple[int, bytes, type[ImageFile]]] = {
    "PNG": (0, b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    "JPEG": (0, b"\xff\xd8\xff", _Jpeg),
    "BMP": (0, b"BM", BmpImagePlugin.BmpImageFile),
    "WebP": (8, b"WEBP", WebPImagePlugin.WebPImageFile),
}
_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
_END_BYTES = 4096
# As many as the largest picture takes that is not compressed, and its header.
_MAX_BYTES = 4 * MAX_PIXELS + (1 << 20)
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_FORMATS_HINT = "Convert it to an 8-bit RGB or grey PNG, JPEG, BMP or WebP."
_AGAIN_HINT = "Copy or extract the file again."
_ORIENTATION_TAG, _SHORT = 0x112, 3
_UPRIGHT, _LYING = 1, 5
"""Orientations of EXIF: nothing to turn, and the first of those that exchange the sides."""


class _Header(NamedTuple):
    """What a file says of itself: its format, height and width as stored, and how to turn it."""

    kind: str
    size: tuple[int, int]
    orientation: int
    clear: bool
    """Whether pixels may be transparent."""


def read_image_file(name: str) -> UInt8Array:
    """Read an image as `read_image` does, that is in a file of its own."""
    with _opened(name) as file:
        data = file.read()
    header = _check_file(name, io.BytesIO(data), whole=True)
    image = np.empty((*header.size, 3), np.uint8)
    if header.kind != "PNG" or header.clear or not decode_png(data, image):
        image = _decode(name, data, header)
    return _turned(image, header.orientation)


def image_size(path: str) -> tuple[int, int]:
    """Return (height, width) of a file that `read_image` takes, if nothing in it is damaged."""
    with _opened(path) as file:
        size, turn = _check_file(path, file)[1:3]
    return size if turn < _LYING else size[::-1]


def resize(image: AnyArray, size: tuple[int, int]) -> AnyArray:
    """Resize one image (H, W, 3) to (height, width): bilinear, by area beyond a factor of two.

    Beyond, bilinear interpolation would skip pixels and alias; at exactly two, the rules coincide.
    """
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    shrinks = max(height / size[0], width / size[1]) > 2
    rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=rule))


@contextlib.contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    expected = f"expected an image file at {name!r}"
    with (
        telling(expected, hint="Check the path."),
        open_regular(Path(name), most=_MAX_BYTES) as file,
    ):
        yield file


def _check_file(name: str, file: IO[bytes], *, whole: bool = False) -> _Header:
    """Return what an image says of itself, or refuse it; `whole` checks a PNG's checksums."""
    start = file.read(_END_BYTES)
    if not start:
        raise InputError(f"expected an image at {name!r}, the file is empty.", hint=_AGAIN_HINT)
    kind = next((k for k, (at, magic, _) in _READERS.items() if start[at:].startswith(magic)), "")
    if not kind:
        raise InputError(
            f"expected a PNG, JPEG, BMP or WebP image at {name!r}, the content is none of these "
            f"(it begins with {start[:8]!r}).",
            hint=_FORMATS_HINT,
        )
    file.seek(0)
    if kind == "PNG" and b"acTL" in start:
        file = io.BytesIO(_without_animation(file.read()))
    try:
        image = _READERS[kind][2](file)
        pixels = file.tell()
        header = _check_header(name, kind, image)
        if kind == "JPEG":
            _check_segments(file, pixels)
        if whole and kind != "WebP":
            image.verify()
    except InputError:
        raise
    except Exception as error:
        _damaged(name, f"the {kind} is truncated or damaged ({error})")
    _check_end(name, kind, file, pixels)
    return header


def _check_header(name: str, kind: str, image: ImageFile) -> _Header:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS // 1_000_000} megapixels, {name!r} declares "
            f"{image.width} x {image.height}.",
            hint="Crop or shrink the image first.",
        )
    raw = _raw_mode(image)
    if kind == "PNG" and raw.endswith("16B"):
        raise InputError(f"expected 8 bits a channel, {name!r} has 16.", hint=_FORMATS_HINT)
    if image.mode == "CMYK":
        raise InputError(
            f"expected a grey or RGB image, {name!r} has 4 channels.", hint=_FORMATS_HINT
        )
    # The fourth byte of a BMP's pixel may be transparency or nothing; its header need not tell.
    clear = "A" in image.mode or "transparency" in image.info or (kind == "BMP" and len(raw) == 4)
    return _Header(kind, (image.height, image.width), _orientation(image.info.get("exif")), clear)


def _raw_mode(image: ImageFile) -> str:
    how: Any = image.tile[0][3] if image.tile else image.mode
    return how if isinstance(how, str) else str(how[0])


def _decode(name: str, data: bytes, header: _Header) -> UInt8Array:
    """Decode what `_check_file` accepted, by the library that read its size."""
    if header.kind == "PNG":
        data = _without_animation(data)
        if not holds_all_rows(data, header.size):
            _damaged(name, "its PNG data cannot be decoded (pixels are missing)")
    try:
        image = _READERS[header.kind][2](io.BytesIO(data))
        raw, start = _raw_mode(image), image.tile[0][2] if image.tile else 0
        pixels = np.asarray(image.convert("RGBA" if header.clear else "RGB"))
        if header.kind == "BMP" and len(raw) == 4:
            stored = np.frombuffer(data, np.uint8, pixels.shape[0] * pixels.shape[1] * 4, start)
            alpha = stored[max(raw.find("X"), raw.find("A")) :: 4]
            opaque = bool((alpha == alpha[0]).all()) and alpha[0] in (0, 255)
        else:
            opaque = not header.clear or bool((pixels[..., 3] == 255).all())
    except Exception as error:
        _damaged(name, f"its {header.kind} data cannot be decoded ({error})")
    if pixels.shape[:2] != header.size:
        _damaged(name, f"its {header.kind} data are of another size")
    if not opaque:
        raise InputError(
            f"expected an opaque image, {name!r} has an alpha channel with transparent pixels.",
            hint="Put it on a background of one colour, or save it without transparency.",
        )
    return np.ascontiguousarray(pixels[..., :3])


def _without_animation(png: bytes) -> bytes:
    """Return a PNG without the chunks of an animation: they hold more pictures than the still."""
    if b"acTL" not in png:
        return png
    kept, position = [png[:8]], 8
    while position < len(png):
        end = position + 12 + int.from_bytes(png[position : position + 4], "big")
        if png[position + 4 : position + 8] not in _ANIMATION:
            kept.append(png[position:end])
        position = end
    return b"".join(kept)


def _orientation(exif: object) -> int:
    """Read the orientation from EXIF data; where they are damaged, nothing is turned."""
    tiff = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return _UPRIGHT
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, place)
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and value in range(1, 9) else _UPRIGHT
    return _UPRIGHT


def _turned(image: UInt8Array, orientation: int) -> UInt8Array:
    upright: AnyArray = image.swapaxes(0, 1) if orientation >= _LYING else image
    # Which sides of what is stored (5 to 8: with rows for columns) are the wrong way round.
    down, right = (-1 if orientation in ways else 1 for ways in ((3, 4, 7, 8), (2, 3, 6, 7)))
    return cast("UInt8Array", np.ascontiguousarray(upright[::down, ::right]))


def _check_segments(file: IO[bytes], pixels: int) -> None:
    """Raise where a JPEG has bytes between its segments, over which Pillow and OpenCV pass."""
    file.seek(2)
    while file.tell() < pixels:
        marker = file.read(2)
        while marker == b"\xff\xff":
            marker = marker[:1] + file.read(1)
        length = int.from_bytes(file.read(2), "big")
        if marker[:1] != b"\xff" or length < 2:
            raise SyntaxError("it has bytes between its segments")
        file.seek(length - 2, os.SEEK_CUR)


def _check_end(name: str, kind: str, file: IO[bytes], pixels: int) -> None:
    """Refuse a file that stops early, of which a decoder returns a half-grey image."""
    size = file.seek(0, os.SEEK_END)
    if kind in ("BMP", "WebP"):
        file.seek(2 if kind == "BMP" else 4)
        if size >= int.from_bytes(file.read(4), "little"):
            return
    else:
        # Something may be appended behind the end, so a file without it gets a second look.
        for start in (max(size - _END_BYTES, pixels), pixels):
            file.seek(start)
            if _ENDS[kind] in file.read():
                return
    _damaged(name, f"its end is missing: the {kind} is truncated")


def _damaged(name: str, reason: str) -> NoReturn:
    raise InputError(f"expected a whole image at {name!r}, but {reason}.", hint=_AGAIN_HINT)


_SIGNATURE, _HEADER = 8, 33
"""Where the signature and where the chunk with the header end."""
_FIRST_CHUNK = slice(8, 16), b"\0\0\0\rIHDR"
_KIND = slice(24, 29), b"\x08\x02\0\0\0"
"""Eight bits of RGB, and the only compression, filters and order of rows that are usual."""
_FILTERS = 5
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""How many values a pixel has, by the kind of colour."""
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""Where the passes of interlaced rows begin, and their steps (left, top, across, down)."""
# Of larger ones the copies would take more memory than the time is worth.
_MAX_PIXELS = 1 << 22
# FFmpeg does not look at checksums; those of the file itself are right.
_NO_CHECKSUM = b"\0\0\0\0"
# A class, which ISA-L's stub takes for an object of it.
_DAMAGED = cast("type[Exception]", isal_zlib.IsalError)


def decode_png(data: bytes, out: UInt8Array) -> bool:
    """Decode an 8-bit RGB PNG of known size, or return False where a stricter decoder must judge.

    `data` is a PNG file without transparency, whose chunks have the right checksums up to its end
    chunk; `out`, (H, W, 3) uint8 of the size in its header, is filled with RGB.
    """
    import av

    height, width, _ = out.shape
    usual = all(data[place] == value for place, value in (_FIRST_CHUNK, _KIND))
    if not usual or height * width > _MAX_PIXELS:
        return False
    # A chunk that is critical, by its capital letter, must be understood.
    chunks = list(_chunks(data))
    if any(kind[:1].isupper() and kind not in (b"PLTE", b"IDAT") for kind, _ in chunks):
        return False
    rows, is_whole = _inflated(chunks, height * (1 + 3 * width))
    if not is_whole or max(rows[:: 1 + 3 * width]) >= _FILTERS:
        return False
    stored = zlib.compress(rows, level=0)
    length = struct.pack(">I", len(stored))
    head, end = data[:_HEADER], (_NO_CHECKSUM, bytes(4), b"IEND", _NO_CHECKSUM)
    # One for each image: a decoder takes the last row of one for the row above the next.
    codec: Any = av.CodecContext.create("png", "r")
    codec.thread_count = 1
    try:
        (frame,) = codec.decode(av.Packet(b"".join((head, length, b"IDAT", stored, *end))))
    except av.FFmpegError:
        return False
    plane = frame.planes[0]
    pixels = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
    out[:] = pixels[:, : width * 3].reshape(height, width, 3)
    return True


def holds_all_rows(data: bytes, size: tuple[int, int]) -> bool:
    """Return whether a PNG's pixels are all there: Pillow leaves what is missing black."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if (height, width) != size:
        return False
    bits = depth * _CHANNELS.get(colour, 0)
    expected = 0
    for left, top, step_x, step_y in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-max(width - left, 0) // step_x), -(-max(height - top, 0) // step_y)
        expected += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return len(_inflated(_chunks(data), expected)[0]) >= expected


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of what is between the header and the end chunk."""
    position = _HEADER
    while position + 8 <= len(data) and data[position + 4 : position + 8] != b"IEND":
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _inflated(chunks: Iterable[tuple[bytes, bytes]], most: int) -> tuple[bytes, bool]:
    """Return so many bytes of a PNG's pixels, if there are, and whether there are just as many."""
    inflater = isal_zlib.decompressobj()
    stream = b"".join(content for kind, content in chunks if kind == b"IDAT")
    try:
        # One byte more than is wanted: a stream that holds too much is not inflated to its end.
        rows: bytes = inflater.decompress(stream, most + 1)
    except _DAMAGED:
        return b"", False
    return rows, inflater.eof and len(rows) == most
