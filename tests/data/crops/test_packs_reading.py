"""Packs are read like the folder they were made of, by many at once, wherever they lie."""

import concurrent.futures
import subprocess
import sys
import tracemalloc

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import pack, read_crops, read_image, to_dataset
from deepfake_generalize.data.crops.packs import ImageSource
from deepfake_generalize.errors import InputError


def test_a_moved_pack_is_read_where_it_is(noise_crops, tmp_path, read_pixels):
    file = pack(noise_crops, tmp_path / "a.h5")
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / "b.hdf5")
    packed = read_crops(moved)
    assert packed["path"][0] == f"{moved}/v0/frame_00000.png"
    np.testing.assert_array_equal(read_image(packed["path"][0]), read_pixels(noise_crops)[0])


def test_a_folder_may_be_named_like_a_pack(noise_crops, tmp_path):
    folder = tmp_path / "b.h5"
    (tmp_path / "crops").rename(folder)
    noise_crops["path"] = noise_crops["path"].str.replace(str(tmp_path / "crops"), str(folder))
    assert read_image(noise_crops["path"][0]).shape == (10, 14, 3)


def _batches(crops, **choices):
    images, labels = zip(*to_dataset(crops, **choices).as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize(
    "choices",
    [
        *({}, {"size": (20, 9), "shuffle_seed": 1}),
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in ({"shuffle_seed": 3}, {"size": (5, 7)})
        ),
    ],
)
def test_batches_are_those_of_the_files_in_the_same_order(noise_crops, tmp_path, choices):
    packed = read_crops(pack(noise_crops, tmp_path / "a.h5"))
    half = pd.concat([packed.iloc[:12], noise_crops.iloc[12:]], ignore_index=True)
    expected = _batches(noise_crops, batch_size=7, **choices)
    for other in (packed, half):
        for ours, theirs in zip(_batches(other, batch_size=7, **choices), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


# Many readers


def _digest(source, rows):
    return [int(image.astype(np.int64).sum()) for image in source.read(rows)]


def test_threads_and_forks_read_one_source_at_once(noise_crops, tmp_path, read_pixels):
    packed = read_crops(pack(noise_crops, tmp_path / "a.h5"))
    source = ImageSource(packed["path"].tolist())
    expected = read_pixels(noise_crops).astype(np.int64).sum(axis=(1, 2, 3))
    orders = [np.random.default_rng(i).permutation(len(noise_crops)) for i in range(40)]
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


@pytest.mark.slow
def test_processes_read_one_pack_at_once_while_others_hold_it_open(
    noise_crops, tmp_path, read_pixels
):
    file = pack(noise_crops, tmp_path / "ro" / "a.h5")
    file.chmod(0o444)
    file.parent.chmod(0o555)
    expected = str(int(read_pixels(noise_crops).astype(np.int64).sum()))
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


def test_a_dataset_is_read_by_a_forked_child_of_the_process_that_opened_it(noise_crops, tmp_path):
    pack(noise_crops, tmp_path / "a.h5")
    code = f"""
import os
import sys
import numpy as np
from deepfake_generalize.data import read_crops
from deepfake_generalize.data.crops.batches import ImageSource
source = ImageSource(read_crops({str(tmp_path / "a.h5")!r})["path"].tolist())
before = source.read(np.arange({len(noise_crops)}))
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(source.read(np.arange({len(noise_crops)})), before) else 1)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_memory_is_that_of_a_batch_and_not_of_the_pack(tmp_path, crop_manifest):
    rng = np.random.default_rng(0)
    paths = [tmp_path / "crops" / f"{i}.png" for i in range(120)]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(cv2.imencode(".png", rng.integers(0, 256, (128, 128, 3), np.uint8))[1])
    packed = read_crops(pack(crop_manifest(paths), tmp_path / "a.h5"))
    source = ImageSource(packed["path"].tolist())
    batch = 8 * 128 * 128 * 3
    tracemalloc.start()
    for start in range(0, 120, 8):
        source.read(np.arange(start, start + 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch < peak < 2.5 * batch


# What is refused


def test_paths_into_a_pack_that_lead_nowhere_are_refused(noise_crops, tmp_path):
    packed = read_crops(pack(noise_crops, tmp_path / "a.h5"))
    other = packed.assign(path=packed["path"].str.replace("v0", "v99"))
    for read in (
        lambda: read_image(other["path"][0]),
        lambda: to_dataset(other),
    ):
        with pytest.raises(InputError, match=r"the image 'v99/frame_00000\.png' in the pack"):
            read()
    with pytest.raises(InputError, match="for folders without a manifest only"):
        read_crops(tmp_path / "a.h5", video_pattern="(a)")
    (tmp_path / "a.h5").unlink()
    with pytest.raises(InputError, match="expected an image file at"):
        read_image(packed["path"][0])


def test_a_pack_that_was_replaced_under_a_reader_is_noticed(noise_crops, tmp_path, read_pixels):
    packed = read_crops(pack(noise_crops, tmp_path / "a.h5"))
    source = ImageSource(packed["path"].tolist())
    pack(noise_crops.iloc[::-1], tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"it was replaced or altered.*read_crops again"):
        source.read(np.arange(3))
    np.testing.assert_array_equal(read_image(packed["path"][0]), read_pixels(noise_crops)[0])
