"""Batches: the pixels and labels of the files, in an order that the seed decides alone."""

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import read_crops, read_image, to_dataset
from deepfake_generalize.errors import InputError


@pytest.fixture
def crops(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(10)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((6, 8, 3), (3 * i, 2 * i, i), np.uint8))
    return pd.DataFrame({"path": [str(path) for path in paths], "label": [0, 1] * 5})


def _order(dataset):
    """Name each image by its red value, which is its row."""
    return [
        int(image[0, 0, 0] * 255 + 0.5)
        for images, _ in dataset.as_numpy_iterator()
        for image in images
    ]


def test_batches_hold_the_files_and_their_labels_in_order(crops):
    batches = list(to_dataset(crops, batch_size=4).as_numpy_iterator())
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert [len(batch[0]) for batch in batches] == [4, 4, 2]
    assert (images.dtype, labels.dtype) == (np.float32, np.float32)
    assert labels.tolist() == crops["label"].tolist()
    files = np.stack([read_image(path) for path in crops["path"]])
    np.testing.assert_allclose(images, files / 255.0, atol=1e-6)


def test_a_batch_in_use_is_not_written_over(crops):
    expected = np.stack([read_image(path) for path in crops["path"]]).astype(np.float32) / 255
    dataset = to_dataset(crops, batch_size=3)
    for _ in range(3):
        kept = list(dataset)
        for _ in range(2):
            for images, _ in dataset:
                del images
        views = [images.numpy() for images, _ in dataset]
        for found in (np.concatenate([images for images, _ in kept]), np.concatenate(views)):
            np.testing.assert_array_equal(found, expected)


def test_the_dataset_tells_its_shape_and_length(crops):
    for seed in (None, 0):
        dataset = to_dataset(crops, batch_size=4, shuffle_seed=seed)
        assert len(dataset) == 3
        images, labels = dataset.element_spec
        assert images.shape.as_list() == [None, 6, 8, 3]
        assert labels.shape.as_list() == [None]


def test_the_seed_alone_decides_the_order(crops):
    import tensorflow as tf

    first = to_dataset(crops, shuffle_seed=5)
    epochs = [_order(first), _order(first)]
    assert epochs[0] != epochs[1]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    tf.random.set_seed(99)
    again = to_dataset(crops, shuffle_seed=5)
    assert [_order(again), _order(again)] == epochs
    assert _order(to_dataset(crops, shuffle_seed=6)) != epochs[0]


def test_the_global_seeds_are_left_alone(crops):
    import tensorflow as tf

    drawn = []
    for use in (False, True):
        tf.random.set_seed(1)
        np.random.seed(1)  # noqa: NPY002 - the legacy state is what must not be disturbed
        if use:
            _order(to_dataset(crops, shuffle_seed=3))
        drawn.append((float(tf.random.uniform(())), np.random.rand()))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_labels_follow_their_images_through_the_shuffle(crops):
    for images, labels in to_dataset(crops, batch_size=3, shuffle_seed=0).as_numpy_iterator():
        rows = np.rint(images[:, 0, 0, 0] * 255).astype(int)
        assert labels.tolist() == (rows % 2).tolist()


def test_real_crops_of_many_sizes_are_resized(shared_data):
    crops = read_crops(shared_data("dfdc_crops"))
    with pytest.raises(InputError, match=r"crops of one size.*Pass size=\(height, width\)"):
        to_dataset(crops)
    images, _ = next(to_dataset(crops, size=(64, 48), batch_size=22).as_numpy_iterator())
    assert images.shape == (22, 64, 48, 3)
    # 140 x 98 pixels shrink by more than two, 104 x 72 by less.
    for row, rule in ((0, cv2.INTER_AREA), (3, cv2.INTER_LINEAR)):
        oracle = cv2.resize(read_image(crops["path"][row]), (48, 64), interpolation=rule)
        np.testing.assert_allclose(images[row], oracle / 255.0, atol=1e-6)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("size", [None, (4, 4)])
def test_a_truncated_file_is_named_before_any_batch_is_read(tmp_path, suffix, size):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    paths = [str(tmp_path / f"{i}{suffix}") for i in range(2)]
    for path in paths:
        cv2.imwrite(path, noise)
    crops = pd.DataFrame({"path": paths, "label": [0, 1]})
    with open(paths[0], "ab") as file:  # noqa: PTH123
        file.write(bytes(10_000))
    assert len(to_dataset(crops, size=size)) == 1
    with open(paths[1], "r+b") as file:  # noqa: PTH123
        file.truncate(file.seek(0, 2) - 20)
    with pytest.raises(InputError, match=rf"a whole image at .*1\{suffix}.* is truncated"):
        to_dataset(crops, size=size)


def test_damage_behind_the_header_is_named_when_its_batch_is_read(crops):
    import tensorflow as tf

    with open(crops["path"][7], "r+b") as file:  # noqa: PTH123
        file.seek(45)
        file.write(b"\0\0\0")
    with pytest.raises(tf.errors.OpError, match=r"expected a whole image at .*7\.png.*checksum"):
        list(to_dataset(crops))


def test_what_cannot_be_read_is_refused_at_once(crops, tmp_path):
    with pytest.raises(InputError, match="received no rows"):
        to_dataset(crops.head(0))
    with pytest.raises(InputError, match="missing: label"):
        to_dataset(crops[["path"]])
    with pytest.raises(InputError, match="expected the labels 0"):
        to_dataset(crops.assign(label=5))
    for size in (None, (4, 4)):
        with pytest.raises(InputError, match="No such file"):
            to_dataset(crops.assign(path=str(tmp_path / "absent.png")), size=size)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"batch_size": 0}, "expected batch_size"),
        ({"batch_size": 2.0}, "expected batch_size"),
        ({"shuffle_seed": -1}, "expected shuffle_seed"),
        ({"size": 256}, "expected size to be None or"),
        ({"size": (0, 4)}, "expected size to be None or"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(crops, argument, message):
    with pytest.raises(InputError, match=message):
        to_dataset(crops, **argument)


@pytest.mark.parametrize("seed", [None, 3])
def test_nothing_waits_for_the_tuner_of_tf_data_at_the_end_of_an_epoch(crops, seed):
    # It sleeps for 10, 20, 40 ... ms, and an iterator ends only when it has woken.
    assert to_dataset(crops, shuffle_seed=seed).options().autotune.enabled is False
