"""Celeb-DF, both versions."""

import pytest

from deepfake_generalize.data import LayoutWarning, find_videos
from deepfake_generalize.errors import InputError

LIST = "List_of_testing_videos.txt"


@pytest.fixture
def make(tmp_path, touch):
    def build(name="Celeb-DF-v2", youtube="YouTube-real", level=""):
        names = ["Celeb-real/id0_0000", "Celeb-real/id16_0001", f"{youtube}/00170"]
        names += ["Celeb-synthesis/id0_id16_0000", "Celeb-synthesis/id16_id0_0001"]
        root = touch(
            tmp_path / name,
            [f"{folder}/{level}{stem}.mp4" for folder, stem in (n.split("/") for n in names)],
        )
        lines = ["1 Celeb-real/id0_0000.mp4", "1 YouTube-real/00170.mp4"]
        (root / LIST).write_text("\n".join([*lines, "0 Celeb-synthesis/id0_id16_0000.mp4"]))
        return root

    return build


@pytest.mark.parametrize("youtube", ["YouTube-real", "Youtube-real"])
@pytest.mark.parametrize("level", ["", "videos/"])
def test_the_variants_of_the_folders_read_alike(make, youtube, level):
    videos = find_videos(make(youtube=youtube, level=level))
    assert videos.attrs["layout"] == "celebdf"
    assert videos.attrs["problems"] == []
    assert videos["label"].tolist() == [0, 0, 1, 1, 0]
    assert videos["method"].tolist() == ["real", "real", *["Celeb-synthesis"] * 2, "real"]
    assert videos["target_identity"].fillna("?").tolist() == ["id0", "id16", "id0", "id16", "?"]
    assert videos["source_identity"].fillna("?").tolist() == ["?", "?", "id16", "id0", "?"]
    assert videos["split"].fillna("?").tolist() == ["test", "?", "test", "?", "test"]


@pytest.mark.parametrize(
    ("name", "choices", "version"),
    [
        ("Celeb-DF-v1", {}, "v1"),
        ("celebdf_v2", {}, "v2"),
        ("mine", {}, "v2"),
        ("Celeb-DF-v2", {"version": "v1"}, "v1"),
    ],
)
def test_the_version_comes_from_the_caller_or_the_root(make, name, choices, version):
    videos = find_videos(make(name=name), **choices)
    assert set(videos["dataset"]) == {f"Celeb-DF-{version}"}
    assert f"taken as {version}" in videos.attrs["recognised_by"]


def test_the_number_of_fakes_tells_the_version(tmp_path, touch):
    names = [f"Celeb-synthesis/id0_id1_{n:04}.mp4" for n in range(795)]
    videos = find_videos(touch(tmp_path / "celeb", names))
    assert set(videos["dataset"]) == {"Celeb-DF-v1"}


def test_what_the_list_and_the_disk_say_differently_is_reported(make):
    root = make()
    (root / "Celeb-real/id0_0000.mp4").unlink()
    (root / "YouTube-real/me.mp4").touch()
    text = (root / LIST).read_text().replace("0 Celeb-syn", "1 Celeb-syn")
    (root / LIST).write_text(text)
    with pytest.warns(LayoutWarning, match="1 mismatch, 1 missing, 1 unknown"):
        videos = find_videos(root)
    assert [(p["path"], p["status"]) for p in videos.attrs["problems"]] == [
        (str(root / "Celeb-real/id0_0000.mp4"), "missing"),
        (str(root / "Celeb-synthesis/id0_id16_0000.mp4"), "mismatch"),
        (str(root / "YouTube-real/me.mp4"), "unknown"),
    ]
    assert videos["label"].sum() == 2


def test_a_bad_list_or_version_is_named(make):
    root = make()
    with pytest.raises(InputError, match=r"one of v1, v2, \+\+, received 'v3'"):
        find_videos(root, version="v3")
    (root / LIST).write_text("1 Celeb-real/id0_0000.mp4\nreal Celeb-real/x.mp4")
    with pytest.raises(InputError, match=r"line 2 of .*received 'real Celeb-real/x.mp4'"):
        find_videos(root)
