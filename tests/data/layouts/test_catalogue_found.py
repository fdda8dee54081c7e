"""Which layout a root is in, and what is said where that cannot be told."""

import json

import pytest

from benchmarks.scale import lay_out
from deepfake_generalize.data import LayoutWarning, find_videos
from deepfake_generalize.errors import DataMismatchError, InputError


def test_an_unknown_root_is_answered_with_what_it_holds_and_where_to_look(tmp_path, touch):
    root = touch(tmp_path, [*(f"clip{i}.mp4" for i in range(6)), "real/x.mp4"])
    with pytest.raises(InputError) as caught:
        find_videos(root)
    text = str(caught.value)
    assert "data.layouts() lists them all" in text
    assert "clip0.mp4, clip1.mp4, clip2.mp4, clip3.mp4, clip4.mp4 and 2 more" in text
    assert "layout=" in caught.value.hint


UNLABELLED = ["clip.mp4", "trip/b.MOV", "trip/deep/c.webm", "notes.txt", "photo.jpg"]


def test_videos_that_nothing_labels_are_listed_and_told(tmp_path, touch):
    root = touch(tmp_path / "mine", UNLABELLED)
    with pytest.warns(LayoutWarning, match=r"3 videos are listed without a label.*'unlabelled'"):
        videos = find_videos(root)
    assert videos["path"].tolist() == [str(root / name) for name in UNLABELLED[:3]]
    assert videos["label"].dtype == "Int64"
    assert videos[["label", "method"]].isna().all(axis=None)
    assert set(videos["dataset"]) == {"mine"}
    assert find_videos(root, layout="unlabelled").equals(videos)
    with pytest.raises(InputError, match="known layout"):
        find_videos(root, strict=True)


@pytest.mark.parametrize("mark", ["real/a.mp4", "deep/er/Fake/a.mp4", "x/y/z/Celeb-real/a.mp4"])
def test_a_root_with_marks_is_not_taken_for_an_unlabelled_one(tmp_path, touch, mark):
    root = touch(tmp_path, [*UNLABELLED, mark])
    with pytest.raises(InputError, match="known layout") as caught:
        find_videos(root)
    assert len(caught.value.message) < 200 + 2 * len(str(root))  # Not all the marks that there are.
    assert "data.layouts() lists them" in caught.value.hint
    assert len(find_videos(root, layout="unlabelled")) == 4


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
        (".", "imagenet", "folders, csv, unlabelled, received 'imagenet'"),
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


SEVERAL = [
    "FF/original_sequences/youtube/c23/videos/004.mp4",
    "FF/manipulated_sequences/FaceShifter/c23/videos/004_982.mp4",
    "Celeb-DF-v1/Celeb-real/id0_0000.mp4",
    "Celeb-DF-v2/Celeb-synthesis/id0_id1_0000.mp4",
    "mine/real/a.mp4",
    "mine/fake/b.mp4",
]


def test_a_folder_of_several_data_sets_is_read_whole_and_each_is_named(tmp_path, touch):
    root = touch(tmp_path, SEVERAL)
    videos = find_videos(root, strict=True)
    assert videos["path"].tolist() == sorted(str(root / name) for name in SEVERAL)
    assert set(videos["dataset"]) == {"FF++", "Celeb-DF-v1", "Celeb-DF-v2", "mine"}
    assert videos.attrs["layout"] == "celebdf + faceforensics + folders"
    told = videos.attrs["recognised_by"]
    for name in ("Celeb-DF-v1 is celebdf: it holds Celeb-real", "FF is faceforensics: ", "mine is"):
        assert name in told


def test_one_data_set_in_a_folder_of_the_root_is_found(tmp_path, touch):
    videos = find_videos(touch(tmp_path / "data", SEVERAL[:2]), compression="c23")
    assert videos.attrs["layout"] == "faceforensics"
    assert videos.attrs["recognised_by"].startswith("FF is faceforensics: it holds original_seq")


def test_a_data_set_inside_another_ones_root_is_no_stray_of_it(tmp_path, touch):
    root = touch(tmp_path, [name.removeprefix("FF/") for name in SEVERAL])
    videos = find_videos(root, strict=True)
    assert len(videos) == len(SEVERAL)
    assert videos.attrs["layout"] == "faceforensics + celebdf + folders"


def test_parts_of_dfdc_beside_other_data_sets(tmp_path, touch):
    root = touch(tmp_path, [*SEVERAL[:2], "dfdc/dfdc_train_part_0/a.mp4"])
    (root / "dfdc/dfdc_train_part_0/metadata.json").write_text('{"a.mp4": {"label": "REAL"}}')
    videos = find_videos(root, strict=True)
    assert videos["dataset"].value_counts().to_dict() == {"FF++": 2, "DFDC": 1}


def test_what_lies_beside_several_data_sets_is_reported(tmp_path, touch):
    root = touch(tmp_path, [*SEVERAL, "loose.mp4", "unpacked/x.mp4"])
    with pytest.warns(LayoutWarning, match="2 unknown"):
        videos = find_videos(root)
    assert [p["path"] for p in videos.attrs["problems"]] == [
        str(root / "loose.mp4"),
        str(root / "unpacked/x.mp4"),
    ]
    assert "none of the data sets" in videos.attrs["problems"][0]["reason"]
    with pytest.raises(DataMismatchError, match=r"celebdf \+ .*2 unknown: .*loose\.mp4"):
        find_videos(root, strict=True)


def test_choices_need_the_folder_of_one_data_set(tmp_path, touch):
    root = touch(tmp_path, SEVERAL)
    with pytest.raises(InputError, match=r"several data sets .*FF \(faceforensics\).* methods"):
        find_videos(root, methods="FaceShifter")


def test_a_table_beside_data_sets_is_not_guessed_about(tmp_path, touch):
    root = touch(tmp_path, SEVERAL)
    (root / "mine.csv").write_text("path,label\nmine/real/a.mp4,0\n")
    with pytest.raises(InputError, match=r"those of several \(csv: "):
        find_videos(root)
    assert len(find_videos(root / "mine.csv")) == 1


def test_ten_thousand_files_of_every_data_set_are_found(tmp_path):
    root = lay_out(tmp_path, 10_000)
    pairs = [[f"{n:03}", f"{n + 1:03}"] for n in range(0, 1000, 2)]
    for split, part in (("train", pairs[:360]), ("val", pairs[360:430]), ("test", pairs[430:])):
        (root / f"FF/{split}.json").write_text(json.dumps(part))
    videos = find_videos(root)
    assert len(videos) == 10_000
    assert videos["split"].value_counts().to_dict() == {"train": 4320, "val": 840, "test": 840}
