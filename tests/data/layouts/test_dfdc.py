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
