"""Files that appear whole, and locks on files."""

import contextlib
import errno
import io
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deepfake_generalize._system.atomic_files import (
    remove_abandoned,
    replacing,
    write_arrays,
    write_result,
    write_whole,
)
from deepfake_generalize._system.file_locks import lock, lock_file


@pytest.mark.parametrize(
    ("theirs", "compression"),
    [(np.savez, zipfile.ZIP_STORED), (np.savez_compressed, zipfile.ZIP_DEFLATED)],
)
def test_arrays_are_written_as_numpy_writes_them(theirs, compression):
    arrays = {
        "set/turned": np.arange(6.0).reshape(2, 3).T,
        "half": np.ones((2, 2), np.float16),
        "one": np.array(3),
        "none": np.zeros((0, 2)),
    }
    expected, received = io.BytesIO(), io.BytesIO()
    theirs(expected, **arrays)
    write_arrays(received, arrays, compression)
    assert received.getvalue() == expected.getvalue()


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path, monkeypatch, durable):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    target = tmp_path / "a.csv"
    target.write_text("old")
    with contextlib.suppress(ZeroDivisionError), replacing(target, durable=durable) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    with replacing(target, suffix=".csv", durable=durable) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".csv")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]
    assert bool(synced) is durable


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_a_new_file_is_for_the_umask_to_say(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a.csv") as temporary:
            assert temporary.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == mode


def test_who_could_read_a_file_still_can(tmp_path):
    target = tmp_path / "a.csv"
    for mode in (0o600, 0o640, 0o644):
        target.touch()
        target.chmod(mode)
        write_whole(target, b"new")
        assert target.stat().st_mode & 0o777 == mode


def test_a_result_goes_where_a_link_leads(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "t.csv"
    link.symlink_to(tmp_path / "real" / "t.csv")
    for content in (b"first", b"second"):
        write_result(link, content)
        assert link.is_symlink()
        assert (tmp_path / "real" / "t.csv").read_bytes() == content


def test_a_result_goes_into_a_pipe_and_a_device(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_result(pipe, b"table")
    reader.join(timeout=10)
    assert read == [b"table"]
    write_result(Path("/dev/null"), b"table")
    assert Path("/dev/null").is_char_device()


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    target = tmp_path / "a.csv"
    left, other = tmp_path / ".a.csv.x1.tmp", tmp_path / ".b.csv.x1.tmp"
    left.touch()
    other.touch()
    with replacing(target) as temporary:
        assert not left.exists()
        remove_abandoned(target)
        assert temporary.exists()
        temporary.write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", other.name}


def test_one_process_at_a_time_is_inside_a_lock_and_its_file_goes(tmp_path):
    file = tmp_path / ".lock"
    with lock_file(file), pytest.raises(BlockingIOError), lock_file(file):
        pytest.fail("two were inside")
    assert not file.exists()
    with pytest.raises(FileNotFoundError), lock_file(tmp_path / "gone" / ".lock"):
        pytest.fail("there is no such folder")


def test_a_lock_on_a_file_that_was_removed_in_between_is_taken_again(tmp_path, monkeypatch):
    file, calls = tmp_path / ".lock", []

    def lock_after_another_process_removed_it(handle):
        lock(handle)
        if not calls:
            file.unlink()
        calls.append(os.fstat(handle).st_ino)

    monkeypatch.setattr(
        "deepfake_generalize._system.file_locks.lock", lock_after_another_process_removed_it
    )
    with lock_file(file):
        assert len(calls) == 2
        assert file.exists()
    assert not file.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_no_locks_are_granted_work_goes_on_with_a_note(tmp_path, monkeypatch, number):
    def refuse(handle, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.warns(UserWarning, match="grants no locks"), lock_file(tmp_path / ".lock"):
        assert (tmp_path / ".lock").exists()
    other = tmp_path / ".a.csv.x1.tmp"
    other.touch()
    write_whole(tmp_path / "a.csv", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", other.name}
