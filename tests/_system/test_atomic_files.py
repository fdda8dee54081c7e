"""Files that appear whole, and locks on files."""

import contextlib
import io
import os
import zipfile

import numpy as np
import pytest

from deepfake_generalize._system.atomic_files import remove_abandoned, replacing, write_arrays
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
    assert target.stat().st_mode & 0o777 == 0o644


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
