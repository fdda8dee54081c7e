"""The extraction job: every video accounted for, resumable, the same however it is run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from bright_finder import BrightFinder

from deepfake_generalize.data.crops import (
    CROP_COLUMNS,
    VIDEO_COLUMNS,
    pack,
    read_crops,
    read_failures,
    read_image,
    read_landmarks,
    to_dataset,
)
from deepfake_generalize.data.extraction import extract_faces, extraction_folder
from deepfake_generalize.data.faces.alignment import LandmarkNetwork
from deepfake_generalize.data.faces.crop_video import crop_video
from deepfake_generalize.data.layouts import LayoutWarning, find_videos
from deepfake_generalize.data.splits import balanced_splits
from deepfake_generalize.errors import DataMismatchError, InputError, VideoError


@pytest.fixture
def clip(write_video):
    def make(path, n_frames=20, *, faces=True, level=255):
        frames = []
        for number in range(n_frames):
            frame = np.full((96, 128, 3), 16, np.uint8)
            if faces is True or (faces and number in faces):
                frame[30:62, 40 + number : 72 + number] = level
            frames.append(frame)
        return write_video(path, frames)

    return make


@pytest.fixture
def models(shared_data, monkeypatch):
    for name, file in (
        ("FACE_MODEL", "face_detection_full_range_sparse"),
        ("LANDMARK_MODEL", "face_landmark"),
    ):
        path = shared_data(f"mediapipe/{file}.tflite")
        monkeypatch.setenv(f"DEEPFAKE_GENERALIZE_{name}", str(path))


def manifest(*paths, label=1):
    row = dict.fromkeys(VIDEO_COLUMNS, pd.NA) | {"dataset": "D", "method": "m", "label": label}
    return pd.DataFrame([row | {"path": str(path)} for path in paths])


def extract(videos, out, **choices):
    chosen = {"finder": BrightFinder(), "aligner": "finder", "size": 32} | choices
    return extract_faces(videos, out, **chosen)


def test_every_video_ends_in_the_manifests(clip, tmp_path):
    whole, part = clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4", faces=range(10))
    empty, dim = clip(tmp_path / "c.mp4", faces=False), clip(tmp_path / "d.mp4", 4, level=180)
    (tmp_path / "e.mp4").write_bytes(b"")
    videos = manifest(whole, part, empty, dim, tmp_path / "e.mp4", tmp_path / "gone.mp4")

    done = extract(videos, tmp_path / "out")

    count = done.crops.groupby(done.crops["video"].map(lambda path: Path(path).name)).size()
    assert count.to_dict() == {"a.mp4": 10, "b.mp4": 5, "d.mp4": 4}
    failed = done.failures.groupby(done.failures["path"].map(lambda path: Path(path).name))
    assert failed.size().to_dict() == {"b.mp4": 5, "c.mp4": 1, "e.mp4": 1, "gone.mp4": 1}
    nothing = done.failures.set_index(done.failures["path"].map(lambda path: Path(path).name))
    assert nothing.loc["c.mp4", "status"] == "no_face"
    assert pd.isna(nothing.loc["c.mp4", "frame"])
    assert nothing.loc["c.mp4", "reason"] == "no face found in any of the 10 sampled frames"
    assert nothing.loc["gone.mp4", "status"] == "missing"
    assert (nothing["reason"].str.len() > 0).all()
    assert set(done.crops.loc[done.crops["flag"].notna(), "flag"]) == {"low_score"}
    assert (done.n_videos, done.n_done) == (6, 6)
    assert "6 videos (3 without a crop), 19 ok" in repr(done)
    pd.testing.assert_frame_equal(read_crops(done.folder), done.crops, check_dtype=False)
    pd.testing.assert_frame_equal(read_failures(done.folder), done.failures, check_dtype=False)


def test_a_fake_of_moments_is_sampled_within_them_and_told_where_it_has_none(clip, tmp_path):
    names = ("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    videos = manifest(*(clip(tmp_path / name, 60) for name in names))
    videos["fake_frames"] = [pd.NA, "5-7;41-43", "90-95", "5-7"]
    videos.loc[3, "label"] = 0
    every = extract(videos.drop(columns="fake_frames"), tmp_path / "out", frames_per_video=3)
    assert set(every.crops["frame"]) == {10, 30, 50}

    # The same folder: what was sampled by another rule is done again.
    done = extract(videos, tmp_path / "out", frames_per_video=3)

    assert done.n_done == 2
    taken = done.crops.groupby(done.crops["video"].str[-5:])["frame"].agg(list).to_dict()
    assert taken == {"a.mp4": [10, 30, 50], "b.mp4": [5, 41, 42], "d.mp4": [10, 30, 50]}
    assert set(done.crops.loc[done.crops["video"].str.endswith("b.mp4"), "label"]) == {1}
    (failed,) = done.failures.to_dict("records")
    assert (failed["path"][-5:], failed["status"]) == ("c.mp4", "no_frames")
    assert "frames among 90-95, received 60 frames" in failed["reason"]


def test_crops_on_disk_are_those_in_memory(clip, tmp_path):
    path = clip(tmp_path / "a.mp4")
    in_memory = crop_video(path, size=32, finder=BrightFinder(), aligner="finder")
    on_disk = extract(manifest(path), tmp_path / "out").crops

    assert in_memory.images.shape == (10, 32, 32, 3)
    assert in_memory.coverage == 1.0
    assert repr(in_memory) == "VideoCrops(10 of 10 frames, 32x32)"
    assert in_memory.frames["frame"].tolist() == on_disk["frame"].tolist()
    for image, file in zip(in_memory.images, on_disk["path"], strict=True):
        np.testing.assert_array_equal(read_image(file), image)
    assert Path(on_disk["path"][0]).parts[-5:-2] == ("D", "m", "-")
    # The bright square is the box; the margin leaves dark around it.
    assert in_memory.images[:, 10:22, 10:22].min() > 200
    assert in_memory.images[:, 0].max() < 60


@pytest.mark.slow
def test_the_number_of_jobs_changes_nothing(models, shared_data, tmp_path, tree):
    clips = [shared_data("videos/short_clip.mp4"), tmp_path / "gone.mp4"]
    one = extract_faces(manifest(*clips), tmp_path / "one")
    two = extract_faces(manifest(*clips), tmp_path / "two", n_jobs=2)

    assert one.counts == two.counts
    assert len(one.crops) == 6
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_second_call_does_nothing_twice(clip, tmp_path, tree):
    first, second = clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4")
    before = extract(manifest(first, second), tmp_path / "out")
    files = tree(tmp_path / "out")

    again = extract(manifest(first, second), tmp_path / "out")
    assert again.n_done == 0
    assert tree(tmp_path / "out") == files
    pd.testing.assert_frame_equal(again.crops, before.crops)

    clip(first, 12)  # Another film under the same name.
    assert extract(manifest(first, second), tmp_path / "out").n_done == 1


def test_crops_outlive_their_video_and_other_calls(clip, tmp_path):
    first, second = clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4")
    extract(manifest(first), tmp_path / "out")
    first.unlink()
    assert extract(manifest(first), tmp_path / "out").counts == {"ok": 10}

    extract(manifest(second, tmp_path / "gone.mp4"), tmp_path / "out")
    assert read_crops(tmp_path / "out")["video"].nunique() == 2
    assert len(read_failures(tmp_path / "out")) == 1


def test_frames_by_label(clip, tmp_path):
    path = clip(tmp_path / "a.mp4")
    wanted = {"real": 4, "fake": 2}
    real = extract(manifest(path, label=0), tmp_path / "r", frames_per_video=wanted)
    fake = extract(manifest(path, label=1), tmp_path / "f", frames_per_video=wanted)
    assert (len(real.crops), len(fake.crops)) == (4, 2)


def test_progress_counts_up_to_all_videos(clip, tmp_path):
    seen = []
    videos = manifest(clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4"))
    extract(videos, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_other_settings_are_refused(clip, tmp_path):
    videos = manifest(clip(tmp_path / "a.mp4"))
    extract(videos, tmp_path / "out")
    with pytest.raises(DataMismatchError, match=r"margin: 1.3 there, 1.5 asked for"):
        extract(videos, tmp_path / "out", margin=1.5)
    (tmp_path / "out" / "settings.json").write_text("{")
    with pytest.raises(DataMismatchError, match=r"settings.json as extract_faces writes it"):
        extract(videos, tmp_path / "out")


def test_two_extractions_do_not_share_a_folder(clip, tmp_path):
    videos = manifest(clip(tmp_path / "a.mp4"))
    with (
        extraction_folder.open_folder(tmp_path / "out", {}),
        pytest.raises(DataMismatchError, match="no extraction is running"),
    ):
        extract(videos, tmp_path / "out")


def test_what_ended_in_a_status_is_done_again_when_asked(clip, tmp_path, tree):
    part, whole = clip(tmp_path / "a.mp4", faces=range(10)), clip(tmp_path / "b.mp4")
    empty, gone = clip(tmp_path / "c.mp4", faces=False), clip(tmp_path / "d.mp4", faces=False)
    videos = manifest(part, whole, empty, gone)
    first = extract(videos, tmp_path / "out")
    gone.unlink()
    files = tree(tmp_path / "out")
    assert extract(videos, tmp_path / "out", redo=["corrupt"]).n_done == 0
    again = extract(videos, tmp_path / "out", redo=["no_face", "error"])
    assert again.n_done == 2
    pd.testing.assert_frame_equal(again.crops, first.crops)
    pd.testing.assert_frame_equal(again.failures, first.failures)
    assert tree(tmp_path / "out") == files
    assert extract(videos, tmp_path / "out", redo={"ok"}).n_done == 2


def test_every_crop_carries_the_hash_of_its_settings(clip, tmp_path):
    videos = manifest(clip(tmp_path / "a.mp4"))
    one, two = (extract(videos, tmp_path / str(m), margin=m).crops for m in (1.3, 1.5))
    assert [set(crops["settings"].str.len()) for crops in (one, two)] == [{12}, {12}]
    assert set(one["settings"]).isdisjoint(two["settings"])
    assert read_crops(tmp_path / "1.3")["settings"].tolist() == one["settings"].tolist()


def test_one_odd_video_does_not_end_the_job_and_is_tried_again(clip, tmp_path, monkeypatch):
    videos = manifest(clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4", 4))

    def fail(self, image):
        raise RuntimeError("odd")

    with monkeypatch.context() as patch:
        patch.setattr(BrightFinder, "find", fail)
        failed = extract(videos, tmp_path / "out")
    assert failed.failures["reason"].tolist() == ["RuntimeError: odd"] * 2
    assert extract(videos, tmp_path / "out").counts == {"ok": 14}


def test_columns_of_the_user_reach_the_crops_their_splits_and_their_pack(clip, tmp_path):
    paths = [clip(tmp_path / f"{name}.mp4", faces=range(4)) for name in "ab"]
    videos = pd.DataFrame({"path": paths, "label": [0, 1], "identity": ["x", "y"]})
    videos = videos.assign(country=["CH", "KE"], score=[0.25, 1], video=["first", "second"])
    done = extract(videos, tmp_path / "out")
    own = ["target_identity", "country", "own_score", "own_video"]
    told = {"x": ("x", "CH", "0.25", "first"), "y": ("y", "KE", "1.0", "second")}
    splits = balanced_splits(done.crops, train=0, val=0, test=2)
    file = splits.save(tmp_path / "splits.csv")
    for crops in (
        done.crops,
        read_crops(tmp_path / "out"),
        splits.test,
        type(splits).load(file).test,
        read_crops(pack(done.crops, tmp_path / "crops.h5")),
    ):
        assert [*crops.columns][: len(CROP_COLUMNS)] == [*CROP_COLUMNS]
        assert set(crops["score"]) == {0.9}
        assert set(crops[own].itertuples(index=False, name=None)) <= {*told.values()}
        assert [told[row["target_identity"]][3] for _, row in crops.iterrows()] == [
            {"a": "first", "b": "second"}[Path(video).stem] for video in crops["video"]
        ]


def test_videos_without_a_label_give_crops_without_one(clip, tmp_path):
    paths = [clip(tmp_path / f"{name}.mp4", faces=range(4)) for name in "ab"]
    done = extract(pd.DataFrame({"path": paths}), tmp_path / "out")
    assert done.crops["label"].isna().all()
    again = read_crops(tmp_path / "out")
    assert again.equals(done.crops)
    packed = read_crops(pack(again, tmp_path / "crops.h5"))
    assert packed["label"].isna().all()
    for refused in (
        lambda: to_dataset(again),
        lambda: balanced_splits(packed, train=0, val=0, test=2),
    ):
        with pytest.raises(InputError, match=r"a label in every row of crops.* have none"):
            refused()
    mixed = extract(manifest(clip(tmp_path / "c.mp4", faces=range(4))), tmp_path / "out")
    assert len(mixed.crops) == len(read_crops(tmp_path / "out")["label"].dropna())


def test_a_picture_is_a_video_of_one_frame(tmp_path):
    image = np.full((96, 128, 3), 16, np.uint8)
    image[30:62, 40:72] = 255
    image[40:50, 46:56, 0] = 250
    for name in ("a.png", "b.bmp"):
        assert cv2.imwrite(str(tmp_path / name), image[..., ::-1])
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    paths = [tmp_path / name for name in ("a.png", "b.bmp", "bad.jpg", "gone.webp")]
    done = extract(pd.DataFrame({"path": paths}), tmp_path / "out", aligner="finder")
    assert done.crops["frame"].tolist() == [0, 0]
    assert done.failures["status"].tolist() == ["error", "missing"]
    (crop,) = crop_video(paths[0], finder=BrightFinder(), aligner="finder", size=32).images
    assert (crop == read_image(done.crops["path"][0])).all()
    assert crop.max() == 255


def test_frames_of_a_class_and_videos_without_one(clip, tmp_path):
    videos = pd.DataFrame({"path": [clip(tmp_path / "a.mp4")], "label": [pd.NA]})
    done = extract(videos, tmp_path / "out", frames_per_video={"real": 3, "fake": 2})
    assert len(done.crops) == 3


@pytest.mark.parametrize(
    ("videos", "choices", "message"),
    [
        (pd.DataFrame(), {}, r"missing: path\..*Use data\.find_videos"),
        (manifest().reindex(columns=VIDEO_COLUMNS), {}, "at least one video"),
        (manifest("a.mp4", "a.mp4"), {}, "more than once"),
        (manifest("a.mp4", label=2), {}, r"labels 0 \(real\) and 1 \(fake\)"),
        (manifest("a.mp4"), {"frames_per_video": 0}, "whole number from 1, received 0"),
        (manifest("a.mp4"), {"frames_per_video": {"real": 1}}, r"received the keys \['real'\]"),
        (manifest("a.mp4"), {"n_jobs": 0}, "whole number other than 0 .*received 0"),
        (manifest("a.mp4"), {"n_jobs": "2"}, "whole number other than 0 .*received '2'"),
        (manifest("a.mp4"), {"redo": "no_face"}, r"collection of statuses \(corrupt, .*'no_face'"),
        (manifest("a.mp4"), {"redo": ["odd"]}, r"collection of statuses .*received \['odd'\]"),
        (manifest("a.mp4"), {"finder": 3}, r"or a FaceFinder .*received int.*CascadeFinder\(\)"),
        (manifest("a.mp4"), {"finder": BrightFinder}, "or a FaceFinder .*received type"),
        (manifest("a.mp4"), {"size": 0}, "expected size to be"),
        (manifest("a.mp4"), {"margin": -1}, "expected margin to be"),
        (manifest("a.mp4"), {"aligner": "no"}, "expected aligner to be one of"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_made(tmp_path, videos, choices, message):
    with pytest.raises(InputError, match=message):
        extract(videos, tmp_path / "out", **choices)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"expected a folder that can be written, received .*out"):
        extract(manifest("a.mp4"), tmp_path / "file" / "out")


def test_a_finder_that_is_none_is_refused_in_memory_too():
    with pytest.raises(InputError, match=r"or a FaceFinder .*received int"):
        crop_video("a.mp4", finder=3, aligner="finder")


def test_a_missing_video_raises_in_memory(tmp_path):
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        crop_video(tmp_path / "gone.mp4", finder=BrightFinder(), aligner="finder")


def test_names_of_folders_are_safe_and_distinct():
    rows = pd.DataFrame(
        {
            "path": ["/x/1/a/b/c.mp4", "/x/2/a/b/c.mp4", "/x/1/../é/ .mp4"],
            "dataset": ["D", "D", "../up"],
            "method": "m",
            "compression": [pd.NA, pd.NA, ""],
        }
    )
    names = extraction_folder.name_folders(rows)
    assert len(set(names)) == 3
    assert not any(part in {"..", ""} for name in names for part in name.split("/"))


def test_the_folder_of_a_video_is_called_the_same_wherever_the_data_set_lies():
    row = {"dataset": "FF++", "method": "real", "compression": pd.NA}
    for path in ("/a/b/c/001.mp4", "/elsewhere/a/b/c/001.mp4"):
        names = extraction_folder.name_folders(pd.DataFrame([{"path": path, **row}]))
        assert names == ["FF++/real/-/001-f4adc8be"]


@pytest.mark.slow
def test_a_killed_job_resumes_and_leaves_nothing_half_done(clip, tmp_path, tree):
    paths = [clip(tmp_path / f"{number}.mp4") for number in range(6)]
    out, slow = tmp_path / "out", tmp_path / "slow.py"
    slow.write_text(
        "import sys\n"
        f"sys.path.append({str(Path(__file__).with_name('modules'))!r})\n"
        "import pandas as pd\n"
        "from bright_finder import BrightFinder\n"
        "from deepfake_generalize.data import extract_faces\n"
        f"videos = pd.read_json({str(tmp_path / 'videos.json')!r})\n"
        "choices = {'finder': BrightFinder(0.02), 'aligner': 'finder', 'size': 32}\n"
        f"extract_faces(videos, {str(out)!r}, **choices)\n"
    )
    manifest(*paths).to_json(tmp_path / "videos.json")
    process = subprocess.Popen([sys.executable, str(slow)])
    deadline = time.monotonic() + 60
    while len(list(out.glob("D/*/*/*/record.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    finished = [json.loads(file.read_text()) for file in out.glob("D/*/*/*/record.json")]
    assert 2 <= len(finished) < 6
    assert not (out / "crops.csv").exists()

    resumed = extract(manifest(*paths), out)
    assert resumed.n_done == 6 - len(finished)
    assert not (out / ".partial").exists()
    extract(manifest(*paths), tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.slow
def test_ten_upright_crops_of_each_real_video(models, shared_data, tmp_path):
    with pytest.warns(LayoutWarning):
        videos = find_videos(shared_data("dfdc"), layout="dfdc")
    done = extract_faces(videos, tmp_path / "out")

    present = [path for path in videos["path"] if Path(path).exists()]
    assert done.crops.groupby("video").size().to_dict() == dict.fromkeys(present, 10)
    assert {read_image(path).shape for path in done.crops["path"]} == {(256, 256, 3)}
    assert (done.crops["aligner"] == "landmarks").mean() > 0.9


@pytest.mark.slow
def test_a_crowd_and_a_film_with_cuts_keep_one_person(models, shared_data):
    crowd = crop_video(shared_data("videos/people.mp4"))
    film = crop_video(shared_data("videos/short_clip.mp4"))

    assert len(crowd.images) == 10
    lefts = crowd.frames["box"].str.split(",").str[0].astype(float)
    assert lefts.between(700, 1000).all()  # the boy in blue, read off the frames
    ok = film.frames["status"] == "ok"
    assert film.frames.loc[ok, "frame"].tolist() == [
        13,
        96,
        123,
        151,
        178,
        206,
    ]  # the singer's shots
    assert film.frames.loc[~ok, "reason"].str.contains("subject is not (?:among|the one)").all()


@pytest.mark.slow
def test_landmarks_are_kept_in_pixels_of_the_crop_and_survive_a_rerun(
    models, shared_data, tmp_path
):
    videos = manifest(shared_data("dfdc/samples/lynaeydofd_real.mp4"), label=0)
    choices = {"frames_per_video": 2, "size": 192, "margin": 1.5}
    crops = extract_faces(videos, tmp_path / "out", **choices).crops
    again = extract_faces(videos, tmp_path / "out", **choices).crops
    points = read_landmarks(again)
    assert points.shape == (2, 468, 2)
    in_memory = crop_video(videos["path"][0], **choices)
    np.testing.assert_array_equal(read_landmarks(crops), points)
    np.testing.assert_array_equal(in_memory.landmarks, points)
    # These crops are what the network itself takes, so what it finds on them is the oracle.
    network = LandmarkNetwork(shared_data("mediapipe/face_landmark.tflite"))
    found = np.stack([network(read_image(path))[0][:, :2] for path in crops["path"]])
    distances = np.linalg.norm(found - points, axis=2)
    assert np.median(distances) < 1.5
    assert distances.max() < 8
