"""Crops on disk: manifests that come back as they were, loose trees, images or reasons why not."""

import ntpath
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import LayoutWarning, read_crops, read_failures, read_image
from deepfake_generalize.data.crops.images import image_size
from deepfake_generalize.data.crops.manifest import videos_of, write_crops, write_failures
from deepfake_generalize.data.layouts.contract import told_by_folder
from deepfake_generalize.data.manifests import CROP_COLUMNS, FAILURE_COLUMNS, read_manifest
from deepfake_generalize.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)


@pytest.fixture
def crops(tmp_path):
    frame = pd.DataFrame(
        {
            "path": [str(tmp_path / "out" / "004" / "0.png"), str(tmp_path / "out" / "b.png")],
            "video": [str(tmp_path / "in, put" / "004.mp4"), "/elsewhere/NA.mp4"],
            "frame": [0, 17],
            "dataset": "FF++",
            "method": ["real", "Deepfakes"],
            "label": [0, 1],
            "target_identity": ["004", "NA"],
            "source_identity": [None, "000"],
            "compression": "c23",
            "split": ["train", None],
            "box": ["1.00,2.50,30.00,40.25", None],
            "score": [0.912345678901, 0.5],
            "aligner": "landmarks",
            "flag": [None, "low_score"],
        }
    )
    text = set(frame) - {"frame", "label", "score"}
    return frame.astype({"frame": "Int64", **dict.fromkeys(text, "string")})[list(CROP_COLUMNS)]


def test_crops_come_back_as_they_were(crops, tmp_path):
    before = crops.copy(deep=True)
    file = write_crops(crops, tmp_path / "out")
    pd.testing.assert_frame_equal(read_crops(tmp_path / "out"), before)
    pd.testing.assert_frame_equal(read_crops(file), before)
    pd.testing.assert_frame_equal(crops, before)
    assert read_crops(file)["target_identity"].tolist() == ["004", "NA"]


def test_a_moved_folder_still_finds_its_crops(crops, tmp_path):
    write_crops(crops, tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "crops.csv").read_text()
    (tmp_path / "out").rename(tmp_path / "moved")
    assert read_crops(tmp_path / "moved")["path"][0] == str(tmp_path / "moved" / "004" / "0.png")


def test_a_failed_write_leaves_the_old_manifest(crops, tmp_path, monkeypatch):
    write_crops(crops, tmp_path)
    before = (tmp_path / "crops.csv").read_bytes()

    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(InputError, match="system refused: disk full"):
        write_crops(crops.head(1), tmp_path)
    assert (tmp_path / "crops.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crops.csv"]


def test_failures_come_back_with_frames_or_without(tmp_path):
    failures = pd.DataFrame(
        {
            "path": pd.Series([str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")], dtype="string"),
            "frame": pd.Series([pd.NA, 12], dtype="Int64"),
            "status": pd.Series(["missing", "no_face"], dtype="string"),
            "reason": pd.Series(['no such file, "sorry"', "no face found"], dtype="string"),
        }
    )[list(FAILURE_COLUMNS)]
    write_failures(failures, tmp_path)
    pd.testing.assert_frame_equal(read_failures(tmp_path), failures)


def test_an_empty_manifest_comes_back_empty(crops, tmp_path):
    write_crops(crops.head(0), tmp_path)
    assert read_crops(tmp_path).dtypes.equals(crops.dtypes)


def test_a_manifest_cut_within_a_row_is_noticed_and_one_that_was_edited_is_read(crops, tmp_path):
    file = write_crops(crops, tmp_path)
    whole = file.read_bytes()
    # The file stays one that any CSV reader takes.
    assert len(pd.read_csv(file)) == len(read_crops(tmp_path)) == 2
    *_, last = whole.splitlines(keepends=True)
    label = last.index(b",FF++,") + 6
    for keep in range(1, label, 7):
        file.write_bytes(whole[: len(whole) - len(last) + keep])
        with pytest.raises(InputError, match=r"expected (a path in every row|numbers in the col)"):
            read_crops(tmp_path)
    file.write_bytes(whole[: -len(last)])
    assert len(read_crops(tmp_path)) == 1


def test_a_writer_killed_before_the_last_step_leaves_the_manifest_as_it_was(
    crops, tmp_path, monkeypatch
):
    write_crops(crops.head(1), tmp_path)

    def replace(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            write_crops(crops, tmp_path)
    assert len(read_crops(tmp_path)) == 1
    assert len(list(tmp_path.iterdir())) == 1
    write_crops(crops, tmp_path)
    assert len(read_crops(tmp_path)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a CSV manifest.*parse from file\. Extract"),
        ('a,b\n"c,d\n', r"EOF inside string starting at row 1\. Extract"),
        (
            "image,video\n/a,/b\n",
            r"columns path, received 'image', 'video'\..*extract the faces again",
        ),
        (
            ",".join(CROP_COLUMNS) + ("\na,b,0,d,m,1" + "," * 8) * 2 + "\n",
            "expected each path once in .*/a' is listed more than once.*Remove the second row",
        ),
        (",".join(CROP_COLUMNS) + "\na,b,0,d,m,forged" + "," * 8 + "\n", "expected numbers"),
        (",".join(CROP_COLUMNS) + "\na,b,0,d,m,2" + "," * 8 + "\n", "expected the labels 0"),
        (",".join(CROP_COLUMNS) + "\n,b,0,d,m,1" + "," * 8 + "\n", "expected a path in every row"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "crops.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_crops(tmp_path)


def test_writing_without_a_column_is_refused(crops, tmp_path):
    with pytest.raises(InputError, match="missing: score"):
        write_crops(crops.drop(columns="score"), tmp_path)


@pytest.fixture
def plant(tmp_path):
    def write(*names):
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        return tmp_path / "set"

    return write


def test_a_plain_tree_is_labelled_by_its_folders(plant):
    root = plant("real/b.JPG", "fake/a.png", "fake/.hidden.png", "fake/notes.txt", "other/c.png")
    with pytest.warns(LayoutWarning, match="1 unknown; the other crops were read"):
        crops = read_crops(root)
    assert [problem["path"] for problem in crops.attrs["problems"]] == [str(root / "other/c.png")]
    assert tuple(crops.columns) == CROP_COLUMNS
    assert crops["label"].tolist() == [1, 0]
    assert crops["method"].tolist() == ["fake", "real"]
    assert set(crops["dataset"]) == {"set"}
    assert crops["video"].tolist() == crops["path"].tolist()
    assert crops[["frame", "split", "score", "target_identity"]].isna().all(axis=None)


def test_names_of_any_case_depth_and_format_are_read_or_told_of(plant):
    names = ["valid/Real/a.webp", "validation/fake/b.JFIF", "Training/FAKE/Swap/000_003/c.png"]
    told = ["train/real/d.tif", "train/real/e.gif", "train/fake/real/f.png", "train/g.png"]
    root = plant(*names, *told, "test/real/h.mp4", "test/real/notes.txt")
    (root / "train/real/pipe").parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(root / "train/real/pipe.png")
    with pytest.warns(LayoutWarning, match="1 mismatch, 5 unknown") as caught:
        crops = read_crops(root)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [os.path.relpath(path, root) for path in crops["path"]] == sorted(names)
    assert crops["split"].tolist() == ["train", "val", "val"]
    assert crops["method"].tolist() == ["Swap", "real", "fake"]
    assert crops["label"].tolist() == [1, 0, 1]
    problems = {os.path.relpath(p["path"], root): p["status"] for p in crops.attrs["problems"]}
    assert set(problems) == {*told, "test/real", "train/real/pipe.png"}
    assert problems["train/fake/real/f.png"] == "mismatch"


def test_one_picture_linked_from_real_and_from_fake_is_not_read(plant):
    root = plant("real/a.png", "real/b.png", "fake/c.png")
    (root / "fake/a.png").symlink_to(root / "real/a.png")
    (root / "fake/more").symlink_to(root / "fake", target_is_directory=True)
    (root / "real/twice").symlink_to(root.parent / "store", target_is_directory=True)
    (root / "real/once").symlink_to(root.parent / "store", target_is_directory=True)
    (root.parent / "store").mkdir()
    (root.parent / "store/d.png").write_bytes(b"x")
    with pytest.warns(LayoutWarning, match="3 mismatch"):
        crops = read_crops(root)
    found = [os.path.relpath(path, root) for path in crops["path"]]
    assert found == ["fake/c.png", "real/b.png", "real/once/d.png"]


@pytest.mark.parametrize(
    ("rule", "names", "videos"),
    [
        ("folder", ["real/000/1.png", "real/000/2.png", "fake/M/000_003/1.png"], 2),
        ("number", ["real/017_0042.jpg", "real/017_0043.jpg", "fake/017_003_0042.jpg"], 2),
        ("number", ["real/a/x frame 3.png", "real/a/x-frame-04.png", "fake/a/x_5.png"], 2),
    ],
)
def test_a_named_rule_gives_the_videos(plant, rule, names, videos):
    crops = read_crops(plant(*names), video_pattern=rule)
    assert crops["video"].nunique() == videos
    assert crops.groupby("video")["label"].nunique().max() == 1


def test_the_folder_of_a_video_right_inside_fake_is_no_method(plant):
    root = plant("real/a/1.png", "Fake/b/1.png", "Fake/b/2.png", "Fake/M/c/1.png")
    crops = read_crops(root, video_pattern="folder").set_index("video")["method"]
    assert {Path(video).name: method for video, method in crops.items()} == {
        "a": "real",
        "b": "fake",
        "c": "M",
    }


def test_a_table_of_path_and_label_is_enough(tmp_path):
    (tmp_path / "mine.csv").write_text("Path; Label;age;identity\na.png; real;3;x\nb/c.png;1;;y\n")
    crops = read_crops(tmp_path / "mine.csv")
    assert tuple(crops.columns) == (*CROP_COLUMNS, "age")
    assert crops["label"].tolist() == [0, 1]
    assert crops["video"].tolist() == crops["path"].tolist()
    assert crops["path"].tolist() == [str(tmp_path / "a.png"), str(tmp_path / "b/c.png")]
    assert crops["target_identity"].tolist() == ["x", "y"]
    assert crops["method"].tolist() == ["real", "fake"]
    assert set(crops["dataset"]) == {"mine"}
    assert crops["age"].fillna("?").tolist() == ["3", "?"]
    write_crops(crops, tmp_path / "out")
    pd.testing.assert_frame_equal(read_crops(tmp_path / "out"), crops)


@pytest.mark.parametrize("name", ["b\rc", "caf\udce9", "a\nb", 'q"q', " lead", "e,f;g"])
def test_names_of_any_kind_come_back(crops, tmp_path, name):
    crops["video"] = pd.Series([str(tmp_path / f"{name}.mp4")] * 2, dtype="string")
    crops["flag"] = pd.Series(["x\ry", None], dtype="string")
    write_crops(crops, tmp_path / "out")
    pd.testing.assert_frame_equal(read_crops(tmp_path / "out"), crops)


def test_what_no_name_can_hold_is_refused_before_anything_is_written(crops, tmp_path):
    crops["method"] = "\ud800"
    with pytest.raises(InputError, match=r"received .*ud800.* which no file can hold"):
        write_crops(crops, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_without_end_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "crops.csv")
    with pytest.raises(InputError, match="no regular file"):
        read_manifest(tmp_path / "crops.csv", CROP_COLUMNS)
    columns = ",".join(f"c{number}" for number in range(200_000))
    (tmp_path / "wide.csv").write_text(f"path,label,{columns}\n")
    with pytest.raises(InputError, match="at most 1000 columns"):
        read_crops(tmp_path / "wide.csv")


def test_a_study_tree_fills_the_split(plant):
    crops = read_crops(plant("train/real/a.png", "val/fake/b.bmp", "test/real/c.jpeg"))
    assert dict(zip(crops["split"], crops["label"], strict=True)) == {
        "train": 0,
        "val": 1,
        "test": 0,
    }


def test_a_pattern_names_the_videos(plant):
    root = plant("real/ab-0.png", "real/ab-1.png", "fake/cd-0.png")
    crops = read_crops(root, video_pattern=r"^([a-z]+)-")
    assert [Path(video).name for video in crops["video"]] == ["cd", "ab", "ab"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "expected a regular expression"), ("ab", "to have a group"), ("(x)", "finds none in")],
)
def test_a_pattern_that_does_not_fit_is_refused(plant, pattern, message):
    with pytest.raises(InputError, match=message):
        read_crops(plant("real/ab-0.png"), video_pattern=pattern)


def test_folders_without_crops_are_refused(plant, tmp_path):
    root = plant("pictures/a.png")
    with pytest.raises(
        InputError, match=r"expected crops .*received none.*subfolders real and fake"
    ):
        read_crops(root)
    with pytest.raises(InputError, match="does not exist"):
        read_crops(tmp_path / "absent")
    with pytest.raises(InputError, match="received the file"):
        read_crops(root / "pictures" / "a.png")
    with pytest.raises(InputError, match="received int"):
        read_crops(3)


def test_real_loose_crops_are_read(shared_data):
    crops = read_crops(shared_data("dfdc_crops"), video_pattern=r"^([a-z]+)-")
    assert crops["label"].value_counts().to_dict() == {0: 11, 1: 11}
    assert crops["video"].nunique() == 5
    for path in crops["path"]:
        oracle = cv2.imread(path)[..., ::-1]
        np.testing.assert_array_equal(read_image(path), oracle)
        assert image_size(path) == oracle.shape[:2]


def test_paths_of_windows_are_cut_into_folder_and_name(monkeypatch):
    root, paths = Path("C:"), [r"C:\crops\real\017_0042.png"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "path", ntpath)
        videos = [videos_of(root, paths, rule) for rule in ("folder", "number", r"^(\d+)_")]
        told = told_by_folder(paths, "why")
    assert videos == [[r"C:\crops\real"], [r"C:\crops\real/017"], ["C:/017"]]
    assert (told[0].path, "'017_0042.png'" in told[0].reason) == (r"C:\crops\real", True)
