"""FaceForensics++ and DFD in one root."""

import json
from pathlib import Path

import pytest

from deepfake_generalize.data import LayoutWarning, find_videos
from deepfake_generalize.errors import DataMismatchError, InputError


@pytest.fixture
def root(tmp_path, touch, ff_names, write_splits):
    write_splits(tmp_path / "ff" / "splits")
    return touch(tmp_path / "ff", ff_names)


def test_every_video_is_read_with_what_its_place_and_name_say(root):
    videos = find_videos(root)
    assert videos.attrs["layout"] == "faceforensics"
    assert videos.attrs["problems"] == []
    counts = videos.groupby(["dataset", "method"]).size().to_dict()
    assert counts == {
        ("DFD", "DeepFakeDetection"): 1,
        ("DFD", "real"): 2,
        ("FF++", "Deepfakes"): 12,
        ("FF++", "FaceSwap"): 12,
        ("FF++", "real"): 12,
    }
    fake = videos.query("method == 'FaceSwap' and compression == 'c23'").set_index(
        "target_identity"
    )
    assert fake.loc["953", ["label", "source_identity", "split"]].tolist() == [1, "974", "val"]
    assert fake.loc["974", ["label", "source_identity", "split"]].tolist() == [1, "953", "val"]
    real = videos.query("method == 'real' and dataset == 'FF++' and compression == 'raw'")
    assert dict(zip(real["target_identity"], real["split"], strict=True)) == {
        "000": "train",
        "003": "train",
        "953": "val",
        "974": "val",
        "033": "test",
        "097": "test",
    }
    assert real["source_identity"].isna().all()


def test_dfd_names_hold_actors_and_scenes_with_underscores(root):
    videos = find_videos(root, methods="DeepFakeDetection").set_index("label")
    assert videos.loc[1, "target_identity"] == "24"
    assert videos.loc[1, "source_identity"] == "23"
    assert sorted(videos.loc[0, "target_identity"]) == ["23", "24"]
    assert videos["split"].isna().all()


@pytest.mark.parametrize("place", [".", "splits", "dataset/splits"])
def test_split_files_are_found_where_people_put_them(
    tmp_path, touch, ff_names, write_splits, place
):
    root = touch(tmp_path, ff_names)
    assert find_videos(root)["split"].isna().all()
    write_splits(root / place)
    assert set(find_videos(root).query("dataset == 'FF++'")["split"]) == {"train", "val", "test"}


def test_older_roots_lack_the_youtube_level_and_call_raw_c0(tmp_path, touch):
    root = touch(
        tmp_path,
        ["original_sequences/c0/videos/004.mp4", "manipulated_sequences/F/c0/videos/004_982.avi"],
    )
    videos = find_videos(root, compression="c0")
    assert videos["compression"].tolist() == ["raw", "raw"]
    assert videos["target_identity"].tolist() == ["004", "004"]
    assert videos["path"].tolist()[1] == str(root / "original_sequences/c0/videos/004.mp4")


def test_every_method_and_level_is_read_and_nothing_beside_the_videos(tmp_path, touch):
    methods = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
    names = [
        f"manipulated_sequences/{method}/{level}/videos/004_982.mp4"
        for method in methods
        for level in ("raw", "c23", "c40")
    ]
    beside = [
        f"manipulated_sequences/{m}/c23/{b}/004_982/0.mp4"
        for m, b in zip(methods, ("frames", "images", "landmarks", "faces", "frames"), strict=True)
    ]
    masks = [f"manipulated_sequences/{method}/masks/videos/004_982.mp4" for method in methods]
    root = touch(tmp_path, [*names, *beside, *masks, "manipulated_sequences/F/c23/masks/1.mp4"])
    videos = find_videos(root, strict=True)
    assert videos["path"].tolist() == sorted(str(root / name) for name in names)
    levels = videos.groupby("method")["compression"].agg(set).to_dict()
    assert levels == {method: {"raw", "c23", "c40"} for method in methods}


def test_methods_keep_the_originals_of_their_own_data_set(root):
    videos = find_videos(root, methods=["FaceSwap"], compression=["c23"])
    assert videos.groupby("method").size().to_dict() == {"FaceSwap": 6, "real": 6}
    assert set(videos["dataset"]) == {"FF++"}
    assert set(videos["compression"]) == {"c23"}
    assert set(find_videos(root, methods="real")["label"]) == {0}


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"methods": "Faceswap"}, "DeepFakeDetection, Deepfakes, FaceSwap, real.*Faceswap"),
        ({"compression": "c40"}, "c23, raw.*received c40"),
        ({"methods": []}, "a list of names"),
        ({"version": "v1"}, "methods, compression.*received version"),
    ],
)
def test_choices_that_are_not_there_are_refused_with_those_that_are(root, choices, text):
    with pytest.raises(InputError, match=text):
        find_videos(root, **choices)


def test_what_the_split_names_and_the_disk_lacks_is_missing_and_strays_are_unknown(root):
    gone = root / "manipulated_sequences/Deepfakes/raw/videos/974_953.mp4"
    gone.unlink()
    stray = root / "manipulated_sequences/Deepfakes/raw/videos/holiday.mp4"
    stray.touch()
    with pytest.warns(LayoutWarning, match=r"1 missing, 1 unknown.*attrs\['problems'\]") as caught:
        videos = find_videos(root)
    assert len(caught) == 1
    assert [(p["path"], p["status"]) for p in videos.attrs["problems"]] == [
        (str(gone), "missing"),
        (str(stray), "unknown"),
    ]
    assert "val.json" in videos.attrs["problems"][0]["reason"]
    assert not videos["path"].isin([str(gone), str(stray)]).any()


def test_split_files_that_are_wrong_are_named(root):
    (root / "splits/test.json").write_text(json.dumps([["000", "001"]]))
    with pytest.raises(DataMismatchError, match=r"000 in both train\.json and test\.json"):
        find_videos(root)
    (root / "splits/test.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"test\.json to be a list of pairs"):
        find_videos(root)
    (root / "splits/test.json").write_text("[[")
    with pytest.raises(InputError, match=r"expected JSON in .*test\.json"):
        find_videos(Path(root))


@pytest.mark.parametrize("place", [".", "splits", "dataset"])
def test_clips_of_one_source_video_are_one_person_where_the_list_is_there(root, place):
    sources = {"000": "a-_b 0", "003": "other 0", "953": "a-_b 1", "974": "c 0", "033": "C 0"}
    (root / place).mkdir(exist_ok=True)
    (root / place / "conversion_dict.json").write_text(json.dumps(sources))
    videos = find_videos(root)
    names = videos["path"].str.extract(r"([^/]+)\.mp4$")[0]
    assert set(videos.loc[names == "953", "target_identity"]) == {"000"}
    fakes = videos[names == "974_953"]
    assert set(fakes["source_identity"]) == {"000"}
    assert set(fakes["target_identity"]) == {"974"}
    assert set(videos.loc[names == "033", "target_identity"]) == {"033"}
    assert set(videos.loc[videos["dataset"] == "DFD", "target_identity"]) == {"23", "24"}
    assert set(videos.loc[names == "953", "split"]) == {"val"}
    (root / place / "conversion_dict.json").write_text("[]")
    with pytest.raises(InputError, match="map clips to source videos"):
        find_videos(root)
