"""A pack that is damaged, altered or none at all is refused, whichever byte it is."""

import os
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import pack, read_crops, read_image, verify_pack
from deepfake_generalize.data.crops.hdf5_format import index_sha256
from deepfake_generalize.data.crops.hdf5_reader import open_pack
from deepfake_generalize.errors import InputError


def _flip(file, place):
    with file.open("r+b") as content:
        content.seek(place)
        byte = content.read(1)
        content.seek(place)
        content.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_flipped_pixel_is_found_when_its_image_is_read(noise_crops, tmp_path, compression):
    file = pack(noise_crops, tmp_path / "a.h5", compression=compression)
    place = int(open_pack(file).layout.offsets[5]) + 60
    _flip(file, place)
    packed = read_crops(file)
    read_image(packed["path"][4])
    message = r"whole pack of crops at .*a\.h5.*the image 'v1/frame_00002\.png'"
    for read in (
        lambda: read_image(packed["path"][5]),
        lambda: verify_pack(file),
        lambda: pack(packed, tmp_path / "b.h5"),
    ):
        with pytest.raises(InputError, match=message):
            read()


def test_no_flipped_byte_goes_unnoticed_and_none_crashes(noise_crops, tmp_path):
    file = pack(noise_crops.head(3), tmp_path / "a.h5")
    original, good = file.read_bytes(), verify_pack(file)
    noticed = 0
    offsets = open_pack(file).layout.offsets
    start = int(offsets[0])
    end = int(offsets[-1]) + 10 * 14 * 3
    outside = [*range(0, start, 3), *range(end, len(original), 3)]
    for place in [*outside, *range(start, end, 101)]:
        shutil.copy(file, tmp_path / "b.h5")
        _flip(tmp_path / "b.h5", place)
        try:
            assert verify_pack(tmp_path / "b.h5") == good
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


def _claim(content, name, shape):
    del content[name]
    content.create_dataset(name, shape, "u1", chunks=(1000,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.attrs.__setitem__("version", 2), "version 2, this release reads 1"),
        (lambda f: f.attrs.__delitem__("format"), "an HDF5 file of another kind"),
        (lambda f: f.attrs.__setitem__("format", "text in a heap"), "an HDF5 file of another kind"),
        (lambda f: f.attrs.__delitem__("index_sha256"), "the checksum of its manifest is wrong"),
        (lambda f: f.__delitem__("images"), "no dataset 'images' of its own"),
        (_link_outside, "no dataset 'images' of its own"),
        (_store_outside, "the data of 'crc32' lie outside of it"),
        (lambda f: _resize_images(f, (10**12, 8, 8, 3), chunks=(1, 8, 8, 3)), "for 24 checksums"),
        (
            lambda f: _resize_images(f, (24, 10**5, 10**5, 3), chunks=(1, 8, 8, 3)),
            "at most 100 megapixels",
        ),
        (lambda f: _resize_images(f, (24, 0, 8, 3)), "its images are 0 x 8"),
        (
            lambda f: _resize_images(f, (24, 8, 8, 3), chunks=(2, 8, 8, 3)),
            "not stored as data.pack",
        ),
        (
            lambda f: _resize_images(f, (24, 8, 8, 3), chunks=(1, 8, 8, 3), shuffle=True),
            "not stored as data.pack",
        ),
        (lambda f: _claim(f, "crops.csv", (10**13,)), "or not stored whole"),
        (lambda f: f["crops.csv"].__setitem__(3, 65), "the checksum of its manifest is wrong"),
        (lambda f: f["crc32"].__setitem__(0, 1), "the checksum of its manifest is wrong"),
        (
            lambda f: (_resize_images(f, (24, 10, 14, 3), chunks=(1, 10, 14, 3)),),
            "not all of its images are stored in it",
        ),
    ],
)
def test_a_pack_that_is_not_as_it_was_written_is_refused(noise_crops, tmp_path, change, message):
    file = pack(noise_crops, tmp_path / "a.h5")
    _rewrite(file, change)
    for read in (read_crops, verify_pack):
        with pytest.raises(InputError, match=rf"expected a pack of crops at .*{message}"):
            read(file)


def test_names_that_leave_the_pack_are_refused(noise_crops, tmp_path):
    file = pack(noise_crops, tmp_path / "a.h5")
    layout = open_pack(file).layout
    text = layout.manifest.replace(b"v0/frame_00000.png", b"../../../etc/passwd")

    def change(content):
        del content["crops.csv"]
        content["crops.csv"] = np.frombuffer(text, np.uint8)
        index = index_sha256(layout.size, layout.checksums, text)
        content.attrs["index_sha256"] = np.bytes_(index)

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
        verify_pack(tmp_path / "absent.h5")


def test_a_pack_that_went_away_or_whose_written_hash_is_another_is_refused(noise_crops, tmp_path):
    file = pack(noise_crops, tmp_path / "a.h5")
    opened = open_pack(file)
    with h5py.File(file, "r+") as content:
        content.attrs["sha256"] = np.bytes_("0" * 64)
    with pytest.raises(
        InputError, match=r"to have the hash 000000000000\.\.\. that is written in it"
    ):
        verify_pack(file)
    file.unlink()
    with pytest.raises(InputError, match=r"a pack of crops at '.*a\.h5': No such file"):
        opened.read(np.array([0]))
