"""Synthetic faces are known as such from the folder, from the manifest, from the videos' folder."""

import pandas as pd
import pytest

from deepfake_generalize.data import read_crops
from deepfake_generalize.data.synthetic import is_synthetic
from deepfake_generalize.errors import InputError


def test_crops_and_folders_are_known(sets, root) -> None:
    assert is_synthetic(root)
    assert is_synthetic(root / "CELEB")
    assert is_synthetic(str(root / "CELEB" / "crops.csv"))
    assert is_synthetic(sets["FS"].test)
    assert is_synthetic(read_crops(root / "FS"))


def test_crops_are_known_without_the_column(sets) -> None:
    assert is_synthetic(sets["FS"].test.drop(columns="synthetic"))


def test_one_drawn_row_is_enough(sets, tmp_path) -> None:
    own = pd.DataFrame({"path": [str(tmp_path / "a.png")], "video": [str(tmp_path / "a.mp4")]})
    assert not is_synthetic(own)
    assert is_synthetic(pd.concat([own, sets["FS"].test]))


def test_saved_splits_keep_the_mark(sets, tmp_path) -> None:
    sets["FS"].save(tmp_path / "fs.csv")
    again = type(sets["FS"]).load(tmp_path / "fs.csv")
    assert again.sha256 == sets["FS"].sha256
    assert set(again.test["synthetic"]) == {"true"}


def test_other_data_is_not(tmp_path) -> None:
    assert not is_synthetic(tmp_path)
    assert not is_synthetic(pd.DataFrame({"path": ["/nowhere/a.png"], "synthetic": [None]}))


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(InputError, match="expected a folder or a manifest, received int"):
        is_synthetic(3)
