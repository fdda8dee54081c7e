"""Points of faces beside their crops: they come back by path, and what has none is told."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import read_landmarks
from deepfake_generalize.data.crops import write_landmarks
from deepfake_generalize.errors import InputError

POINTS = np.random.default_rng(0).uniform(0, 72, (3, 68, 2)).astype(np.float32)


def test_points_come_back_by_path_from_the_nearest_folder(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    write_landmarks(tmp_path, {"a/0.png": POINTS[0], "a/b/1.png": POINTS[0]})
    write_landmarks(tmp_path / "a/b", {"1.png": POINTS[1]})
    np.save(tmp_path / "2.npy", POINTS[2])
    paths = [str(tmp_path / name) for name in ("a/b/1.png", "2.png", "a/0.png", "a/b/none.png")]
    crops = pd.DataFrame({"path": paths, "landmarks": [None, str(tmp_path / "2.npy"), None, None]})
    read = read_landmarks(crops)
    np.testing.assert_array_equal(read[:3], POINTS[[1, 2, 0]])
    assert read.dtype == np.float32
    assert np.isnan(read[3]).all()


@pytest.mark.parametrize("points", [{}, {"a": POINTS[0], "b": POINTS[0, :5]}, {"a": POINTS}])
def test_points_of_other_shapes_are_refused(tmp_path, points):
    with pytest.raises(InputError, match="one shape"):
        write_landmarks(tmp_path, points)


def test_crops_without_points_and_damaged_files_are_told(tmp_path):
    crops = pd.DataFrame({"path": [str(tmp_path / "a.png")]})
    with pytest.raises(InputError, match=r"beside the crops, found \[\]"):
        read_landmarks(crops)
    (tmp_path / "landmarks.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"landmarks\.npz"):
        read_landmarks(crops)
