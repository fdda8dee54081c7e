"""The fast PNG decoder: OpenCV's pixels, or it declines."""

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from deepfake_generalize.data.crops.images import decode_png
from deepfake_generalize.data.crops.packs import ImageSource, read_image
from deepfake_generalize.errors import InputError


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(stream, width=8, height=8, colour=2, interlaced=0, extra=b"", depth=8, filtering=0):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, filtering, interlaced)
    parts = _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


ROWS = b"".join(b"\0" + bytes(range(i, i + 24)) for i in range(8))


@pytest.mark.parametrize("strategy", range(5))
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (64, 33), (256, 256)])
def test_the_pixels_are_opencvs(strategy, shape):
    rng = np.random.default_rng(0)
    out = np.empty((*shape, 3), np.uint8)
    for _ in range(6):
        image = cv2.GaussianBlur(rng.integers(0, 256, (*shape, 3), np.uint8), (0, 0), 1) | 1
        data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_STRATEGY, strategy])[1].tobytes()
        assert decode_png(data, out)
        np.testing.assert_array_equal(out, image[..., ::-1])


@pytest.mark.parametrize(
    "data",
    [
        _png(zlib.compress(ROWS[:100])),
        _png(zlib.compress(ROWS[:-1])),
        _png(zlib.compress(ROWS)[:-2] + b"zz"),
        _png(zlib.compress(ROWS)[:-1]),
        _png(zlib.compress(ROWS + b"\0")),
        _png(zlib.compress(b"\5" + ROWS[1:])),
        _png(b"no deflate stream"),
        _png(zlib.compress(b"\0" * 32 * 8), colour=6),
        _png(zlib.compress(ROWS), interlaced=1),
        _png(zlib.compress(ROWS), depth=4),
        _png(zlib.compress(ROWS), filtering=64),
        _png(zlib.compress(ROWS), extra=_chunk(b"IHDR", bytes(13))),
        _png(zlib.compress(ROWS), extra=_chunk(b"ABCD", b"")),
        _png(zlib.compress(ROWS)[:9], extra=_chunk(b"IDAT", b"")).replace(
            _chunk(b"IEND", b""), _chunk(b"IEND", b"") + _chunk(b"IDAT", zlib.compress(ROWS)[9:])
        ),
        b"\x89PNG\r\n\x1a\n\0\0\0\x06IEND\0\x02>\x9b\0\0\x02\x01\x08\x02",
    ],
)
def test_what_it_cannot_vouch_for_it_declines(data):
    out = np.empty((8, 8, 3), np.uint8)
    for _ in range(3):
        assert decode_png(_png(zlib.compress(ROWS)), out)
        assert not decode_png(data, out)


def test_a_black_last_row_is_no_sign_of_a_cut():
    image = np.full((8, 8, 3), 9, np.uint8)
    image[-1] = 0
    out = np.empty((8, 8, 3), np.uint8)
    assert decode_png(cv2.imencode(".png", image)[1].tobytes(), out)
    np.testing.assert_array_equal(out, image)


def test_pixels_in_many_chunks_between_others_are_put_together():
    stream = zlib.compress(ROWS)
    image = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    image += _chunk(b"tEXt", b"IDAT\0IDAT")
    image += b"".join(_chunk(b"IDAT", stream[i : i + 7]) for i in range(0, len(stream), 7))
    out = np.empty((8, 8, 3), np.uint8)
    assert decode_png(image + _chunk(b"tIME", bytes(7)) + _chunk(b"IEND", b""), out)
    assert out[7, 7].tolist() == [28, 29, 30]


def test_a_stream_far_longer_than_the_image_is_not_inflated_to_its_end():
    bomb = _png(zlib.compress(bytes(1 << 28)))
    tracemalloc.start()
    assert not decode_png(bomb, np.empty((8, 8, 3), np.uint8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22


def test_a_stream_that_ends_early_is_refused_in_batches(tmp_path):
    (tmp_path / "a.png").write_bytes(_png(zlib.compress(ROWS)))
    (tmp_path / "b.png").write_bytes(_png(zlib.compress(ROWS[:100])))
    source = ImageSource([str(tmp_path / name) for name in ("a.png", "b.png")])
    with pytest.raises(InputError, match=r"whole image at .*b\.png.*cannot be decoded"):
        source.read(np.array([0, 1]))


@pytest.mark.parametrize(
    "data",
    [
        _png(zlib.compress(ROWS), filtering=64),
        _png(zlib.compress(ROWS), extra=_chunk(b"IHDR", bytes(13))),
        b"\x89PNG\r\n\x1a\n\0\0\0\x06IEND\0\x02>\x9b\0\0\x02\x01\x08\x02",
    ],
)
def test_what_no_decoder_can_vouch_for_is_refused(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.png"):
        read_image(tmp_path / "a.png")
