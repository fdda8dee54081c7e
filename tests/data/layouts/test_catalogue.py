"""What `data.layouts()` lists, and the traps that single data sets have."""

import json
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize import data
from deepfake_generalize.data import LayoutWarning, audit_leakage, find_videos, read_crops
from deepfake_generalize.data.layouts.catalogue import LAYOUTS
from deepfake_generalize.data.layouts.contract import Pattern, compiled
from deepfake_generalize.data.layouts.lists import fake_frames
from deepfake_generalize.errors import InputError


def test_every_layout_says_what_it_needs_and_where_it_is_had():
    known = data.layouts()
    assert known["layout"].is_unique
    assert set(known["reads"]) == {"videos", "crops"}
    own = known["dataset"] == "your own"
    assert (known.loc[~own, "source"] != "").all()
    assert (known["needs"] != "").all()
    assert known.loc[known["splits"] == "none", "layout"].tolist() == [
        "fakeavceleb",
        "uadfv",
        "kodf",
        "dfdm",
    ]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_pattern_compiles_and_says_nothing_that_no_one_knows(layout):
    for pattern in layout.patterns:
        assert isinstance(pattern, Pattern)
        assert pattern.label in (0, 1)
        groups = compiled(pattern.path).groupindex
        assert not set(groups) & set(pattern.fixed)
        assert "source" not in groups or pattern.label == 1


FF = [f"original_sequences/youtube/{c}/videos/00{n}.mp4" for c in ("c23", "raw") for n in (0, 3)]


def test_the_reals_of_deeperforensics_are_those_of_faceforensics(tmp_path, touch):
    ff = touch(tmp_path / "ff", FF)
    (ff / "train.json").write_text('[["000", "003"]]')
    fakes = ["manipulated_videos/end_to_end/000_M101.mp4", "source_videos/M101/a/b.mp4"]
    root = touch(tmp_path / "deeper", fakes)
    alone = find_videos(root)
    assert alone["label"].tolist() == [1]
    notes = " ".join(alone.attrs["notes"])
    assert "no real videos of DeeperForensics-1.0 are here" in notes
    assert "pass that root as reals=" in notes
    assert "source_videos" in notes
    videos = find_videos(root, reals=ff)
    assert videos["label"].value_counts().to_dict() == {0: 2, 1: 1}
    assert set(videos["dataset"]) == {"DeeperForensics-1.0"}
    assert set(videos.loc[videos["label"] == 0, "compression"]) == {"c23"}
    assert set(videos.loc[videos["label"] == 0, "split"]) == {"train"}
    with pytest.raises(InputError, match="received none in"):
        find_videos(root, reals=root)
    # Its targets are the clips of FaceForensics++: the audit knows them again.
    sets = {"ff": find_videos(ff, compression="c23"), "deeper": videos[videos["label"] == 1]}
    sets = {name: rows.assign(video=rows["path"]) for name, rows in sets.items()}
    found = audit_leakage(sets, near_duplicates=False)
    assert found.loc[found["kind"] == "identity", "what"].tolist() == ["FF++ 000"]


def test_the_reals_of_dfdm_are_those_of_celebdf_without_youtube(tmp_path, touch):
    celeb = touch(tmp_path / "celeb", ["Celeb-real/id0_0000.mp4", "YouTube-real/00170.mp4"])
    root = touch(tmp_path / "DFDM_crf23", ["IAE/id0_id1_0000_x.mp4"])
    videos = find_videos(root, reals=celeb)
    assert videos["path"].str.rsplit("/", n=1).str[1].tolist() == [
        "id0_id1_0000_x.mp4",
        "id0_0000.mp4",
    ]
    assert set(videos["target_identity"]) == {"id0"}


def test_the_three_levels_of_dfdm_in_one_folder_are_one_call(tmp_path, touch):
    names = [f"DFDM_crf{crf}/IAE/id0_id1_0000_x.mp4" for crf in (0, 10, 23)]
    videos = find_videos(touch(tmp_path, names), methods="IAE")
    assert videos["compression"].tolist() == ["crf0", "crf10", "crf23"]


def test_what_deepfake_eval_calls_unknown_is_counted_and_has_no_row(tmp_path, touch):
    root = touch(tmp_path, [f"video-data/{n}.mp4" for n in "abc"] + ["audio-data/x.mp4"])
    table = "Filename,Video Ground Truth,Finetuning Set\na.mp4,fake,TRAIN\nb.mp4,Unknown,test\n"
    (root / "video-metadata-publish.csv").write_text(table + "c.mp4,Real,\nd.mp4,Unknown,test\n")
    with pytest.warns(LayoutWarning, match="1 unknown"):
        videos = find_videos(root)
    assert videos["label"].tolist() == [1, 0]
    assert videos["split"].fillna("-").tolist() == ["train", "-"]
    (problem,) = videos.attrs["problems"]
    assert problem["path"] == str(root / "video-data/b.mp4")
    assert "calls its picture 'unknown'" in problem["reason"]
    note = "1 videos that its list calls neither real nor fake have no row"
    assert note in videos.attrs["notes"][0]


def test_a_list_that_names_a_file_in_another_case_means_it_where_it_is_one(tmp_path, touch):
    names = ["a.MP4", "b.MP4", "b.mP4", "c.MP4", "C.mp4"]
    root = touch(tmp_path, [f"video-data/{name}" for name in names])
    lines = ["A.mp4,Fake,test", "b.mp4,Fake,test", "C.MP4,Real,test", "c.MP4,Fake,train"]
    lines += ["C.mp4,Real,train", "a.MP4,Fake,train"]
    table = "\n".join(["Filename,Video Ground Truth,Finetuning Set", *lines])
    (root / "video-metadata-publish.csv").write_text(table)
    with pytest.warns(LayoutWarning, match="3 missing, 2 unknown"):
        videos = find_videos(root)
    said = {path.rpartition("/")[2]: split for path, split in videos[["path", "split"]].to_numpy()}
    # What is named exactly is that file; of two files in other cases neither is taken.
    assert said == {"a.MP4": "train", "c.MP4": "train", "C.mp4": "train"}
    assert videos["label"].tolist() == [0, 1, 1]
    told = {p["path"].rpartition("/")[2]: p["status"] for p in videos.attrs["problems"]}
    assert told == {
        **dict.fromkeys(("A.mp4", "b.mp4", "C.MP4"), "missing"),
        **dict.fromkeys(("b.MP4", "b.mP4"), "unknown"),
    }


def test_videos_with_another_suffix_than_in_the_list_keep_its_split(tmp_path, touch):
    root = touch(tmp_path, ["Celeb-real/id9_0003.MP4", "Celeb-synthesis/id0_id1_0000.mp4"])
    (root / "List_of_testing_videos.txt").write_text("1 Celeb-real/id9_0003.mp4\n")
    videos = find_videos(root, strict=True)
    assert videos["split"].fillna("-").tolist() == ["test", "-"]


def test_what_archives_of_macos_hold_beside_the_files_is_no_data_set(tmp_path, touch):
    root = touch(tmp_path, ["Celeb/Celeb-real/id0_0000.mp4"])
    touch(root / "__MACOSX", ["Celeb/Celeb-real/._id0_0000.mp4", "real/a.mp4", "fake/b.mp4"])
    videos = find_videos(root, strict=True)
    assert videos.attrs["layout"] == "celebdf"
    assert len(videos) == 1


def test_a_list_that_contradicts_the_folder_of_fakeavceleb_is_told(tmp_path, touch):
    root = touch(tmp_path, ["FakeVideo-RealAudio/African/women/id00001/a.mp4"])
    place = "FakeAVCeleb/FakeVideo-RealAudio/African/women/id00001"
    row = f"id00001,id00002,-,wav2lip,C,x,African,women,a.mp4,{place}\n"
    head = "source,target1,target2,method,category,type,race,gender,path,\n"
    (root / "meta_data.csv").write_text(head + row + row.replace("a.mp4", "gone.mp4"))
    with pytest.warns(LayoutWarning, match="1 missing"):
        videos = find_videos(root)
    # Wav2Lip puts nobody's face in: target1 is whose voice it is.
    assert videos[["method", "target_identity"]].iloc[0].tolist() == ["wav2lip", "id00001"]
    assert videos["source_identity"].isna().all()
    assert "meta_data" not in " ".join(videos.attrs["notes"])
    (root / "FakeVideo-RealAudio/African/women/id00001/b.mp4").touch()
    (root / "RealVideo-RealAudio/African/women/id00001").mkdir(parents=True)
    (root / "RealVideo-RealAudio/African/women/id00001/c.mp4").touch()
    with pytest.warns(LayoutWarning, match="1 missing"):
        notes = " ".join(find_videos(root).attrs["notes"])
    assert f"1 fakes are in no meta_data.csv, such as {place.partition('/')[2]}/b.mp4:" in notes
    (root / "meta_data.csv").unlink()
    assert "2 fakes are in no meta_data.csv" in " ".join(find_videos(root).attrs["notes"])


def test_the_test_part_of_avdeepfake1m_has_no_label_and_no_row(tmp_path, touch):
    root = touch(tmp_path, ["val/a/real.mp4", "test/1.mp4"])
    item = {"file": "a/real.mp4", "modify_type": "real", "original": None}
    (root / "val_metadata.json").write_text(json.dumps([item]))
    with pytest.warns(LayoutWarning, match="1 unknown"):
        assert find_videos(root)["split"].tolist() == ["val"]
    kinds = [{"file": "test/1.mp4", "modify_type": "something_new"}]
    (root / "val_metadata.json").write_text(json.dumps([item, *kinds]))
    with pytest.warns(LayoutWarning, match="2 unknown|1 unknown"):
        videos = find_videos(root)
    assert "says 'something_new' of it" in videos.attrs["problems"][0]["reason"]
    (root / "val_metadata.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match='list of objects with the key "file"'):
        find_videos(root)


def test_a_named_set_outranks_plain_folders_and_other_names_do_not(tmp_path, touch):
    names = ["real/0001.mp4", "fake/0001_fake.mp4", "frames/x.mp4"]
    assert find_videos(touch(tmp_path / "UADFV", names)).attrs["layout"] == "uadfv"
    touch(tmp_path / "mine", names[:2])
    assert find_videos(tmp_path / "mine").attrs["layout"] == "folders"
    assert find_videos(tmp_path / "mine", layout="uadfv")["dataset"].tolist() == ["UADFV"] * 2


@pytest.mark.parametrize("split", ["train", "test"])
def test_ffiw_has_its_test_in_a_folder_of_its_own(tmp_path, touch, split):
    inner = "" if split == "test" else "train/"
    name = "FFIW10K-v1-release" + "-test" * (split == "test")
    root = touch(tmp_path / name, [f"source/{inner}a.mp4", f"target/{inner}a.mp4"])
    touch(root, ["target_mask/train/a.mp4"])
    videos = find_videos(root, strict=True)
    assert videos["label"].tolist() == [0, 1]
    assert videos["split"].tolist() == [split] * 2


def test_sets_two_folders_down_are_found_and_nothing_is_read_twice(tmp_path, touch):
    names = ["1-10.mp4", "more/UADFV/real/0001.mp4", "more/Celeb-DF-v2/Celeb-real/id0_0000.mp4"]
    root = touch(tmp_path / "DeepSpeak", names)
    # In the folder of another data set such a name is not DeepSpeak's.
    touch(root, ["more/UADFV/fake/1-11.mp4", "deep/1-12.mp4"])
    (root / "annotations-fake.csv").write_text("video-file,engine\n")
    with pytest.warns(LayoutWarning, match="1 unknown"):
        videos = find_videos(root)
    assert videos["dataset"].tolist() == ["DeepSpeak"] * 2 + ["Celeb-DF-v2", "UADFV"]
    assert videos.attrs["layout"] == "deepspeak + celebdf + uadfv"


PICTURES = {
    "dffd": {
        "ffhq/train/a.png": "0 real train origin=ffhq",
        "pggan_v2/validation/x/b.png": "1 pggan_v2 val",
        "Deepfakes/test/c.jpg": "1 Deepfakes test",
    },
    "diff": {
        "DiFF_real/val/a.png": "0 real val",
        "train/T2I/SDXL/b.png": "1 SDXL train kind=T2I",
        "test/FE/Imagic/deep/c.webp": "1 Imagic test kind=FE",
    },
    "forgerynet": {
        "Training/image/train_release/1/a.jpg": "0 real train",
        "Validation/image/val_release/9/b.jpg": "1 method_4 val",
    },
}
TEXTS = {
    "Training/image_list.txt": "train_release/1/a.jpg 0 0 0\n",
    "Validation/image_list.txt": "file binary triple 16cls\nval_release/9/b.jpg 1 2 4",
}


@pytest.mark.parametrize("layout", PICTURES)
def test_sets_of_pictures_are_read_as_crops(tmp_path, touch, layout):
    root = touch(tmp_path / "set", PICTURES[layout])
    for name, text in TEXTS.items() if layout == "forgerynet" else ():
        (root / name).write_text(text)
    for place in (root, tmp_path):
        crops = read_crops(place).fillna({"split": "-"})
        assert crops.attrs["layout"] == layout
        assert crops.attrs["problems"] == []
        assert crops["path"].tolist() == sorted(str(root / name) for name in PICTURES[layout])
        assert crops["video"].tolist() == crops["path"].tolist()
        assert crops["frame"].isna().all()
        columns = ["label", "method", "split"]
        more = [name for name in crops.columns if name in ("kind", "origin")]
        for path, line in PICTURES[layout].items():
            row = crops.set_index("path").loc[str(root / path)]
            extra = [f"{name}={row[name]}" for name in more if not pd.isna(row[name])]
            assert " ".join([*map(str, row[columns]), *extra]) == line
    touch(root, ["stray.png"])
    with pytest.warns(LayoutWarning, match="1 unknown"):
        assert len(read_crops(root, layout=layout)) == len(PICTURES[layout])


def test_a_tree_of_real_and_fake_is_read_as_before(tmp_path, touch):
    root = touch(tmp_path, ["train/real/a_1.png", "train/fake/b_2.png"])
    assert read_crops(root)["split"].tolist() == ["train", "train"]
    assert read_crops(root, layout="image_folder").equals(read_crops(root))
    with pytest.raises(InputError, match="none that could be placed"):
        read_crops(root, layout="dffd")


@pytest.mark.parametrize(
    "mark",
    [
        "FaceForensics++/original_sequences/youtube/c23/frames/000/000.png",
        "Celeb-DF-v2/Celeb-real/frames/id0_0000/000.png",
        "UADFV/fake/frames/0001_fake/000.png",
        "DFDCP/method_A/1/frames/1_1/000.png",
        "DF40_train/simswap/000_003/000.png",
    ],
)
def test_frames_of_deepfakebench_are_recognised_without_a_list(tmp_path, touch, mark):
    crops = read_crops(touch(tmp_path / "rgb", [mark]))
    assert crops.attrs["layout"] == "deepfakebench"
    assert read_crops(tmp_path)["path"].equals(crops["path"])


_WORD = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,6}", fullmatch=True)
_DIGITS = st.from_regex(r"[0-9]{3}", fullmatch=True)


@given(method=_WORD, target=_DIGITS, source=_DIGITS, name=st.text(max_size=12))
def test_names_are_placed_by_their_whole_form_or_not_at_all(method, target, source, name):
    layout = LAYOUTS["faceforensics"]
    folder = f"manipulated_sequences/{method}/c23/videos"
    forms = [compiled(pattern.path) for pattern in layout.patterns]
    (found,) = filter(None, (form.fullmatch(f"{folder}/{target}_{source}") for form in forms))
    assert found.groupdict() == {
        "method": method,
        "compression": "c23",
        "target": target,
        "source": source,
    }
    placed = any(form.fullmatch(f"{folder}/{name}") for form in forms)
    assert placed == bool(re.fullmatch(r"\d{3}_\d{3}", name, re.ASCII))


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=4), st.integers(1, 60))
def test_fake_frames_are_those_that_begin_or_end_in_a_period(periods, fps):
    ends = [[begin, begin + length] for begin, length in periods]
    text = fake_frames(ends, float(fps))
    assert (text is None) == (not ends)
    for (begin, end), span in zip(ends, (text or "").split(";"), strict=False):
        first, last = map(int, span.split("-"))
        assert first < last
        # Frame n is shown from n / fps on, until the next one.
        assert first / fps <= begin + 1e-5 < (first + 1) / fps + 2e-5
        assert last / fps >= end - 1e-5 or last == first + 1
