"""Still images from disk: 8-bit RGB or an error that says why not; and how they are resized."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

import cv2
import numpy as np
from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

from deepfake_generalize.data.crops.fast_png import decode_png
from deepfake_generalize.data.crops.hdf5_reader import open_pack, split_packed
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import MAX_PIXELS, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

    from deepfake_generalize.types import AnyArray, UInt8Array


class _Jpeg(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave the EXIF data alone: damaged ones would refuse an image whose pixels are whole."""


# Pillow reads headers only. Its classes are called themselves, since Image.open warns of sizes that
# are accepted here.
_READERS: dict[bytes, tuple[str, type[ImageFile]]] = {
    b"\x89PNG\r\n\x1a\n": ("PNG", PngImagePlugin.PngImageFile),
    b"\xff\xd8\xff": ("JPEG", _Jpeg),
    b"BM": ("BMP", BmpImagePlugin.BmpImageFile),
}
_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
_END_BYTES = 4096
_FORMATS_HINT = "Convert it to an 8-bit RGB or grey PNG, JPEG or BMP."
_AGAIN_HINT = "Copy or extract the file again."


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
    with _opened(name) as file:
        data = file.read()
    kind, size = _check_file(name, io.BytesIO(data), whole=True)
    if kind == "PNG":
        image = np.empty((*size, 3), np.uint8)
        if decode_png(data, image):
            return image
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        decoded = cast("Any", cv2.imdecode(np.frombuffer(data, np.uint8), flags))
    except cv2.error:
        decoded = None
    if decoded is None or decoded.shape[:2] != size:
        _damaged(name, f"its {kind} data cannot be decoded")
    return cast("UInt8Array", cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def image_size(path: str | Path) -> tuple[int, int]:
    """Return (height, width) in pixels of an image that `read_image` would accept, from its ends.

    Raises:
        InputError: As `read_image`, except for damage between the header and the end.
    """
    name = _name(path)
    packed = split_packed(name)
    if packed is not None:
        pack = open_pack(packed[0])
        pack.row(packed[1])
        return pack.index.size
    with _opened(name) as file:
        return _check_file(name, file)[1]


def resize(image: AnyArray, size: tuple[int, int]) -> AnyArray:
    """Resize one image (H, W, 3) to (height, width): bilinear, by area beyond a factor of two.

    Up to a factor of two, bilinear interpolation looks at every pixel; beyond, it would skip some
    and alias. At exactly two, the rules coincide. An image of that size is returned itself.
    """
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    shrinks = max(height / size[0], width / size[1]) > 2
    rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: AnyArray = cv2.resize(
        np.ascontiguousarray(image), (size[1], size[0]), interpolation=rule
    )
    return resized


def _name(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(
            f"expected the path of an image, received {describe(path)}.", hint="Pass a str or Path."
        )
    return os.fspath(path)


@contextlib.contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    try:
        with Path(name).open("rb") as file:
            yield file
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"expected an image file at {name!r}: {reason}.", hint="Check the path."
        ) from error


def _check_file(name: str, file: IO[bytes], *, whole: bool = False) -> tuple[str, tuple[int, int]]:
    """Return format, height and width, or refuse the image; `whole` checks a PNG's checksums."""
    start = file.read(8)
    if not start:
        raise InputError(f"expected an image at {name!r}, the file is empty.", hint=_AGAIN_HINT)
    kind, reader = next(
        (found for magic, found in _READERS.items() if start.startswith(magic)), ("", None)
    )
    if reader is None:
        raise InputError(
            f"expected a PNG, JPEG or BMP image at {name!r}, the content is none of these "
            f"(it begins with {start!r}).",
            hint=_FORMATS_HINT,
        )
    file.seek(0)
    try:
        image = reader(file)
        pixels = file.tell()
        _check_header(name, kind, image)
        if kind == "JPEG":
            _check_segments(file, pixels)
        if whole:
            image.verify()
    except InputError:
        raise
    except Exception as error:
        _damaged(name, f"the {kind} is truncated or damaged ({error})")
    _check_end(name, kind, file, pixels)
    return kind, (image.height, image.width)


def _check_header(name: str, kind: str, image: ImageFile) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS // 1_000_000} megapixels, {name!r} declares "
            f"{image.width} x {image.height}.",
            hint="Crop or shrink the image first.",
        )
    how: Any = image.tile[0][3]
    raw = how if isinstance(how, str) else str(how[0])
    if kind == "PNG" and raw.endswith("16B"):
        raise InputError(f"expected 8 bits a channel, {name!r} has 16.", hint=_FORMATS_HINT)
    # The fourth byte of a BMP's pixel may be transparency or nothing; its header need not tell.
    clear = "A" in image.mode or "transparency" in image.info or (kind == "BMP" and len(raw) == 4)
    if clear or image.mode == "CMYK":
        what = "an alpha channel" if clear else "4 channels"
        raise InputError(
            f"expected a grey or RGB image without transparency, {name!r} has {what}.",
            hint=_FORMATS_HINT,
        )


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
    if kind == "BMP":
        file.seek(2)
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
