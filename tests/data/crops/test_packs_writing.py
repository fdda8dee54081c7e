"""Packing: the same crops give the same bytes, all comes back, and nothing doubtful goes in."""

import fcntl
import time
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepfake_generalize.data import (
    Splits,
    balanced_splits,
    pack,
    read_crops,
    read_image,
)
from deepfake_generalize.data.crops.packs import open_pack
from deepfake_generalize.errors import InputError


def test_h5py_and_opencv_see_the_same_pixels(noise_crops, tmp_path, read_pixels):
    file = pack(noise_crops, tmp_path / "out" / "a.h5")
    expected = read_pixels(noise_crops)
    with h5py.File(file) as content:
        np.testing.assert_array_equal(content["images"][:], expected)
        assert content["images"].chunks is None
    packed = read_crops(file)
    np.testing.assert_array_equal([read_image(path) for path in packed["path"]], expected)
    order = np.random.default_rng(1).integers(0, len(noise_crops), 50)
    read = [image.copy() for image in open_pack(file).images(order)]
    np.testing.assert_array_equal(read, expected[order])


def test_the_manifest_comes_back_with_the_names_the_files_had(noise_crops, tmp_path):
    before = noise_crops.copy(deep=True)
    file = pack(noise_crops, tmp_path / "a.h5")
    packed = read_crops(str(file))
    pd.testing.assert_frame_equal(packed.drop(columns="path"), before.drop(columns="path"))
    folder = str(tmp_path / "crops")
    assert packed["path"].tolist() == [
        path.replace(folder, str(file)) for path in noise_crops["path"].tolist()
    ]
    pd.testing.assert_frame_equal(noise_crops, before)


TEXT = st.none() | st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(TEXT, TEXT, st.none() | st.integers(0, 10**9)), min_size=1, max_size=6))
def test_any_text_and_na_come_back(tmp_path_factory, crop_manifest, rows):
    folder = tmp_path_factory.mktemp("any")
    paths = [folder / f'{i} ü\n,".png' for i in range(len(rows))]
    for path in paths:
        path.write_bytes(cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes())
    crops = crop_manifest(paths)
    for name, values in zip(("flag", "method", "frame"), zip(*rows, strict=True), strict=True):
        crops[name] = pd.Series(list(values), dtype=crops[name].dtype)
    # Like the CSV manifest, a pack does not tell an empty text from NA.
    crops[["flag", "method"]] = crops[["flag", "method"]].replace("", pd.NA)
    packed = read_crops(pack(crops, folder / "a.h5"))
    pd.testing.assert_frame_equal(packed.drop(columns="path"), crops.drop(columns="path"))
    assert [Path(path).name for path in packed["path"]] == [path.name for path in paths]


def test_the_same_crops_give_the_same_bytes_and_a_pack_of_a_pack_the_same_pack(
    noise_crops, tmp_path
):
    file = pack(noise_crops, tmp_path / "a.h5")
    content = file.read_bytes()
    time.sleep(1.1)  # HDF5 would keep the second of the making.
    assert pack(noise_crops, tmp_path / "a.h5").read_bytes() == content
    again = pack(read_crops(file), tmp_path / "b.h5")
    assert again.read_bytes() == content
    assert pack(read_crops(file), file).read_bytes() == content
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == ["a.h5", "b.h5"]


def test_splits_of_a_pack_are_those_of_its_files(noise_crops, tmp_path, read_pixels):
    sizes = {"train": 12, "val": 4, "test": 4}
    of_files = balanced_splits(noise_crops, **sizes, by="video")
    of_pack = balanced_splits(read_crops(pack(noise_crops, tmp_path / "a.h5")), **sizes, by="video")
    assert of_pack.sha256 == of_files.sha256
    loaded = Splits.load(of_pack.save(tmp_path / "splits" / "s.csv"))
    assert loaded.sha256 == of_files.sha256
    np.testing.assert_array_equal(read_image(loaded.test["path"][0]), read_pixels(of_files.test)[0])
    part = pack(loaded.train, tmp_path / "train.h5")
    np.testing.assert_array_equal(
        [read_image(path) for path in read_crops(part)["path"]], read_pixels(of_files.train)
    )


def test_other_sizes_are_refused_or_made_one(noise_crops, tmp_path, read_pixels):
    cv2.imwrite(noise_crops["path"][4], np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match=r"of one size.*10 x 14.*frame_00001\.png' is 4 x 4"):
        pack(noise_crops, tmp_path / "a.h5")
    packed = read_crops(pack(noise_crops, tmp_path / "a.h5", size=(6, 5)))
    expected = cv2.resize(read_pixels(noise_crops.head(1))[0], (5, 6), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(read_image(packed["path"][0]), expected)
    assert not list(tmp_path.glob(".a.h5*"))


# What is refused


def test_rows_that_cannot_be_packed_are_refused(noise_crops, tmp_path):
    file = tmp_path / "a.h5"
    twice = pd.concat([noise_crops, noise_crops.iloc[[3]]])
    for rows, message in [
        (noise_crops.head(0), "received no rows"),
        (noise_crops.drop(columns="label"), "missing: label"),
        (noise_crops.assign(label=2), r"expected the labels 0 .*received \['2'\]"),
        (twice, r"each path once in crops, .*v1/frame_00000\.png' is listed more than once"),
    ]:
        with pytest.raises(InputError, match=message):
            pack(rows, file)
    for name in ("a.png", "a"):
        with pytest.raises(InputError, match=r"to end in \.h5 or \.hdf5, received .*a"):
            pack(noise_crops, tmp_path / name)
    with pytest.raises(InputError, match="expected size to be None or"):
        pack(noise_crops, file, size=64)
    assert not file.exists()


@pytest.mark.parametrize("place", [40, -30])
def test_a_damaged_image_is_named_and_nothing_is_left(noise_crops, tmp_path, place):
    file = pack(noise_crops, tmp_path / "a.h5")
    before = file.read_bytes()
    damaged = Path(noise_crops["path"][20])
    content = bytearray(damaged.read_bytes())
    content[place] ^= 255
    damaged.write_bytes(content)
    with pytest.raises(InputError, match=rf"{damaged}.*the PNG is truncated or damaged"):
        pack(noise_crops, file)
    damaged.unlink()
    with pytest.raises(InputError, match=rf"{damaged}'?: No such file"):
        pack(noise_crops, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.h5"]


def test_what_a_killed_writer_left_is_cleared_and_a_living_writer_is_left_alone(
    noise_crops, tmp_path
):
    dead, alive = tmp_path / ".a.h5.dead.tmp", tmp_path / ".a.h5.alive.tmp"
    dead.write_bytes(b"x")
    with alive.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        pack(noise_crops, tmp_path / "a.h5")
        assert (dead.exists(), alive.exists()) == (False, True)


def test_a_place_that_cannot_be_written_is_said(noise_crops, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"expected to write the pack .*file/a\.h5"):
        pack(noise_crops, tmp_path / "file" / "a.h5")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(InputError, match=r"expected to write the pack .*folder\.h5"):
        pack(noise_crops, tmp_path / "folder.h5")


def test_paths_and_labels_are_enough_for_a_pack(noise_crops, tmp_path):
    crops = noise_crops[["path", "label"]].assign(age=range(len(noise_crops)))
    packed = read_crops(pack(crops, tmp_path / "a.h5"))
    assert packed["label"].tolist() == crops["label"].tolist()
    assert packed["age"].tolist() == crops["age"].astype(str).tolist()
    assert packed["video"].tolist() == crops["path"].tolist()
