"""Packs: read like the folder they were made of, by many at once, and refused when damaged."""

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
from deepfake_generalize.data.images import image_size
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
