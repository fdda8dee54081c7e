"""Names of people, clips, videos and rows: the same on every machine, and no two things alike."""

import hashlib
import ntpath
import os

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data.manifests import (
    clip_keys,
    crop_keys,
    people,
    real_clips,
    rows_sha256,
    score_keys,
    video_keys,
)


def rows(root="/a", **columns):
    paths = [f"{root}/crops/{i}.png" for i in range(3)]
    videos = [f"{root}/c23/videos/{name}.mp4" for name in ("004", "004", "004_982")]
    return pd.DataFrame({"path": paths, "video": videos, "label": [0, 0, 1], **columns})


def test_clips_are_known_by_name_in_known_data_sets_and_by_path_elsewhere():
    known = {"dataset": "Celeb-DF-v1", "method": ["real", None, "F"]}
    assert clip_keys(rows(**known)).tolist() == [
        "Celeb-DF real 004",
        "Celeb-DF unknown 004",
        "Celeb-DF F 004_982",
    ]
    own = rows(dataset="mine", method="real")
    assert clip_keys(own).tolist() == own["video"].tolist()
    assert clip_keys(own.drop(columns="video")).tolist() == own["path"].tolist()
    assert clip_keys(own.assign(video="/a/../b.mp4")).tolist() == ["/b.mp4"] * 3


def test_people_are_named_within_the_family_of_their_data_set():
    named = rows(dataset="Celeb-DF-v2", target_identity=["1", None, "1"], source_identity="1")
    named.loc[0, "source_identity"] = "2"
    assert people(named) == [("Celeb-DF 1", "Celeb-DF 2"), ("Celeb-DF 1",), ("Celeb-DF 1",)]
    assert people(rows()) == [(), (), ()]


def test_rows_have_the_same_keys_in_other_folders_and_each_its_own():
    columns = {"dataset": "FF++", "method": "m", "frame": pd.array([1, 2, 1], "Int64")}
    assert score_keys(rows(**columns)) == score_keys(rows("/b/c", **columns))
    assert score_keys(rows(**columns))[2] == "FF++/m/videos/004_982/1"
    assert score_keys(rows(dataset="x"))[0] == "x/videos/004/crops/0.png"
    again = score_keys(rows(frame=0))
    assert again == ["videos/004/0 row 0", "videos/004/0 row 1", "videos/004_982/0"]


def test_the_hash_of_rows_is_of_names_and_order_and_not_of_folders():
    here = rows(dataset="FF++", frame=[1, 2, np.nan])
    lines = ["FF++\t1.0\t0\t0.png\t004.mp4", "FF++\t2.0\t0\t1.png\t004.mp4"]
    lines.append("FF++\t\t1\t2.png\t004_982.mp4")
    assert rows_sha256(here) == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert rows_sha256(rows("/b", dataset="FF++", frame=[1, 2, np.nan])) == rows_sha256(here)
    assert rows_sha256(here[::-1]) != rows_sha256(here)


def test_videos_are_told_apart_by_label_and_by_what_is_known():
    table = rows(method="m")
    assert video_keys(table).tolist()[2] == "1\tm\t/a/c23/videos/004_982.mp4"
    assert video_keys(table, ["video"]).tolist()[0] == "0\t/a/c23/videos/004.mp4"
    assert video_keys(table.assign(video=[None, "a", "b"])) is None
    assert video_keys(table.drop(columns="video")) is None


@pytest.mark.parametrize(
    ("real", "fake", "others"),
    [
        (("FF++", "004", "", "004"), ("FF++", "004", "982", "004_982"), ("FF++", "982", "", "982")),
        (
            ("DFD", "01", "", "01__walk"),
            ("DFD", "01", "02", "01_02__walk__A1B2C3D4"),
            ("DFD", "01", "", "01__talk"),
        ),
        (
            ("Celeb-DF-v1", "id0", "", "id0_0001"),
            ("Celeb-DF-v2", "id0", "id1", "id0_id1_0001"),
            ("Celeb-DF-v2", "id0", "", "id0_0000"),
        ),
        (("DFDC", "abc", "", "abc"), ("DFDC", "abc", "", "xyz"), ("DFDC", "xyz", "", "xyz2")),
        (("mine", "", "", "a"), ("mine", "", "", "a_b"), ("mine", "b", "", "b")),
    ],
)
def test_a_fake_is_known_to_be_of_the_clip_it_was_made_from(real, fake, others):
    names = ["dataset", "target_identity", "source_identity", "video"]
    table = pd.DataFrame([real, fake, others], columns=names).assign(label=[0, 1, 0])
    of_real, of_fake, of_other = real_clips(table)
    assert bool(of_fake) == bool(real[1])
    assert of_real == of_fake != of_other
    # Of another compression, or without its original, it is of none.
    assert real_clips(table.assign(compression=["raw", "c23", "raw"]))[1] == ""
    assert real_clips(table[1:]).tolist()[0] == ""


def test_crops_have_the_same_keys_under_the_paths_of_windows(monkeypatch):
    own = dict.fromkeys(("dataset", "method", "compression", "frame"), pd.NA)
    own |= dict.fromkeys(("target_identity", "source_identity"), pd.NA)
    here = rows(**own)
    there = here.assign(
        **{name: "C:" + here[name].str.replace("/", "\\") for name in ("path", "video")}
    )
    expected = crop_keys(here)
    with monkeypatch.context() as patch:
        patch.setattr(os, "path", ntpath)
        assert crop_keys(there) == expected
