"""Packs: read like the folder they were made of, by many at once, and refused when damaged."""

import concurrent.futures
import fcntl
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepfake_generalize.data import (
    CROP_COLUMNS,
    Splits,
    balanced_splits,
    pack,
    read_crops,
    read_image,
    to_dataset,
    verify_pack,
)
from deepfake_generalize.data.image_source import ImageSource
from deepfake_generalize.data.images import image_size
from deepfake_generalize.data.pack_format import index_sha256
from deepfake_generalize.data.packed import open_pack
from deepfake_generalize.errors import InputError

N, HEIGHT, WIDTH = 24, 10, 14


def _manifest(paths):
    rows = [
        {
            "path": str(path),
            "video": str(path.parents[1] / "videos" / f"{i // 3}.mp4"),
            "frame": i % 3,
            "dataset": "FF++",
            "method": "Deepfakes" if i % 6 < 3 else "real",
            "label": int(i % 6 < 3),
            "target_identity": f"{i // 3:03d}",
            "source_identity": None,
            "compression": "c23",
            "split": None,
            "box": "1.00,2.50,30.00,40.25",
            "score": 0.1 + i / 30,
            "aligner": "landmarks",
            "flag": "low_score" if i % 5 == 0 else None,
        }
        for i, path in enumerate(paths)
    ]
    types = {"frame": "Int64", "label": "int64", "score": "float64"}
    frame = pd.DataFrame(rows, columns=list(CROP_COLUMNS))
    return frame.astype({name: types.get(name, "string") for name in CROP_COLUMNS})


@pytest.fixture
def crops(tmp_path):
    """Return the manifest of PNGs of noise in folders named by their video."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "crops" / f"v{i // 3}" / f"frame_{i % 3:05d}.png" for i in range(N)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    return _manifest(paths)


def _images(crops):
    return np.stack([cv2.imread(path)[..., ::-1] for path in crops["path"]])


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_h5py_and_opencv_see_the_same_pixels(crops, tmp_path, compression):
    file = pack(crops, tmp_path / "out" / "a.h5", compression=compression)
    expected = _images(crops)
    with h5py.File(file) as content:
        np.testing.assert_array_equal(content["images"][:], expected)
        assert content["images"].compression == compression
    packed = read_crops(file)
    np.testing.assert_array_equal([read_image(path) for path in packed["path"]], expected)
    assert image_size(packed["path"][5]) == (HEIGHT, WIDTH)
    order = np.random.default_rng(1).integers(0, N, 50)
    np.testing.assert_array_equal(open_pack(file).read(order), expected[order])


def test_the_manifest_comes_back_with_the_names_the_files_had(crops, tmp_path):
    before = crops.copy(deep=True)
    file = pack(crops, tmp_path / "a.h5")
    packed = read_crops(str(file))
    pd.testing.assert_frame_equal(packed.drop(columns="path"), before.drop(columns="path"))
    folder = str(tmp_path / "crops")
    assert packed["path"].tolist() == [
        path.replace(folder, str(file)) for path in crops["path"].tolist()
    ]
    pd.testing.assert_frame_equal(crops, before)


TEXT = st.none() | st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(TEXT, TEXT, st.none() | st.integers(0, 10**9)), min_size=1, max_size=6))
def test_any_text_and_na_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    paths = [folder / f'{i} ü\n,".png' for i in range(len(rows))]
    for path in paths:
        path.write_bytes(cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes())
    crops = _manifest(paths)
    for name, values in zip(("flag", "method", "frame"), zip(*rows, strict=True), strict=True):
        crops[name] = pd.Series(list(values), dtype=crops[name].dtype)
    # Like the CSV manifest, a pack does not tell an empty text from NA.
    crops[["flag", "method"]] = crops[["flag", "method"]].replace("", pd.NA)
    packed = read_crops(pack(crops, folder / "a.h5"))
    pd.testing.assert_frame_equal(packed.drop(columns="path"), crops.drop(columns="path"))
    assert [Path(path).name for path in packed["path"]] == [path.name for path in paths]


def test_the_same_crops_give_the_same_bytes_and_a_pack_of_a_pack_the_same_pack(crops, tmp_path):
    file = pack(crops, tmp_path / "a.h5")
    content = file.read_bytes()
    time.sleep(1.1)  # HDF5 would keep the second of the making.
    assert pack(crops, tmp_path / "a.h5").read_bytes() == content
    again = pack(read_crops(file), tmp_path / "b.h5")
    assert again.read_bytes() == content
    assert pack(read_crops(file), file).read_bytes() == content
    assert verify_pack(again) == verify_pack(file)
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == ["a.h5", "b.h5"]


def test_a_moved_pack_is_read_where_it_is(crops, tmp_path):
    file = pack(crops, tmp_path / "a.h5")
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / "b.hdf5")
    packed = read_crops(moved)
    assert packed["path"][0] == f"{moved}/v0/frame_00000.png"
    np.testing.assert_array_equal(read_image(packed["path"][0]), _images(crops)[0])


def test_splits_of_a_pack_are_those_of_its_files(crops, tmp_path):
    sizes = {"train": 12, "val": 4, "test": 4}
    of_files = balanced_splits(crops, **sizes, by="video")
    of_pack = balanced_splits(read_crops(pack(crops, tmp_path / "a.h5")), **sizes, by="video")
    assert of_pack.sha256 == of_files.sha256
    loaded = Splits.load(of_pack.save(tmp_path / "splits" / "s.csv"))
    assert loaded.sha256 == of_files.sha256
    np.testing.assert_array_equal(read_image(loaded.test["path"][0]), _images(of_files.test)[0])
    part = pack(loaded.train, tmp_path / "train.h5")
    np.testing.assert_array_equal(
        [read_image(path) for path in read_crops(part)["path"]], _images(of_files.train)
    )


def _batches(crops, **choices):
    images, labels = zip(*to_dataset(crops, **choices).as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize(
    "choices", [{}, {"shuffle_seed": 3}, {"size": (5, 7)}, {"size": (20, 9), "shuffle_seed": 1}]
)
def test_batches_are_those_of_the_files_in_the_same_order(crops, tmp_path, choices, compression):
    packed = read_crops(pack(crops, tmp_path / "a.h5", compression=compression))
    half = pd.concat([packed.iloc[: N // 2], crops.iloc[N // 2 :]], ignore_index=True)
    expected = _batches(crops, batch_size=7, **choices)
    for other in (packed, half):
        for ours, theirs in zip(_batches(other, batch_size=7, **choices), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_other_sizes_are_refused_or_made_one(crops, tmp_path):
    cv2.imwrite(crops["path"][4], np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match=r"of one size.*10 x 14.*frame_00001\.png' is 4 x 4"):
        pack(crops, tmp_path / "a.h5")
    packed = read_crops(pack(crops, tmp_path / "a.h5", size=(6, 5)))
    expected = cv2.resize(_images(crops.head(1))[0], (5, 6), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(read_image(packed["path"][0]), expected)
    assert not list(tmp_path.glob(".a.h5*"))


# Many readers


def _digest(source, rows):
    return [int(image.astype(np.int64).sum()) for image in source.read(rows)]


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_threads_and_forks_read_one_source_at_once(crops, tmp_path, compression):
    packed = read_crops(pack(crops, tmp_path / "a.h5", compression=compression))
    source = ImageSource(packed["path"].tolist())
    expected = _images(crops).astype(np.int64).sum(axis=(1, 2, 3))
    orders = [np.random.default_rng(i).permutation(N) for i in range(40)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for order, sums in zip(orders, pool.map(lambda o: _digest(source, o), orders), strict=True):
            assert sums == expected[order].tolist()


_READER = """
import sys
import numpy as np
from deepfake_generalize.data import read_crops, read_image
crops = read_crops(sys.argv[1])
print(sum(int(read_image(path).astype(np.int64).sum()) for path in crops["path"]))
"""


def test_processes_read_one_pack_at_once_while_others_hold_it_open(crops, tmp_path):
    file = pack(crops, tmp_path / "ro" / "a.h5")
    file.chmod(0o444)
    file.parent.chmod(0o555)
    expected = str(int(_images(crops).astype(np.int64).sum()))
    try:
        # A reader that does lock, as plain h5py does.
        with h5py.File(file, "r"):
            readers = [
                subprocess.Popen(
                    [sys.executable, "-c", _READER, str(file)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for _ in range(3)
            ]
            for reader in readers:
                out, err = reader.communicate(timeout=120)
                assert (out.strip(), err) == (expected, "")
    finally:
        file.parent.chmod(0o755)


def test_a_dataset_is_read_by_a_forked_child_of_the_process_that_opened_it(crops, tmp_path):
    pack(crops, tmp_path / "a.h5")
    code = f"""
import os
import sys
import numpy as np
from deepfake_generalize.data import read_crops
from deepfake_generalize.data.image_source import ImageSource
source = ImageSource(read_crops({str(tmp_path / "a.h5")!r})["path"].tolist())
before = source.read(np.arange({N}))
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(source.read(np.arange({N})), before) else 1)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_memory_is_that_of_a_batch_and_not_of_the_pack(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / "crops" / f"{i}.png" for i in range(120)]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(cv2.imencode(".png", rng.integers(0, 256, (128, 128, 3), np.uint8))[1])
    packed = read_crops(pack(_manifest(paths), tmp_path / "a.h5"))
    source = ImageSource(packed["path"].tolist())
    batch = 8 * 128 * 128 * 3
    tracemalloc.start()
    for start in range(0, 120, 8):
        source.read(np.arange(start, start + 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch < peak < 2.5 * batch


# What is refused


def test_rows_that_cannot_be_packed_are_refused(crops, tmp_path):
    file = tmp_path / "a.h5"
    twice = pd.concat([crops, crops.iloc[[3]]])
    for rows, message in [
        (crops.head(0), "received no rows"),
        (crops.drop(columns="video"), "missing: video"),
        (crops.assign(label=2), r"expected the labels 0 .*received \['2'\]"),
        (twice, r"each crop once, .*v1/frame_00000\.png' is listed more than once"),
    ]:
        with pytest.raises(InputError, match=message):
            pack(rows, file)
    for name in ("a.png", "a"):
        with pytest.raises(InputError, match=r"to end in \.h5 or \.hdf5, received .*a"):
            pack(crops, tmp_path / name)
    with pytest.raises(InputError, match="compression to be None or 'gzip', received 'lzf'"):
        pack(crops, file, compression="lzf")
    with pytest.raises(InputError, match="expected size to be None or"):
        pack(crops, file, size=64)
    assert not file.exists()


@pytest.mark.parametrize("place", [40, -30])
def test_a_damaged_image_is_named_and_nothing_is_left(crops, tmp_path, place):
    file = pack(crops, tmp_path / "a.h5")
    before = file.read_bytes()
    damaged = Path(crops["path"][20])
    content = bytearray(damaged.read_bytes())
    content[place] ^= 255
    damaged.write_bytes(content)
    with pytest.raises(InputError, match=rf"{damaged}.*checksum"):
        pack(crops, file)
    damaged.unlink()
    with pytest.raises(InputError, match=rf"{damaged}'?: No such file"):
        pack(crops, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.h5"]


def test_what_a_killed_writer_left_is_cleared_and_a_living_writer_is_left_alone(crops, tmp_path):
    dead, alive = tmp_path / ".a.h5.dead.tmp", tmp_path / ".a.h5.alive.tmp"
    dead.write_bytes(b"x")
    with alive.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        pack(crops, tmp_path / "a.h5")
        assert (dead.exists(), alive.exists()) == (False, True)


def test_a_place_that_cannot_be_written_is_said(crops, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"expected to write the pack .*file/a\.h5"):
        pack(crops, tmp_path / "file" / "a.h5")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(InputError, match=r"expected to write the pack .*folder\.h5"):
        pack(crops, tmp_path / "folder.h5")


def _flip(file, place):
    with file.open("r+b") as content:
        content.seek(place)
        byte = content.read(1)
        content.seek(place)
        content.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_flipped_pixel_is_found_when_its_image_is_read(crops, tmp_path, compression):
    file = pack(crops, tmp_path / "a.h5", compression=compression)
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


def test_no_flipped_byte_goes_unnoticed_and_none_crashes(crops, tmp_path):
    file = pack(crops.head(3), tmp_path / "a.h5")
    original, good = file.read_bytes(), verify_pack(file)
    noticed = 0
    offsets = open_pack(file).layout.offsets
    start = int(offsets[0])
    end = int(offsets[-1]) + HEIGHT * WIDTH * 3
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
def test_a_truncated_pack_is_refused(crops, tmp_path, keep):
    file = pack(crops, tmp_path / "a.h5")
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
    content.create_dataset("crc32", (N,), "<u4", external=[("/etc/passwd", 0, N * 4)])


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
            lambda f: _resize_images(f, (N, 10**5, 10**5, 3), chunks=(1, 8, 8, 3)),
            "at most 100 megapixels",
        ),
        (lambda f: _resize_images(f, (N, 0, 8, 3)), "its images are 0 x 8"),
        (lambda f: _resize_images(f, (N, 8, 8, 3), chunks=(2, 8, 8, 3)), "not stored as data.pack"),
        (
            lambda f: _resize_images(f, (N, 8, 8, 3), chunks=(1, 8, 8, 3), shuffle=True),
            "not stored as data.pack",
        ),
        (lambda f: _claim(f, "crops.csv", (10**13,)), "or not stored whole"),
        (lambda f: f["crops.csv"].__setitem__(3, 65), "the checksum of its manifest is wrong"),
        (lambda f: f["crc32"].__setitem__(0, 1), "the checksum of its manifest is wrong"),
        (
            lambda f: (_resize_images(f, (N, HEIGHT, WIDTH, 3), chunks=(1, HEIGHT, WIDTH, 3)),),
            "not all of its images are stored in it",
        ),
    ],
)
def test_a_pack_that_is_not_as_it_was_written_is_refused(crops, tmp_path, change, message):
    file = pack(crops, tmp_path / "a.h5")
    _rewrite(file, change)
    for read in (read_crops, verify_pack):
        with pytest.raises(InputError, match=rf"expected a pack of crops at .*{message}"):
            read(file)


def test_files_that_are_no_packs_are_refused(tmp_path):
    for content in (b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)):
        (tmp_path / "a.h5").write_bytes(content)
        with pytest.raises(InputError, match="HDF5 cannot read it"):
            read_crops(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"a folder or a pack of crops, .* does not exist"):
        read_crops(tmp_path / "absent.h5")
    with pytest.raises(InputError, match=r"a pack of crops at .*absent\.h5': No such file"):
        verify_pack(tmp_path / "absent.h5")


def test_paths_into_a_pack_that_lead_nowhere_are_refused(crops, tmp_path):
    packed = read_crops(pack(crops, tmp_path / "a.h5"))
    other = packed.assign(path=packed["path"].str.replace("v0", "v99"))
    for read in (
        lambda: read_image(other["path"][0]),
        lambda: image_size(other["path"][0]),
        lambda: to_dataset(other),
    ):
        with pytest.raises(InputError, match=r"the image 'v99/frame_00000\.png' in the pack"):
            read()
    with pytest.raises(InputError, match="for folders without a manifest only"):
        read_crops(tmp_path / "a.h5", video_pattern="(a)")
    (tmp_path / "a.h5").unlink()
    with pytest.raises(InputError, match="expected an image file at"):
        read_image(packed["path"][0])


def test_a_pack_that_was_replaced_under_a_reader_is_noticed(crops, tmp_path):
    packed = read_crops(pack(crops, tmp_path / "a.h5"))
    source = ImageSource(packed["path"].tolist())
    pack(crops.iloc[::-1], tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"it was replaced or altered.*read_crops again"):
        source.read(np.arange(3))
    np.testing.assert_array_equal(read_image(packed["path"][0]), _images(crops)[0])


def test_names_that_leave_the_pack_are_refused(crops, tmp_path):
    file = pack(crops, tmp_path / "a.h5")
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


def test_a_folder_may_be_named_like_a_pack(crops, tmp_path):
    folder = tmp_path / "b.h5"
    (tmp_path / "crops").rename(folder)
    crops["path"] = crops["path"].str.replace(str(tmp_path / "crops"), str(folder))
    assert read_image(crops["path"][0]).shape == (HEIGHT, WIDTH, 3)


def test_a_pack_that_went_away_or_whose_written_hash_is_another_is_refused(crops, tmp_path):
    file = pack(crops, tmp_path / "a.h5")
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
