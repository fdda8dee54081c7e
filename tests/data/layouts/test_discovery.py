"""Which layout a root is in, and what is said where that cannot be told."""

import time

import pytest

from deepfake_generalize.data import find_videos
from deepfake_generalize.errors import InputError


def test_an_unknown_root_is_answered_with_what_was_looked_for_and_found(tmp_path, touch):
    root = touch(tmp_path, [*(f"clip{i}.mp4" for i in range(6)), "sub/x.txt"])
    with pytest.raises(InputError) as caught:
        find_videos(root)
    text = str(caught.value)
    for name in ("faceforensics", "celebdf", "dfdc", "folders", "csv", "original_sequences"):
        assert name in text
    assert "clip0.mp4, clip1.mp4, clip2.mp4, clip3.mp4, clip4.mp4 and 2 more" in text
    assert "layout=" in caught.value.hint


def test_a_root_of_two_layouts_is_answered_with_both(tmp_path, touch):
    root = touch(tmp_path, ["real/a.mp4", "fake/b.mp4", "Celeb-real/id0_0000.mp4"])
    with pytest.raises(InputError, match=r"several .*celebdf: .*folders: ") as caught:
        find_videos(root)
    assert "layout='celebdf'" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "layout", "text"),
    [
        ("nowhere", "auto", "nowhere, which does not exist"),
        ("file.mp4", "auto", "received the file"),
        ("file.mp4", "folders", "received the file"),
        (".", "imagenet", "auto, faceforensics, celebdf, dfdc, folders, csv, received 'imagenet'"),
    ],
)
def test_what_is_no_root_is_refused(tmp_path, touch, name, layout, text):
    touch(tmp_path, ["file.mp4"])
    with pytest.raises(InputError, match=text):
        find_videos(tmp_path / name, layout=layout)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, touch, monkeypatch):
    root = touch(tmp_path, ["real/a.mp4", "fake/b.mp4"])

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(InputError, match=r"expected to read .*Permission denied"):
        find_videos(root)


def test_a_root_that_is_no_path_is_refused():
    with pytest.raises(InputError, match=r"expected the folder of a data set, received NoneType"):
        find_videos(None)


def test_a_relative_root_gives_absolute_paths(tmp_path, touch, monkeypatch):
    touch(tmp_path / "set", ["real/a.mp4", "fake/b.mp4"])
    monkeypatch.chdir(tmp_path)
    videos = find_videos("set/../set")
    assert videos["path"].tolist() == [
        str(tmp_path / "set" / n) for n in ("fake/b.mp4", "real/a.mp4")
    ]


def test_ten_thousand_files_take_seconds(tmp_path, touch):
    root = touch(tmp_path, (f"{k}/{i:05}.mp4" for k in ("real", "fake") for i in range(5000)))
    start = time.process_time()
    assert len(find_videos(root)) == 10_000
    assert time.process_time() - start < 5
