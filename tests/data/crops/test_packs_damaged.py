"""A pack that is damaged, altered or none at all is refused, whichever byte it is."""

import os
import shutil
import struct

import h5py
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import pack, read_crops, read_image
from deepfake_generalize.data.crops.packs import Index, open_pack
from deepfake_generalize.errors import InputError


def read_all(file):
    """Return all that a pack holds: its pixels, each image checked, and its manifest."""
    found = open_pack(file)
    images = found.images(np.arange(len(found.rows)))
    return b"".join(image.tobytes() for image in images), found.index.manifest


def _flip(file, place):
    with file.open("r+b") as content:
        content.seek(place)
        byte = content.read(1)
        content.seek(place)
        content.write(bytes([byte[0] ^ 1]))


def test_a_flipped_pixel_is_found_when_its_image_is_read(noise_crops, tmp_path):
    file = pack(noise_crops, tmp_path / "a.h5")
    place = int(open_pack(file).offset) + 5 * 10 * 14 * 3 + 60
    _flip(file, place)
    packed = read_crops(file)
    read_image(packed["path"][4])
    message = r"whole pack of crops at .*a\.h5.*the image 'v1/frame_00002\.png'"
    for read in (
        lambda: read_image(packed["path"][5]),
        lambda: read_all(file),
        lambda: pack(packed, tmp_path / "b.h5"),
    ):
        with pytest.raises(InputError, match=message):
            read()


def test_no_flipped_byte_goes_unnoticed_and_none_crashes(noise_crops, tmp_path):
    file = pack(noise_crops.head(3), tmp_path / "a.h5")
    original, good = file.read_bytes(), read_all(file)
    noticed = 0
    start = open_pack(file).offset
    assert len(original) == start + 3 * 10 * 14 * 3
    for place in [*range(0, start, 3), *range(start, len(original), 101)]:
        shutil.copy(file, tmp_path / "b.h5")
        _flip(tmp_path / "b.h5", place)
        try:
            assert read_all(tmp_path / "b.h5") == good
            pd.testing.assert_frame_equal(
                read_crops(tmp_path / "b.h5").drop(columns=["path", "video"]),
                read_crops(file).drop(columns=["path", "video"]),
            )
        except InputError:
            noticed += 1
    # The others lie in room that HDF5 leaves unused.
    assert noticed > 200


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1])
def test_a_truncated_pack_is_refused(noise_crops, tmp_path, keep):
    file = pack(noise_crops, tmp_path / "a.h5")
    size = file.stat().st_size
    os.truncate(file, int(keep * size) if isinstance(keep, float) else keep % (size + keep or 1))
    with pytest.raises(InputError, match=r"expected a pack of crops at .*HDF5 cannot read it"):
        read_crops(file)


def _rewrite(file, change):
    with h5py.File(file, "r+", locking=False) as content:
        change(content)


def _resize_images(content, shape, **choices):
    del content["images"]
    content.create_dataset("images", shape, np.uint8, **choices)


def _link_outside(content):
    del content["images"]
    content["images"] = h5py.ExternalLink("/etc/passwd", "/images")


def _store_outside(content):
    del content["crc32"]
    content.create_dataset("crc32", (24,), "<u4", external=[("/etc/passwd", 0, 24 * 4)])


def _store_images_outside(content):
    _resize_images(content, (24, 10, 14, 3), external=[("/etc/passwd", 0, 24 * 10 * 14 * 3)])


def _map_images_from_outside(content):
    del content["images"]
    layout = h5py.VirtualLayout((24, 10, 14, 3), np.uint8)
    layout[:] = h5py.VirtualSource("/etc/passwd", "images", (24, 10, 14, 3))
    content.create_virtual_dataset("images", layout)


def _claim(content, name, shape):
    del content[name]
    content.create_dataset(name, shape, "u1", chunks=(1000,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.attrs.__setitem__("version", 1), "version 1, this release reads 2"),
        (lambda f: f.attrs.__delitem__("format"), "an HDF5 file of another kind"),
        (lambda f: f.attrs.__setitem__("format", "text in a heap"), "an HDF5 file of another kind"),
        (lambda f: f.attrs.__delitem__("index_sha256"), "the checksum of its manifest is wrong"),
        (lambda f: f.__delitem__("images"), "no dataset 'images' of its own"),
        (_link_outside, "no dataset 'images' of its own"),
        (_store_outside, "the data of 'crc32' lie outside of it"),
        (_store_images_outside, "the data of 'images' lie outside of it"),
        (_map_images_from_outside, "the data of 'images' lie outside of it"),
        (
            lambda f: _resize_images(f, (25, 10, 14, 3)),
            r"shape \(25, 10, 14, 3\), or not stored",
        ),
        (lambda f: _resize_images(f, (24, 10, 14)), r"of shape \(24, 10, 14\), or not stored"),
        (lambda f: _resize_images(f, (24, 10**5, 10**5, 3)), "or not stored in one piece"),
        (lambda f: _resize_images(f, (24, 0, 8, 3)), "or not stored in one piece"),
        (
            lambda f: _resize_images(f, (24, 10, 14, 3), chunks=(1, 10, 14, 3)),
            "or not stored in one piece",
        ),
        (lambda f: _claim(f, "crops.csv", (10**13,)), "or not stored in one piece"),
        (lambda f: f["crops.csv"].__setitem__(3, 65), "the checksum of its manifest is wrong"),
        (lambda f: f["crc32"].__setitem__(0, 1), "the checksum of its manifest is wrong"),
    ],
)
def test_a_pack_that_is_not_as_it_was_written_is_refused(noise_crops, tmp_path, change, message):
    file = pack(noise_crops, tmp_path / "a.h5")
    _rewrite(file, change)
    for read in (read_crops, read_all):
        with pytest.raises(InputError, match=rf"expected a pack of crops at .*{message}"):
            read(file)


def test_pixels_that_are_said_to_lie_behind_the_end_of_the_file_are_refused(noise_crops, tmp_path):
    file = tmp_path / "b.h5"
    with (
        h5py.File(pack(noise_crops, tmp_path / "a.h5")) as old,
        h5py.File(file, "w", libver="earliest") as new,
    ):
        for name, value in old.attrs.items():
            new.attrs[name] = value
        for name in ("crc32", "crops.csv", "images"):
            new[name] = old[name][:]
        end = new["images"].id.get_offset() + new["images"].size
    assert len(read_crops(file)) == len(noise_crops)
    content = bytearray(file.read_bytes())
    assert len(content) == end
    # The superblock of old says where the file ends, without a checksum.
    content[40:48] = struct.pack("<Q", end - 100)
    file.write_bytes(content[: end - 100])
    # Newer versions of HDF5 notice it themselves.
    with pytest.raises(InputError, match=r"not stored in one piece|invalid dataset size"):
        read_crops(file)


def test_names_that_leave_the_pack_are_refused(noise_crops, tmp_path):
    file = pack(noise_crops, tmp_path / "a.h5")
    index = open_pack(file).index
    text = index.manifest.replace(b"v0/frame_00000.png", b"../../../etc/passwd")

    def change(content):
        del content["crops.csv"]
        content["crops.csv"] = np.frombuffer(text, np.uint8)
        sha256 = Index(index.size, index.checksums, text).sha256
        content.attrs["index_sha256"] = np.bytes_(sha256)

    _rewrite(file, change)
    with pytest.raises(InputError, match=r"names '\.\./\.\./\.\./etc/passwd'"):
        read_crops(file)


def test_files_that_are_no_packs_are_refused(tmp_path):
    for content in (b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)):
        (tmp_path / "a.h5").write_bytes(content)
        with pytest.raises(InputError, match="HDF5 cannot read it"):
            read_crops(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"a folder or a pack of crops, .* does not exist"):
        read_crops(tmp_path / "absent.h5")
    with pytest.raises(InputError, match=r"a pack of crops at .*absent\.h5': No such file"):
        read_all(tmp_path / "absent.h5")


def test_a_pack_that_went_away_is_refused(noise_crops, tmp_path):
    file = pack(noise_crops, tmp_path / "a.h5")
    opened = open_pack(file)
    file.unlink()
    with pytest.raises(InputError, match=r"a pack of crops at '.*a\.h5': No such file"):
        next(opened.images(np.array([0])))
