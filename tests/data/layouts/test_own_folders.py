"""Folders real and fake."""

import os

import pytest

from deepfake_generalize.data import LayoutWarning, find_videos
from deepfake_generalize.errors import InputError

_TWO = ("fake", "real")


def test_methods_are_the_folders_in_fake(tmp_path, touch):
    root = touch(
        tmp_path / "mine",
        ["Real/ünï.MOV", "Real/deep/er/b.webm", "fake/c.mp4", "fake/Swap/d.mp4", "fake/notes.txt"],
    )
    videos = find_videos(root)
    assert videos.attrs["layout"] == "folders"
    assert dict(zip(videos["path"].str.rsplit("/", n=1).str[1], videos["method"], strict=True)) == {
        "ünï.MOV": "real",
        "b.webm": "real",
        "c.mp4": "fake",
        "d.mp4": "Swap",
    }
    assert set(videos["dataset"]) == {"mine"}
    assert videos.drop(columns=["path", "dataset", "method", "label"]).isna().all(axis=None)
    assert set(find_videos(root, methods="Swap")["method"]) == {"Swap", "real"}


def test_the_trees_of_studies_have_their_splits(tmp_path, touch):
    names = [f"{split}/{label}/{split}.mp4" for split in ("test", "train", "Val") for label in _TWO]
    root = touch(tmp_path / "CELEB", names)
    videos = find_videos(root, strict=True)
    assert videos.attrs["layout"] == "folders"
    assert videos["dataset"].tolist() == ["CELEB"] * 6
    assert videos["label"].tolist() == [1, 0] * 3
    assert videos["method"].tolist() == ["fake", "real"] * 3
    found = dict(zip(videos["path"].str.split("/").str[-3], videos["split"], strict=True))
    assert found == {"Val": "val", "test": "test", "train": "train"}
    assert set(find_videos(tmp_path)["dataset"]) == {"CELEB"}


def test_a_folder_of_crops_is_told_where_to_go(tmp_path, touch):
    root = touch(tmp_path, ["train/real/a.png", "train/fake/b.png"])
    with pytest.raises(InputError, match=r"2 unknown .*'b\.png'.*for read_crops"):
        find_videos(root)


def test_videos_beside_the_two_folders_are_reported(tmp_path, touch):
    root = touch(tmp_path, ["real/a.mp4", "fake/b.mp4", "c.mp4", "other/d.mp4"])
    with pytest.warns(LayoutWarning, match="2 unknown"):
        assert len(find_videos(root)) == 2


def test_one_of_the_two_needs_the_layout_said(tmp_path, touch):
    root = touch(tmp_path, ["fake/b.mp4"])
    assert find_videos(root, layout="folders")["label"].tolist() == [1]
    with pytest.raises(InputError, match="known layout"):
        find_videos(root)


def test_a_link_to_a_folder_above_is_walked_once(tmp_path, touch):
    root = touch(tmp_path / "root", ["real/a.mp4", "fake/b.mp4"])
    (root / "real" / "up").symlink_to(root, target_is_directory=True)
    assert len(find_videos(root)) == 2


def test_every_video_is_read_whatever_its_name_ends_in(tmp_path, touch):
    names = ["3gp", "MTS", "wmv", "flv", "ts", "m2ts", "ogv", "gif", "vob", "3g2", "y4m", "AVI"]
    root = touch(tmp_path, ["fake/a.mp4", *(f"real/{name}.{name}" for name in names)])
    (root / "real/none").write_bytes(b"\0\0\0\x18ftypisom")
    (root / "real/part.part").write_bytes(b"\x1a\x45\xdf\xa3")
    (root / "real/README").write_text("Videos.")
    (root / "real/list.txt").write_bytes(b"\0\0\0\x18ftypisom")
    assert len(find_videos(root, strict=True)) == len(names) + 3


def test_what_may_be_a_video_or_is_in_the_wrong_place_is_told(tmp_path, touch):
    names = ["real/a.mp4", "fake/b.mp4", "real/empty", "fake/real/c.mp4", "train/test/fake/d.mp4"]
    root = touch(tmp_path, [*names, "fake/x.png", "fake/y.heic"])
    os.mkfifo(root / "real/pipe.mp4")
    os.mkfifo(root / "real/pipe")
    with pytest.warns(LayoutWarning, match="2 mismatch, 4 unknown"):
        videos = find_videos(root)
    assert videos["path"].tolist() == [str(root / "fake/b.mp4"), str(root / "real/a.mp4")]
    told = {p["path"]: p["reason"] for p in videos.attrs["problems"]}
    assert "2 files such as 'x.png'" in told[str(root / "fake")]
    assert "real and in fake" in told[str(root / "fake/real/c.mp4")]


def test_links_are_followed_and_one_file_counts_once(tmp_path, touch):
    root = touch(tmp_path / "root", ["real/a.mp4", "fake/b.mp4"])
    store = touch(tmp_path / "store", ["x.mp4"])
    for name in ("fake/one", "fake/two"):
        (root / name).symlink_to(store, target_is_directory=True)
    with pytest.warns(LayoutWarning, match="1 mismatch"):
        videos = find_videos(root)
    assert videos["method"].tolist() == ["fake", "one", "real"]
    (root / "real/three").symlink_to(store, target_is_directory=True)
    with pytest.warns(LayoutWarning, match="3 mismatch"):
        videos = find_videos(root)
    assert videos["method"].tolist() == ["fake", "real"]
    assert "real and fake" in videos.attrs["problems"][0]["reason"]
