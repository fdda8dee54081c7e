"""Still images: 8-bit RGB as viewers show them, or the reason why not."""

import itertools
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from deepfake_generalize.data import read_image
from deepfake_generalize.data.crops.images import image_size
from deepfake_generalize.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg"])
def test_an_image_is_rgb_of_its_own_size(tmp_path, suffix):
    path = tmp_path / f"ä {suffix}"
    path.write_bytes(cv2.imencode(suffix, NOISE[..., ::-1])[1].tobytes())
    image = read_image(path)
    assert (image.shape, image.dtype) == (NOISE.shape, np.uint8)
    assert image_size(str(path)) == (40, 30)
    if suffix != ".jpg":
        np.testing.assert_array_equal(image, NOISE)


def test_grey_is_repeated_in_three_channels(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), NOISE[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), NOISE[..., [0, 0, 0]])


def _png(width, height):
    def chunk(body):
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(header) + chunk(b"IDAT" + zlib.compress(bytes(9)))


def _encoded(suffix, image=NOISE):
    return cv2.imencode(suffix, image)[1].tobytes()


PNG, JPEG, BMP = (_encoded(suffix) for suffix in (".png", ".jpg", ".bmp"))
FLIPPED = PNG[:200] + bytes([PNG[200] ^ 255]) + PNG[201:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"RIFF....AVI ", r"the content is none of these \(it begins with b'RIFF"),
        (PNG[:-20], "the PNG is truncated"),
        (PNG[:20], "the PNG is truncated"),
        (FLIPPED, "the PNG is truncated or damaged .*checksum in b'IDAT'"),
        (JPEG[: len(JPEG) // 2], "the JPEG is truncated"),
        (JPEG[:30], "the JPEG is truncated"),
        (JPEG[:4] + b"\0\1" + JPEG[6:], "the JPEG is truncated or damaged"),
        (BMP[:-100], "the BMP is truncated"),
        (_encoded(".png", NOISE.astype(np.uint16) * 257), "expected 8 bits a channel.*has 16"),
        (_encoded(".png", np.dstack([NOISE, NOISE[..., :1]])), "has an alpha channel"),
        (_encoded(".bmp", np.dstack([NOISE, NOISE[..., :1]])), "has an alpha channel"),
        (_encoded(".webp")[:-100], "the WebP is truncated"),
        (b"II*\0" + bytes(20), "the content is none of these"),
        (_png(20_000, 20_000), "expected at most 100 megapixels.*20000 x 20000"),
        (_png(0, 5), "the PNG is truncated or damaged"),
    ],
)
def test_a_file_that_is_no_whole_8_bit_image_is_refused(tmp_path, capfd, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_image(path)
    assert caught.value.hint
    assert str(path) in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_jpeg_may_fill_the_space_before_a_marker(tmp_path):
    (tmp_path / "plain.jpg").write_bytes(JPEG)
    (tmp_path / "filled.jpg").write_bytes(JPEG[:2] + b"\xff\xff" + JPEG[2:])
    np.testing.assert_array_equal(
        read_image(tmp_path / "filled.jpg"), read_image(tmp_path / "plain.jpg")
    )


@pytest.mark.parametrize("entries", [b"\3\0\1\2", b"\2\0\x1a\1\5\0\1\0\0\0\xe7\3\0\0"])
def test_damaged_exif_data_do_not_keep_an_image_from_being_read(tmp_path, entries):
    exif = b"Exif\0\0II*\0\x08\0\0\0" + entries
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(JPEG[:2] + segment + JPEG[2:])
    (tmp_path / "plain.jpg").write_bytes(JPEG)
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.jpg"), read_image(tmp_path / "plain.jpg")
    )
    assert image_size(tmp_path / "a.jpg") == NOISE.shape[:2]


def test_a_path_that_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / "absent.png", tmp_path, "nul\0.png"):
        with pytest.raises(InputError, match="expected an image file at"):
            read_image(path)
    with pytest.raises(InputError, match="received an array of shape"):
        read_image(NOISE)


def test_the_name_does_not_decide_the_format(tmp_path):
    (tmp_path / "a.jpg").write_bytes(PNG)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), NOISE[..., ::-1])


def test_an_undecodable_path_is_read(tmp_path):
    path = tmp_path / "a\udcff.png"
    path.write_bytes(PNG)
    assert read_image(path).shape == NOISE.shape


TURNS = [None, *(getattr(Image.Transpose, name) for name in (
    "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE",
    "ROTATE_90",
))]  # fmt: skip


def _exif(orientation, order):
    mark = {">": b"MM\0*", "<": b"II*\0"}[order]
    entry = struct.pack(f"{order}IHHHIHH", 8, 1, 0x112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + entry + bytes(4)


@pytest.mark.parametrize(("orientation", "order"), [*itertools.product(range(10), "<>")])
def test_a_picture_is_turned_as_viewers_turn_it(tmp_path, orientation, order):
    exif = _exif(orientation, order)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(JPEG[:2] + segment + JPEG[2:])
    oracle = cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1]
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), oracle)
    assert image_size(tmp_path / "a.jpg") == oracle.shape[:2]
    turn = TURNS[orientation - 1] if orientation in range(1, 9) else None
    picture = Image.fromarray(NOISE)
    turned = np.asarray(picture if turn is None else picture.transpose(turn))
    for name in ("a.png", "a.webp"):
        picture.save(tmp_path / name, exif=exif, lossless=True)
        np.testing.assert_array_equal(read_image(tmp_path / name), turned)
        assert image_size(tmp_path / name) == turned.shape[:2]


def test_opaque_alpha_is_read_in_every_form(tmp_path):
    opaque = np.dstack([NOISE, np.full((40, 30), 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "a.png")
    Image.fromarray(opaque).save(tmp_path / "b.webp", lossless=True)
    Image.fromarray(opaque[..., :1].repeat(2, 2) | np.uint8([0, 255]), "LA").save(
        tmp_path / "c.png"
    )
    palette = Image.fromarray(NOISE).quantize(16)
    palette.save(tmp_path / "d.png", transparency=bytes([255] * 16))
    Image.fromarray(NOISE).save(tmp_path / "e.png", transparency=(1, 2, 3))
    for fourth in (0, 255):
        cv2.imwrite(
            str(tmp_path / f"f{fourth}.bmp"), np.dstack([NOISE[..., ::-1], opaque[..., 3] & fourth])
        )
    grey = NOISE[..., [0, 0, 0]]
    right = {"c.png": grey, "d.png": np.asarray(palette.convert("RGB"))}
    for path in sorted(tmp_path.iterdir()):
        np.testing.assert_array_equal(read_image(path), right.get(path.name, NOISE))
        assert image_size(path) == (40, 30)
    palette.save(tmp_path / "d.png", transparency=bytes([254] * 16))
    with pytest.raises(InputError, match="transparent pixels"):
        read_image(tmp_path / "d.png")


def test_of_an_animated_png_the_still_picture_is_read_whatever_the_rest_holds(tmp_path):
    grey = [Image.fromarray(NOISE[..., number]) for number in range(3)]
    grey[0].save(tmp_path / "a.png", save_all=True, append_images=grey[1:])
    whole = (tmp_path / "a.png").read_bytes()
    still = NOISE[..., [0, 0, 0]]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), still)
    start = whole.index(b"acTL")
    for place in (start + 4, start + 8, whole.index(b"fcTL") + 9, whole.index(b"fdAT") + 20):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        (tmp_path / "b.png").write_bytes(damaged)
        np.testing.assert_array_equal(read_image(tmp_path / "b.png"), still)
        assert image_size(tmp_path / "b.png") == (40, 30)


def test_what_is_no_regular_file_or_too_long_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "sparse.png").open("wb") as file:
        file.write(PNG)
        file.truncate(1 << 35)
    for path in (tmp_path / "pipe.png", "/dev/zero", tmp_path / "sparse.png"):
        for read in (read_image, image_size):
            with pytest.raises(InputError, match=r"no regular file|has 34359738368 bytes"):
                read(path)


def test_a_marker_that_stands_alone_does_not_hide_the_size_of_a_jpeg(tmp_path):
    size = JPEG.index(b"\xff\xc0") + 5
    big = JPEG[:size] + struct.pack(">HH", 32760, 32760) + JPEG[size + 4 :]
    (tmp_path / "a.jpg").write_bytes(big[:2] + b"\xff\x01" + big[2:])
    with pytest.raises(InputError, match=r"damaged|megapixels"):
        image_size(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(big)
    with pytest.raises(InputError, match=r"100 megapixels.*32760 x 32760"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("interlaced", [False, True])
def test_pixels_that_are_missing_are_noticed_in_every_kind_of_png(tmp_path, mode, interlaced):
    picture = Image.fromarray(NOISE).convert(mode)
    picture.save(tmp_path / "a.png")
    whole = bytearray((tmp_path / "a.png").read_bytes())
    rows = np.asarray(picture)
    if interlaced:  # The bytes of the rows mean nothing; their number is what is looked at.
        passes = [rows[top::down, left::across] for left, top, across, down in (
            *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
            *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
        )]  # fmt: skip
        whole[28] = 1
        whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    else:
        passes = [rows]
    packed = [
        np.packbits(part, 1) if mode == "1" else part.reshape(len(part), -1) for part in passes
    ]
    stream = b"".join(b"\0" + row.astype(np.uint8).tobytes() for part in packed for row in part)
    start = whole.index(b"IDAT") - 4
    for content, right in ((stream, True), (stream[:-1], False), (b"", False)):
        body = b"IDAT" + zlib.compress(content)
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        end = b"\0\0\0\0IEND\xaeB`\x82"
        (tmp_path / "b.png").write_bytes(bytes(whole[:start]) + chunk + end)
        if right:
            oracle = np.asarray(picture.convert("RGB"))
            np.testing.assert_array_equal(read_image(tmp_path / "b.png"), oracle)
        else:
            with pytest.raises(InputError, match="pixels are missing"):
                read_image(tmp_path / "b.png")
