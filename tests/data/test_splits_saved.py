"""Saved splits: they come back as they were, are refused when altered, and say what is in them."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import Splits, balanced_splits, read_crops
from deepfake_generalize.data.manifests import rows_sha256
from deepfake_generalize.errors import DataMismatchError, InputError


def _assert_same(a, b):
    assert a.sha256 == b.sha256
    for name in ("train", "val", "test", "dropped"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name))


def test_splits_are_saved_and_loaded(tmp_path, crops_of_pairs):
    crops = crops_of_pairs(4)
    before = crops.copy(deep=True)
    splits = balanced_splits(crops, train=8, val=4, test=4)
    pd.testing.assert_frame_equal(crops, before)
    file = splits.save(tmp_path / "new" / "splits.csv")
    _assert_same(Splits.load(file), splits)
    with pytest.raises(InputError) as caught:
        read_crops(file)
    assert "data.Splits.load reads them" in caught.value.hint


def test_a_manifest_made_by_hand_comes_back_with_the_same_types(tmp_path, crops_of_pairs):
    crops = crops_of_pairs(4)
    by_hand = crops.astype(object).where(crops.notna(), None)
    by_hand["score"] = pd.Series([0.5, None] * 16, dtype=object)
    by_hand["split"] = np.nan
    splits = balanced_splits(by_hand, train=8, val=4, test=4)
    _assert_same(Splits.load(splits.save(tmp_path / "splits.csv")), splits)
    with pytest.raises(InputError, match="expected numbers in the columns frame"):
        balanced_splits(by_hand.assign(score="high"), train=8, val=4, test=4)


def test_a_place_that_cannot_be_written_is_named(tmp_path, crops_of_pairs):
    (tmp_path / "file").touch()
    splits = balanced_splits(crops_of_pairs(4), train=8, val=4, test=4)
    for place in (tmp_path / "file" / "splits.csv", tmp_path):
        with pytest.raises(InputError, match="expected a place where splits can") as caught:
            splits.save(place)
        assert repr(str(place)) in str(caught.value)
        assert ".tmp" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("change", [(",train,", ",test,"), (",val,", ",dropped,"), ("000", "007")])
def test_an_altered_file_is_refused(tmp_path, change, crops_of_pairs):
    file = balanced_splits(crops_of_pairs(4), train=8, val=4, test=4).save(tmp_path / "splits.csv")
    head, body = file.read_text().split("\n", 1)
    assert change[0] in body
    file.write_text(head + "\n" + body.replace(*change, 1))
    with pytest.raises(DataMismatchError, match="to have the hash"):
        Splits.load(file)


def test_files_that_are_no_splits_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("path,video\n")
    with pytest.raises(InputError, match="its first line holds no hash"):
        Splits.load(tmp_path / "a.csv")
    with pytest.raises(InputError, match="expected saved splits at"):
        Splits.load(tmp_path / "absent.csv")


def test_the_repr_says_what_is_in_it(crops_of_pairs):
    text = repr(balanced_splits(crops_of_pairs(4), train=8, val=4, test=4))
    assert "train: 8 images (4 real, 4 fake) of" in text
    assert "dropped: 16 images" in text
    assert "more real images than" in text
    assert "people unknown" not in text


def test_the_repr_says_whose_persons_are_unknown(crops_of_pairs):
    crops = crops_of_pairs(4)
    nameless = crops["video"].isin(crops["video"].unique()[:3])
    crops.loc[nameless, ["target_identity", "source_identity"]] = pd.NA
    text = repr(balanced_splits(crops, train=4, val=2, test=2))
    assert "people unknown for 3 of 16 videos: by='identity' counts each as a person" in text


@pytest.mark.parametrize("name", ["caf\udce9", "b\rc", "a\nb", "\x1b[31mx"])
def test_splits_of_names_of_any_kind_come_back(crops_of_pairs, tmp_path, name):
    crops = crops_of_pairs(4)
    crops["video"] = crops["video"].str.replace("/videos/", f"/{name}/")
    crops["method"] = crops["method"] + name
    splits = balanced_splits(crops, train=8, val=4, test=4)
    again = Splits.load(splits.save(tmp_path / "s.csv"))
    assert again.sha256 == splits.sha256
    assert again.train["video"].tolist() == splits.train["video"].tolist()
    assert rows_sha256(again.train) == rows_sha256(splits.train)


def test_images_that_are_named_like_frames_of_one_video_are_told_of():
    rows = [
        {"path": f"/c/{label}/{video:03d}_{frame:04d}.jpg", "label": label}
        for label in (0, 1)
        for video in range(2)
        for frame in range(4)
    ]
    crops = pd.DataFrame(rows)
    told = repr(balanced_splits(crops, train=8, val=4, test=4))
    assert "4 videos may be torn apart" in told
    assert "such as '/c/0/000'" in told
    crops["video"] = crops["path"].str.rpartition("_")[0]
    assert "torn" not in repr(balanced_splits(crops, train=8, val=0, test=8))
    crops = crops.drop(columns="video").assign(path=[f"/c/{row}.jpg" for row in range(16)])
    assert "torn" not in repr(balanced_splits(crops, train=8, val=4, test=4))
