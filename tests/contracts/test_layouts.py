"""What every layout's reader must do alike."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data
from deepfake_generalize.data import VIDEO_COLUMNS, LayoutWarning, find_videos
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study import benchmark

# For each layout: its videos, the texts beside them, and what makes a problem.
DFDC = {"a.mp4": {"label": "FAKE", "original": "b.mp4"}, "b.mp4": {"label": "REAL"}}
EVAL = """Filename,Video Ground Truth,Audio Ground Truth,Finetuning Set
a.mp4,Fake,Real,Train
b.mp4,REAL,Fake,test
"""
LAVDF = [
    {"file": "train/000001.mp4", "modify_video": True, "split": "train", "original": None}
    | {"fake_periods": [[1.0, 2.0]], "duration": 4.0, "video_frames": 100},
    {"file": "dev/000002.mp4", "modify_video": False, "modify_audio": True, "split": "dev"}
    | {"fake_periods": [[1.0, 2.0]], "original": "dev/000009.mp4"},
]
AV1M = [
    {"file": f"vox/id00012/x/00001/{kind}.mp4", "original": "vox/id00012/x/00001/real.mp4"}
    | {"modify_type": kind, "visual_fake_segments": [[3.28, 3.46], [1, 2]], "split": "train"}
    for kind in ("both_modified", "audio_modified")
]
FAKEAV = """source,target1,target2,method,category,type,race,gender,path,
id00076,id00100,-,faceswap-wav2lip,C,FakeVideo-FakeAudio,African,men,a.mp4,FakeAVCeleb/FakeVideo-FakeAudio/African/men/id00076
id00076,-,-,rtvc,B,RealVideo-FakeAudio,African,men,b.mp4,FakeAVCeleb/RealVideo-FakeAudio/African/men/id00076
"""
SPEAK = """video-file,engine,identity-source,identity-target
diff2lip-1-2-play.mp4,diff2lip,10,11
"""
RACE = "Asian (East)"
KODF = ("0123456789abcdef0123", "fedcba9876543210fedc")
# What each row must say: label, method, target, source, compression, split, other columns.
EXPECTED = {
    "faceforensics_kaggle": {
        "original/000.mp4": "0 real 000 - c23 -",
        "Deepfakes/videos/000_003.mp4": "1 Deepfakes 000 003 c23 -",
        "FaceShifter/000_003.mp4": "1 FaceShifter 000 003 c23 -",
        "DeepFakeDetection/24_23__kitchen_pan__YR5OVD4S.mp4": "1 DeepFakeDetection 24 23 c23 -",
        "manipulated-sequences-F-c40-videos/videos/000_003.mp4": "1 F 000 003 c40 -",
        "original-sequences-raw-videos/000.mp4": "0 real 000 - raw -",
    },
    "celebdf++": {
        "Celeb-real/id0_0000.mp4": "0 real id0 - - test",
        "YouTube-real/00170.mp4": "0 real - - - -",
        "Celeb-synthesis/FaceSwap/Celeb-DF/id0_id1_0000.mp4": "1 Celeb-synthesis id0 id1 - - "
        "kind=FaceSwap",
        "Celeb-synthesis/FaceSwap/GHOST/id0_id1_0000.mp4": "1 GHOST id0 id1 - test kind=FaceSwap",
        "Celeb-synthesis/TalkingFace/FLOAT/id0_0001_test_a.mp4": "1 FLOAT id0 - - - "
        "kind=TalkingFace",
    },
    "deeperforensics": {
        f"manipulated_videos/{kind}/{name}.mp4": f"1 {kind} {name.replace('_', ' ')} - {split}"
        for kind in ("end_to_end", "end_to_end_level_5", "reenact_postprocess")
        for name, split in (("000_M101", "train"), ("003_W102", "val"))
    },
    "fakeavceleb": {
        f"RealVideo-RealAudio/{RACE}/women/id00166/x.mp4": "0 real id00166 - - - "
        f"audio=Real ethnicity={RACE} gender=female",
        "RealVideo-FakeAudio/African/men/id00076/b.mp4": "0 real id00076 - - - "
        "audio=Fake ethnicity=African gender=male",
        "FakeVideo-FakeAudio/African/men/id00076/a.mp4": "1 faceswap-wav2lip id00076 id00100 - - "
        "audio=Fake ethnicity=African gender=male",
    },
    "uadfv": {"real/0001.mp4": "0 real 0001 - - -", "fake/0001_fake.mp4": "1 FakeApp 0001 - - -"},
    "ffiw10k": {
        "source/train/a.mp4": "0 real - - - train",
        "target/val/videos/a.mp4": "1 FFIW10K - - - val",
    },
    "deepfake_eval_2024": {
        "video-data/a.mp4": "1 fake - - - train",
        "video-data/b.mp4": "0 real - - - test",
    },
    "kodf": {
        f"original_videos/{KODF[0]}/{KODF[0]}_001.mp4": f"0 real {KODF[0]} - - -",
        f"synthesized_videos/dfl/20201012/{KODF[0]}/{KODF[0]}_{KODF[1]}_1_0012.mp4": "1 dfl "
        f"{KODF[0]} {KODF[1]} - -",
        "synthesized_videos/audio-driven/x/123456/123456_654321_5_1.mp4": "1 audio-driven 123456 "
        "654321 - -",
    },
    "dfdm": {
        "DFaker/id0_id1_0000_x.mp4": "1 DFaker id0 id1 crf10 -",
        "FaceSwap/id0_id1_0000.mp4": "1 FaceSwap id0 id1 crf10 -",
    },
    "deepspeak": {
        "10-4100.mp4": "0 real 10 - - train",
        "facefusion_gan--12-11--4100-4897--0.mp4": "1 facefusion_gan 11 12 - test",
        "deep/facefusion--10-11--4100-4897--0.mp4": "1 facefusion 11 10 - -",
        "diff2lip-1-2-play.mp4": "1 diff2lip 11 10 - -",
    },
    "lavdf": {
        "train/000001.mp4": "1 fake 000001 - - train audio=Real fake_frames=25-50",
        "dev/000002.mp4": "0 real 000009 - - val audio=Fake",
    },
    "avdeepfake1m": {
        "train/vox/id00012/x/00001/both_modified.mp4": "1 fake id00012 - - train "
        "audio=Fake fake_frames=82-87;25-50",
        "train/vox/id00012/x/00001/audio_modified.mp4": "0 real id00012 - - train audio=Fake",
    },
}
TEXTS = {
    "celebdf++": {
        "List_of_testing_videos.txt": "1 Celeb-real/id0_0000.mp4\n"
        "0 Celeb-synthesis/FaceSwap/GHOST/id0_id1_0000.mp4"
    },
    "deeperforensics": {
        "lists/splits/train.txt": "000_M101.mp4\n",
        "lists/splits/val.txt": "003_W102.mp4",
    },
    "fakeavceleb": {"meta_data.csv": FAKEAV},
    "deepfake_eval_2024": {"video-metadata-publish-with-links.csv": EVAL},
    "deepspeak": {
        "annotations-fake.csv": SPEAK,
        "annotations-split-def.csv": "identity,split\n10,train\n11,test\n12,test\n",
    },
    "lavdf": {"metadata.min.json": json.dumps(LAVDF)},
    "avdeepfake1m": {"train_metadata.json": json.dumps(AV1M)},
}
# Names of roots that say what is in them, and layouts of other names than the tree.
ROOTS = {"uadfv": "UADFV", "ffiw10k": "FFIW10K-v1-release", "dfdm": "DFDM_crf10"}
LAYOUTS = {"celebdf++": "celebdf"}
TREES = {
    "faceforensics": (
        ["original_sequences/youtube/c23/videos/004.mp4"]
        + [f"manipulated_sequences/F/c23/videos/{n}.mp4" for n in ("004_982", "982_004")],
        {},
        "original_sequences/stray.mp4",
    ),
    "celebdf": (
        ["Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4"],
        {"List_of_testing_videos.txt": "1 Celeb-real/id0_0000.mp4"},
        "Celeb-real/stray.mp4",
    ),
    "dfdc": (
        ["dfdc_train_part_0/a.mp4", "dfdc_train_part_0/b.mp4"],
        {"dfdc_train_part_0/metadata.json": json.dumps(DFDC)},
        "stray.mp4",
    ),
    "folders": (["real/a.mp4", "real/ü.MKV", "fake/x/b.mp4"], {}, "stray.mp4"),
    "csv": (["a.mp4", "b.mp4"], {"v.csv": "path,label\na.mp4,1\nb.mp4,0\n"}, None),
    **{name: ([*rows], TEXTS.get(name, {}), "stray.mp4") for name, rows in EXPECTED.items()},
}
STRAYS = {"deepfake_eval_2024": "video-data/stray.mp4"}


def _build(root: Path, layout: str, *, backwards: bool = False) -> Path:
    root = root / ROOTS.get(layout, "set")
    videos, texts, _ = TREES[layout]
    for name in reversed(videos) if backwards else videos:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def _spoil(root: Path, layout: str) -> Path:
    stray = STRAYS.get(layout, TREES[layout][2])
    if stray is None:
        (root / TREES[layout][0][0]).unlink()
        return root / TREES[layout][0][0]
    (root / stray).touch()
    return root / stray


@pytest.fixture(params=TREES)
def layout(request) -> str:
    return request.param


def test_auto_recognises_it_and_reads_every_video_once(tmp_path, layout):
    root = _build(tmp_path, layout)
    videos = find_videos(root)
    assert videos.attrs["layout"] == LAYOUTS.get(layout, layout)
    assert videos.attrs["recognised_by"]
    assert videos.attrs["problems"] == []
    assert videos["path"].tolist() == sorted(str(root / name) for name in TREES[layout][0])
    pd.testing.assert_frame_equal(
        videos, find_videos(root, layout=LAYOUTS.get(layout, layout), strict=True)
    )


def test_columns_types_and_labels(tmp_path, layout):
    videos = find_videos(_build(tmp_path, layout))
    assert tuple(videos.columns[: len(VIDEO_COLUMNS)]) == VIDEO_COLUMNS
    assert videos["label"].dtype == "int64"
    assert 1 in set(videos["label"])
    notes = " ".join(videos.attrs["notes"])
    for name, labels in videos.groupby("dataset")["label"]:
        assert (0 in set(labels)) == (f"no real videos of {name} are" not in notes)
    splits = data.layouts().set_index("layout").loc[LAYOUTS.get(layout, layout), "splits"]
    assert (splits == "none") == ("no official split" in notes)
    strings = [name for name in videos.columns if name != "label"]
    assert all(isinstance(videos[name].dtype, pd.StringDtype) for name in strings)
    assert all(videos[name].dtype == "string" for name in strings)
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in videos["path"])
    assert not videos[["dataset", "method"]].isna().any(axis=None)
    assert ((videos["method"] == "real") == (videos["label"] == 0)).all()
    assert videos.loc[videos["label"] == 0, "source_identity"].isna().all()
    assert videos.index.tolist() == list(range(len(videos)))


@pytest.mark.parametrize("name", EXPECTED)
def test_every_row_says_what_its_place_and_the_lists_say(tmp_path, name):
    root = _build(tmp_path, name)
    videos = find_videos(root).fillna("-").set_index("path")
    for path, line in EXPECTED[name].items():
        row = videos.loc[str(root / path)]
        columns = ["label", "method", "target_identity", "source_identity", "compression", "split"]
        extra = " ".join(f"{k}={v}" for k, v in row.iloc[7:].sort_index().items() if v != "-")
        assert " ".join([*map(str, row[columns]), extra]).strip() == line


def test_every_layout_of_videos_has_a_tree():
    known = data.layouts().query("reads == 'videos'")["layout"]
    assert {LAYOUTS.get(name, name) for name in TREES} == set(known) - {"unlabelled"}


def test_the_order_is_that_of_the_paths_whatever_the_disk_did(tmp_path, layout):
    first = find_videos(_build(tmp_path / "1", layout))
    second = find_videos(_build(tmp_path / "2", layout, backwards=True))
    assert second["path"].is_monotonic_increasing
    first["path"] = first["path"].str.replace(str(tmp_path / "1"), str(tmp_path / "2"))
    pd.testing.assert_frame_equal(first, second)


def test_a_problem_is_listed_warned_of_once_and_raised_when_strict(tmp_path, layout):
    root = _build(tmp_path, layout)
    spoilt = _spoil(root, layout)
    with pytest.warns(LayoutWarning, match="1 (missing|unknown)") as caught:
        videos = find_videos(root)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    (problem,) = videos.attrs["problems"]
    assert set(problem) == {"path", "status", "reason"}
    assert problem["path"] == str(spoilt)
    assert str(spoilt) not in set(videos["path"])
    assert json.loads(json.dumps(videos.attrs)) == videos.copy().attrs
    with pytest.raises(DataMismatchError, match=spoilt.name):
        find_videos(root, strict=True)


def test_hidden_files_are_passed_over(tmp_path, layout):
    root = _build(tmp_path, layout)
    ((root / TREES[layout][0][0]).parent / "._x.mp4").touch()
    (root / ".trash").mkdir()
    (root / ".trash" / "y.mp4").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_videos(root)) == len(TREES[layout][0])


def test_no_videos_and_unknown_choices_are_refused(tmp_path, layout):
    root = _build(tmp_path, layout)
    with pytest.raises(
        InputError, match=f"choices of layout '{LAYOUTS.get(layout, layout)}'.*received colour"
    ):
        find_videos(root, colour="red")
    for name in TREES[layout][0]:
        (root / name).unlink()
    with pytest.raises(InputError, match=r"expected.*received"):
        find_videos(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected .*received") as caught:
        find_videos(tmp_path / "empty", layout=LAYOUTS.get(layout, layout))
    assert caught.value.hint


@pytest.fixture
def clip(tmp_path, shared_data) -> bytes:
    """Sixty small frames of a real video."""
    cv2 = pytest.importorskip("cv2")
    whole = cv2.VideoCapture(str(shared_data("videos/short_clip.mp4")))
    file = tmp_path / "clip.mp4"
    out = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 180))
    for _ in range(60):
        out.write(cv2.resize(whole.read()[1], (320, 180)))
    out.release()
    return file.read_bytes()


@pytest.mark.slow
def test_real_clips_in_every_layout_under_one_root_become_a_row_of_a_benchmark(
    tmp_path, clip, part_finder
):
    root = tmp_path / "all"
    for name in EXPECTED:
        place = _build(root / name, name)
        for video in TREES[name][0]:
            (place / video).write_bytes(clip)
    videos = find_videos(root, strict=True)
    assert len(videos) == sum(map(len, EXPECTED.values()))
    finder = part_finder(0.25, 0.25, 0.75, 0.75)
    out = tmp_path / "crops"
    chosen = {"frames_per_video": 4, "size": 64, "finder": finder, "aligner": "finder"}
    crops = data.extract_faces(videos, out, **chosen).crops
    assert crops.groupby("dataset")["video"].nunique().sum() == len(videos)
    partly = crops[crops["fake_frames"].notna()]
    assert partly["dataset"].nunique() == 2
    assert partly["frame"].between(25, 49).all()
    assert partly.groupby("video").size().tolist() == [4, 4]
    assert partly["label"].tolist() == [1] * 8
    assert ((crops["method"] == "real") == (crops["label"] == 0)).all()
    reals = {"DeeperForensics-1.0": "FF++", "DFDM": "Celeb-DF++", "DFD": "FF++"}
    sets = {
        name: pd.concat([rows, crops.query(f"dataset == '{reals.get(name)}' and label == 0")])
        for name, rows in crops.groupby("dataset")
    }
    original = sets.pop("FF++")
    result = benchmark(Brightness(), original=original, unseen=sets, resampling=None, audit=False)
    assert result.row[list(sets)].notna().all(axis=None)


class Brightness:
    name = "brightness"

    def scores(self, images):
        return np.array([image.mean() / 255 for image in images])
