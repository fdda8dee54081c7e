"""Where crops go, and videos come from, when the system refuses for a while or for good."""

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from bright_finder import BrightFinder

from deepfake_generalize.data import VIDEO_COLUMNS, extract_faces, extraction_folder, read_crops
from deepfake_generalize.errors import DataMismatchError, InputError


@pytest.fixture
def videos(tmp_path, write_video):
    rows = []
    for name in "ab":
        frames = np.full((20, 96, 128, 3), 16, np.uint8)
        frames[:, 30:62, 40:72] = 200
        path = write_video(tmp_path / f"{name}.mp4", list(frames))
        row = dict.fromkeys(VIDEO_COLUMNS, pd.NA) | {"dataset": "D", "method": "m", "label": 1}
        rows.append(row | {"path": str(path)})
    return pd.DataFrame(rows)


def extract(videos, out, **choices):
    chosen = {"finder": BrightFinder(), "aligner": "finder", "size": 32} | choices
    return extract_faces(videos, out, **chosen)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_video_that_could_not_be_read_for_a_while_is_tried_again(
    videos, tmp_path, monkeypatch, code
):
    real = av.open

    def refuse(name, *args, **kwargs):
        if str(name).endswith("a.mp4"):
            raise av.error.OSError(code, os.strerror(code), name)
        return real(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(av, "open", refuse)
        first = extract(videos, tmp_path / "out")
    assert first.counts == {"ok": 10, "error": 1}

    again = extract(videos, tmp_path / "out")
    assert again.n_done == 1
    assert again.counts == {"ok": 20}


def test_what_is_no_video_is_not_tried_again(videos, tmp_path):
    Path(videos["path"][0]).write_bytes(b"nothing of the kind")
    assert extract(videos, tmp_path / "out").counts == {"ok": 10, "error": 1}
    assert extract(videos, tmp_path / "out").n_done == 0


def test_frames_that_a_disk_withheld_are_tried_again_and_the_others_kept(
    videos, tmp_path, monkeypatch
):
    whole = Path(videos["path"][0]).read_bytes()
    Path(videos["path"][0]).write_bytes(whole[:-300])  # The index lies in front.
    with monkeypatch.context() as patch:
        patch.setattr(extraction_folder, "refusal", lambda _: OSError(errno.EIO, "I/O error"))
        first = extract(videos, tmp_path / "out")
    assert len(read_crops(tmp_path / "out")) == len(first.crops)
    assert all(Path(path).exists() for path in first.crops["path"])
    withheld = set(first.failures["path"])
    assert withheld == {videos["path"][0]}
    assert extract(videos, tmp_path / "out").n_done == 1
    assert extract(videos, tmp_path / "out").n_done == 0


def test_a_file_that_cannot_be_read_is_refused_and_a_readable_one_not(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert extraction_folder.refusal(tmp_path / "a") is None
    assert extraction_folder.refusal(tmp_path / "gone") is None
    memory = Path("/proc/self/mem")  # Its first page is nobody's: an I/O error, even for root.
    if memory.is_file():
        assert extraction_folder.refusal(memory).errno == errno.EIO


class Removes:
    """Progress that removes something once the work has begun."""

    def __init__(self, path):
        self.path = path

    def __call__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


@pytest.mark.parametrize("what", ["out", "out/.partial"])
def test_a_folder_that_is_removed_meanwhile_is_told_of(videos, tmp_path, what):
    with pytest.raises(InputError, match=r"out to stay while crops are written to it") as caught:
        extract(videos, tmp_path / "out", progress=Removes(tmp_path / what))
    assert "Run it again" in caught.value.hint
    assert extract(videos, tmp_path / "out").counts == {"ok": 20}


@pytest.fixture
def other_disk(tmp_path):
    memory = Path("/dev/shm")  # noqa: S108 - only a folder on another disk is made there
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_a_folder_inside_may_lie_on_another_disk(videos, tmp_path, other_disk, tree):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "D").symlink_to(other_disk)
    leftover = other_disk / "m" / "-" / f".{extraction_folder.name_folders(videos)[0][6:]}.partial"
    leftover.mkdir(parents=True)
    assert extract(videos, tmp_path / "out").counts == {"ok": 20}
    assert extract(videos, tmp_path / "out", redo=("ok",)).n_done == 2
    extract(videos, tmp_path / "plain")
    there = {name: content for name, content in tree(other_disk).items() if content}
    plain = {name: content for name, content in tree(tmp_path / "plain" / "D").items() if content}
    assert there == plain
    assert not list(other_disk.rglob(".*"))


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o700), (0o002, 0o775)])
def test_who_may_see_the_crops_is_for_the_umask_to_say(videos, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        done = extract(videos, tmp_path / "out")
    finally:
        os.umask(before)
    folders = {Path(path).parent for path in done.crops["path"]}
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {mode}


def test_a_pipe_where_a_file_should_be_is_refused_and_not_waited_for(videos, tmp_path):
    for name, error in (("settings.json", DataMismatchError), ("crops.csv", InputError)):
        folder = tmp_path / name
        folder.mkdir()
        os.mkfifo(folder / name)
        with pytest.raises(error, match="no regular file"):
            extract(videos, folder)


@pytest.mark.parametrize("name", ["crops.csv", "Failures.csv", "settings.json"])
def test_a_data_set_may_be_called_like_our_files(videos, tmp_path, name):
    done = extract(videos.assign(dataset=name), tmp_path / "out")
    assert done.counts == {"ok": 20}
    assert set(read_crops(tmp_path / "out")["dataset"]) == {name}


def test_scratch_that_leads_elsewhere_is_not_followed(videos, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "kept").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".partial").symlink_to(tmp_path / "theirs")
    extract(videos, tmp_path / "out")
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["kept"]
    assert not (tmp_path / "out" / ".partial").exists()


def test_what_is_being_removed_cannot_take_its_place_any_more(tmp_path, monkeypatch):
    made = tmp_path / ".partial" / "old job" / "new"
    made.mkdir(parents=True)
    (made / "frame_00000.png").touch()
    remove = shutil.rmtree

    def commit_meanwhile(folder, **choices):
        with contextlib.suppress(FileNotFoundError):
            made.rename(tmp_path / "video")
        remove(folder, **choices)

    monkeypatch.setattr(extraction_folder.shutil, "rmtree", commit_meanwhile)
    with extraction_folder.open_folder(tmp_path, {}):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("choice", [{"size": 2_000_000_000}, {"size": 4097}, {"margin": 1e6}])
def test_crops_that_nothing_can_hold_are_refused_before_the_work(videos, tmp_path, choice):
    with pytest.raises(InputError, match=rf"expected {next(iter(choice))}"):
        extract(videos, tmp_path / "out", **choice)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_that_is_another_is_not_said_to_be_this_one(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(InputError) as caught, extraction_folder._failing_in_words(tmp_path):
        raise full
    assert "This disk has room" in caught.value.hint
