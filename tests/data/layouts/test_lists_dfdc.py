"""DFDC: parts with metadata.json."""

import json

import pytest

from deepfake_generalize.data import LayoutWarning, find_videos
from deepfake_generalize.errors import DataMismatchError, InputError

METADATA = {
    "b.mp4": {"label": "REAL", "split": "train", "original": None},
    "a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"},
}


@pytest.fixture
def part(tmp_path, touch):
    part = touch(tmp_path / "dfdc" / "dfdc_train_part_7", METADATA)
    (part / "metadata.json").write_text(json.dumps(METADATA))
    return part


@pytest.mark.parametrize("whole", [True, False])
def test_a_part_and_the_folder_around_parts_read_alike(part, whole):
    videos = find_videos(part.parent if whole else part)
    assert videos.attrs["layout"] == "dfdc"
    assert videos["path"].tolist() == [str(part / "a.mp4"), str(part / "b.mp4")]
    assert videos["label"].tolist() == [1, 0]
    assert videos["method"].tolist() == ["fake", "real"]
    assert videos["target_identity"].tolist() == ["b", "b"]
    assert videos["split"].tolist() == ["train", "train"]
    assert videos[["source_identity", "compression"]].isna().all(axis=None)


def test_a_part_unpacked_into_a_folder_of_its_own_is_found(part):
    part.parent.rename(part.parent.with_name("dfdc_train_part_07"))
    assert len(find_videos(part.parents[1])) == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", r"expected JSON in .*metadata\.json"),
        ('{"a.mp4": {"is_fake": 2}}', r"a\.mp4 in .* REAL or FAKE, received 2"),
        ('{"a.mp4": {"label": "MAYBE"}}', r"a\.mp4 in .* REAL or FAKE, received 'MAYBE'"),
    ],
)
def test_damaged_metadata_is_named(part, content, text):
    (part / "metadata.json").write_text(content)
    with pytest.raises(InputError, match=text):
        find_videos(part)
    (part / "metadata.json").write_text("[]")
    with pytest.raises(InputError, match="to map file names"):
        find_videos(part, layout="dfdc")


def test_metadata_whose_videos_are_all_missing_is_no_data_set(part):
    for name in METADATA:
        (part / name).unlink()
    with pytest.raises(InputError, match="none that could be placed, 2 missing"):
        find_videos(part)


PREVIEW = {
    "method_A/1/2/1_2_A_001.mp4": {
        "label": "fake",
        "set": "train",
        "target_id": "1",
        "swapped_id": 2,
    },
    "method_B/3/1/3_1_B_002.mp4": {"label": "fake", "set": "test", "augmentations": []},
    "original_videos/1/1_001.mp4": {"label": "real", "set": "train", "target_id": "1"},
}


@pytest.mark.parametrize("level", ["", "videos/"])
def test_the_preview_has_methods_actors_and_sets(tmp_path, touch, level):
    places = [f"{first}/{level}{rest}" for first, rest in (n.split("/", 1) for n in PREVIEW)]
    root = touch(tmp_path / "preview", [*places, "method_A/frames/1_2_A_001/0.mp4"])
    (root / "dataset.json").write_text(json.dumps(PREVIEW))
    videos = find_videos(root, strict=True)
    assert videos.attrs["layout"] == "dfdc"
    assert "dataset.json lies in 1 of its folders (itself)" in videos.attrs["recognised_by"]
    assert videos["path"].tolist() == [str(root / place) for place in places]
    assert videos["label"].tolist() == [1, 1, 0]
    assert videos["method"].tolist() == ["method_A", "method_B", "real"]
    assert videos["split"].tolist() == ["train", "test", "train"]
    assert videos["target_identity"].fillna("?").tolist() == ["1", "?", "1"]
    assert videos["source_identity"].fillna("?").tolist() == ["2", "?", "?"]


@pytest.mark.parametrize("level", ["", "videos/"])
def test_the_test_set_is_read_by_its_labels(tmp_path, touch, level):
    root = touch(tmp_path / "test", [f"{level}{name}.mp4" for name in "abc"])
    (root / "labels.csv").write_text("filename,label\na.mp4,1\nb.mp4,0\nd.mp4,1\n")
    with pytest.warns(LayoutWarning, match="1 missing, 1 unknown"):
        videos = find_videos(root)
    assert videos.attrs["layout"] == "dfdc"
    assert videos["path"].tolist() == [str(root / f"{level}{name}.mp4") for name in "ab"]
    assert videos["label"].tolist() == [1, 0]
    assert videos["split"].tolist() == ["test", "test"]
    assert videos["target_identity"].isna().all()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("filename,label\na.mp4,2\n", r"0 \(real\) or 1 \(fake\) on line 2 of .*'a.mp4' and '2'"),
        ("filename,label\n,1\n", "on line 2 of .*received ''"),
        ("name,label\na.mp4,1\n", "columns filename and label, received name, label"),
    ],
)
def test_damaged_labels_are_named(tmp_path, touch, content, text):
    root = touch(tmp_path, ["a.mp4"])
    (root / "labels.csv").write_text(content)
    with pytest.raises(InputError, match=text):
        find_videos(root, layout="dfdc")


def test_lists_that_contradict_each_other_are_reported(part):
    (part / "labels.csv").write_text("filename,label\na.mp4,0\nb.mp4,0\n")
    with pytest.warns(LayoutWarning, match="1 mismatch"):
        videos = find_videos(part)
    assert videos["label"].tolist() == [1, 0]
    assert videos.attrs["problems"][0]["reason"].startswith("labels.csv contradicts another list")


def test_the_real_tree_is_read_by_its_metadata(shared_data):
    root = shared_data("dfdc")
    with pytest.warns(LayoutWarning, match="4 missing, 1 unknown"):
        videos = find_videos(root)
    stems = ["abofeumbvv", "abqwwspghj", "yhffcuhhjy"]
    assert [path.rsplit("/", 1)[1] for path in videos["path"]] == [f"{stem}.mp4" for stem in stems]
    assert videos["label"].tolist() == [1, 1, 1]
    assert videos["target_identity"].tolist() == ["atvmxvwyns", "qzimuostzz", "wdpsifpppf"]
    problems = {p["path"].rsplit("/", 1)[1]: p["status"] for p in videos.attrs["problems"]}
    assert problems == {
        "aagfhgtpmv.mp4": "missing",
        "aapnvogymq.mp4": "missing",
        "abarnvbtwb.mp4": "missing",
        "widuwuoiur.mp4": "missing",
        "lynaeydofd_real.mp4": "unknown",
    }
    with pytest.raises(DataMismatchError, match=r"4 missing, 1 unknown: .*aagfhgtpmv\.mp4"):
        find_videos(root, strict=True)
