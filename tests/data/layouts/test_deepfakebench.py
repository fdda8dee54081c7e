"""Crops in the layout of DeepfakeBench: its lists in every style of path, and trees without."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import LayoutWarning, audit_leakage, read_crops
from deepfake_generalize.errors import InputError

STYLES = {
    "released": "{}",
    "windows": "T:\\lab\\datasets\\rgb\\{}",
    "linux": "/home/u/DeepfakeBench/datasets/rgb/{}",
    "mixed": "./datasets\\rgb\\{}",
    "elsewhere": "/mnt/x/{}",
}
REAL = "FaceForensics++/original_sequences/youtube/c23/frames"
FAKE = "FaceForensics++/manipulated_sequences/{}/raw/frames"


def frames(folder, numbers=(0, 10, 9)):
    return [f"{folder}/{number:03}.png" for number in numbers]


@pytest.fixture
def make(tmp_path, touch):
    """Return a function that lays out frames and a list of them, with its paths in a style."""

    def build(videos, style="released", below="rgb", name="set", beside=()):
        root = tmp_path / "bench"
        content = {}
        for dataset, label, part, level, video, paths in videos:
            touch(root / below, paths)
            written = [STYLES[style].format(path) for path in paths]
            if "\\" in STYLES[style] or style == "released":
                written = [path.replace("/", "\\") for path in written]
            place = content.setdefault(dataset, {}).setdefault(label, {}).setdefault(part, {})
            if level:
                place = place.setdefault(level, {})
            place[video] = {"label": label, "frames": written}
        touch(root / below, beside)
        (root / "dataset_json").mkdir(exist_ok=True)
        (root / "dataset_json" / f"{name}.json").write_text(json.dumps(content))
        return root

    return build


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("below", [".", "rgb", "datasets/rgb"])
def test_paths_of_any_machine_are_found_under_the_root(make, style, below):
    names = [("FF-real", "train", "c23", "000", frames(f"{REAL}/000"))]
    names += [
        (f"FF-{short}", "train", "raw", "000_003", frames(f"{FAKE.format(method)}/000_003"))
        for short, method in (("DF", "Deepfakes"), ("F2F", "Face2Face"))
    ]
    beside = (
        FAKE.format("Deepfakes").replace("/raw/frames", "/c23/masks") + "/000_003/009.png",
        f"{REAL.replace('/frames', '/landmarks')}/000/010.npy",
    )
    root = make([("FaceForensics++", *name) for name in names], style, below, beside=beside)
    crops = read_crops(root)
    assert crops.attrs["problems"] == []
    assert crops["frame"].tolist() == [0, 9, 10] * 3
    assert crops["video"].nunique() == 3
    assert set(crops["dataset"]) == {"FF++"}
    assert set(crops["split"]) == {"train"}
    assert crops.groupby("method")["label"].first().to_dict() == {
        "Deepfakes": 1,
        "Face2Face": 1,
        "real": 0,
    }
    assert crops.groupby("method")["compression"].first().to_dict() == {
        "Deepfakes": "raw",
        "Face2Face": "raw",
        "real": "c23",
    }
    fake = crops[crops["label"] == 1]
    assert set(fake["target_identity"]) == {"000"}
    assert set(fake["source_identity"]) == {"003"}
    assert crops["mask"].dropna().tolist() == [str(root / below / beside[0])]
    assert crops["landmarks"].dropna().tolist() == [str(root / below / beside[1])]


def celeb():
    """The data set as DeepfakeBench lists it: its training part holds the test videos."""
    fakes = [f"Celeb-DF-v2/Celeb-synthesis/frames/id0_id1_000{n}" for n in range(3)]
    real = "Celeb-DF-v2/YouTube-real/frames/00000"
    row = ("Celeb-DF-v2", "CelebDFv2_fake")
    return [
        *[(*row, "train", "", folder[-12:], frames(folder)) for folder in fakes],
        *[(*row, part, "", fakes[0][-12:], frames(fakes[0])) for part in ("test", "val")],
        ("Celeb-DF-v2", "CelebDFv2_real", "train", "", "00000", frames(real)),
    ]


def test_celebdf_keeps_its_official_test_and_says_what_the_list_does(make):
    crops = read_crops(make(celeb()))
    splits = crops.groupby(crops["video"].str[-12:])["split"].first()
    assert splits["id0_id1_0000"] == "test"
    assert splits.drop("id0_id1_0000").isna().all()
    (note,) = (n for n in crops.attrs["notes"] if "listed in" in n)
    assert "1 fake videos of Celeb-DF-v2 are listed in train and test and val" in note
    assert "their split is test" in note


@pytest.mark.parametrize(
    ("dataset", "label", "folder"),
    [
        ("UADFV", "UADFV_Real", "UADFV/real/frames/0001"),
        ("DeeperForensics-1.0", "DF_real", "FaceForensics++/x/000"),
        ("DeepFakeDetection", "DFD_real", "FaceForensics++/original_sequences/actors/raw/x/01__a"),
    ],
)
def test_reals_that_are_the_same_in_all_parts_have_no_split(make, dataset, label, folder):
    parts = ("train", "val", "test")
    rows = [(dataset, label, part, "", folder[-4:], frames(folder)) for part in parts]
    crops = read_crops(make(rows))
    assert len(crops) == 3
    assert crops["split"].isna().all()
    (note,) = (n for n in crops.attrs["notes"] if "listed in" in n)
    assert "are listed in train and val and test: their split is none" in note


def test_as_listed_the_audit_finds_the_test_videos_in_training(make):
    crops = read_crops(make(celeb()), split="as-listed")
    assert crops["split"].value_counts().to_dict() == {"train": 12, "test": 3, "val": 3}
    for path in crops["path"].unique():
        cv2.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    parts = {name: crops[crops["split"] == name] for name in ("train", "test")}
    found = audit_leakage(parts, near_duplicates=False)
    shared = found[found["kind"] == "video"]
    assert shared["n"].tolist() == [6]


def test_a_bare_record_empty_frames_and_a_frame_that_is_gone(make):
    root = make(
        [
            ("DFDC", "DFDC_Fake", "test", "", "a", frames("DFDC/test/frames/a")),
            ("DFDC", "DFDC_Real", "test", "", "b", []),
        ]
    )
    file = root / "dataset_json/set.json"
    content = json.loads(file.read_text())
    bare = {"label": "DFDC_Real", "frames": frames("DFDC/test/frames/c")}
    content["DFDC"]["DFDC_Real"]["val"] = bare
    file.write_text(json.dumps(content))
    for name in bare["frames"][:2]:
        (root / "rgb" / name).parent.mkdir(exist_ok=True)
        (root / "rgb" / name).touch()
    with pytest.warns(LayoutWarning, match="2 missing"):
        crops = read_crops(root)
    assert crops.groupby("label").size().to_dict() == {0: 2, 1: 3}
    assert crops.groupby("label")["split"].first().to_dict() == {0: "val", 1: "test"}
    assert crops["target_identity"].isna().all()
    told = {problem["path"]: problem["reason"] for problem in crops.attrs["problems"]}
    assert told == {
        str(file): "set.json names 0 frames of DFDC/DFDC_Real/b",
        str(root / "rgb/DFDC/test/frames/c"): "set.json names 3 frames of DFDC/DFDC_Real, of which "
        "1 are not on disk, such as DFDC/test/frames/c/009.png",
    }


@pytest.mark.parametrize(
    ("dataset", "label", "expected"),
    [
        ("DFD", "DFD_real", (0, "real")),
        ("simswap_ff", "simswap_Fake", (1, "simswap")),
        ("x", "some_thing-REAL", (0, "real")),
        ("x", "my_synthesis", (1, "my")),
        ("DFDCP", "DFDCP_FakeB", (1, "method_B")),
    ],
)
def test_labels_are_told_by_table_then_by_their_end(make, dataset, label, expected):
    folder = f"DF40/{dataset}/frames/000_003"
    crops = read_crops(make([(dataset, label, "train", "", "000_003", frames(folder))]))
    assert (crops["label"][0], crops["method"][0]) == expected
    if dataset == "simswap_ff":
        assert crops["dataset"][0] == "DF40-ff"
        assert crops[["target_identity", "source_identity"]].iloc[0].tolist() == ["000", "003"]


def test_a_label_that_says_nothing_is_told_by_name_and_the_rest_is_read(make):
    odd = ("x", "x_maybe", "train", "", "a", frames("DF40/x/a"))
    root = make([odd])
    with pytest.raises(InputError, match=r"set\.json labels it 'x_maybe'.*real, fake or synthesis"):
        read_crops(root)
    root = make([odd, ("x", "x_fake", "train", "", "b", frames("DF40/x/b"))])
    # The frames of one that is known may be listed under the other label, too.
    make([("y", "y_maybe", "test", "", "b", frames("DF40/x/b"))], name="other")
    with pytest.warns(LayoutWarning, match="2 unknown"):
        crops = read_crops(root)
    assert set(crops["video"]) == {str(root / "rgb/DF40/x/b")}
    paths = [problem["path"] for problem in crops.attrs["problems"]]
    assert paths == [str(root / "rgb/DF40/x/a"), str(root / "rgb/DF40/x/b")]


def test_frames_that_no_list_names_are_told_by_folder(make, touch, tmp_path):
    root = make(celeb(), beside=["Celeb-DF-v2/Celeb-real/frames/id7_0001/000.png"])
    touch(root / "rgb", ["Celeb-DF-v2/YouTube-real/frames/00000/011.png", "x/masks/a/000.png"])
    with pytest.warns(LayoutWarning, match="2 unknown"):
        crops = read_crops(root)
    assert len(crops) == 12
    reason = "it holds 1 files such as '{}.png': no list names them"
    assert {p["path"]: p["reason"] for p in crops.attrs["problems"]} == {
        str(root / "rgb/Celeb-DF-v2/Celeb-real/frames/id7_0001"): reason.format("000"),
        str(root / "rgb/Celeb-DF-v2/YouTube-real/frames/00000"): reason.format("011"),
    }
    assert read_crops(root / "dataset_json/set.json").attrs["problems"] == []


def test_one_list_and_the_frames_elsewhere(make, tmp_path):
    root = make(celeb(), below="rgb")
    moved = tmp_path / "disk"
    (root / "rgb").rename(moved)
    file = root / "dataset_json/set.json"
    assert len(read_crops(file, frames=moved)) == 12
    with pytest.raises(InputError, match="none that could be placed, 4 missing"):
        read_crops(file)
    with pytest.raises(InputError, match="official, as-listed, received 'theirs'"):
        read_crops(file, split="theirs")
    file.write_text('{"a": []}')
    with pytest.raises(InputError, match="received '\\[\\]' where an object belongs"):
        read_crops(file)


def test_paths_that_climb_out_of_the_root_are_not_followed(make, touch, tmp_path):
    touch(tmp_path, ["secret/000.png"])
    root = make([("x", "x_fake", "train", "", "a", frames("DF40/x/a"))])
    file = root / "dataset_json/set.json"
    file.write_text(file.read_text().replace("DF40\\\\x\\\\a\\\\000.png", "../../secret/000.png"))
    with pytest.warns(LayoutWarning, match="1 missing"):
        assert len(read_crops(root)) == 2


TREE = {
    f"{REAL}/004/000.png": "FF++ real 0 004 - c23",
    f"{FAKE.format('FaceSwap')}/004_982/013.png": "FF++ FaceSwap 1 004 982 raw",
    "Celeb-DF-v2/YouTube-real/frames/00170/001.png": "Celeb-DF-v2 real 0 - - -",
    "Celeb-DF-v1/Celeb-synthesis/frames/id0_id1_0000/001.png": "Celeb-DF-v1 Celeb-synthesis 1 "
    "id0 id1 -",
    "DFDCP/method_A/12/12_1/frames/12_1_A_000/001.png": "DFDCP method_A 1 - - -",
    "DFDCP/original_videos/12/frames/12_A_000/001.png": "DFDCP real 0 - - -",
    "UADFV/fake/frames/0048_fake/087.png": "UADFV FakeApp 1 0048 - -",
    "DF40_train/blendface/frames/001_870/007.png": "DF40-ff blendface 1 001 870 -",
    "DF40/simswap/cdf/frames/id0_id1_0001/007.png": "DF40-cdf simswap 1 id0 id1 -",
    "DF40/MidJourney/real/a/1.png": "DF40 real 0 - - -",
    "DF40/MidJourney/fake/a/1.png": "DF40 MidJourney 1 - - -",
}


def test_trees_without_lists_are_read_by_their_folders(tmp_path, touch):
    root = touch(tmp_path / "rgb", [*TREE, f"{REAL.replace('/frames', '/masks')}/004/000.png"])
    crops = read_crops(root).set_index("path").fillna({"target_identity": "-"})
    assert len(crops) == len(TREE)
    columns = ["dataset", "method", "label", "target_identity", "source_identity", "compression"]
    for path, line in TREE.items():
        row = crops.loc[str(root / path), columns].fillna("-")
        assert " ".join(map(str, row)) == line
        assert crops.loc[str(root / path), "video"] == str((root / path).parent)
    assert pd.isna(crops["mask"]).sum() == len(TREE) - 1


def test_frames_without_a_label_are_told(tmp_path, touch):
    root = touch(tmp_path / "rgb", [*TREE, "DFDC/test/frames/abc/001.png"])
    with pytest.warns(LayoutWarning, match="1 unknown"):
        crops = read_crops(root)
    assert "labels only its list has" in crops.attrs["problems"][0]["reason"]
