"""Files appear whole or not at all, are locked while they are written, and read to their end."""

import contextlib
import errno
import io
import os
import signal
import struct
import tempfile
import threading
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data, models, study
from deepfake_generalize._system import files
from deepfake_generalize._system.files import (
    find_temporary_folder,
    lock,
    lock_file,
    open_arrays,
    remove_abandoned,
    replacing,
    write_arrays,
    write_result,
    write_whole,
)
from deepfake_generalize.cli import failures
from deepfake_generalize.data import synthetic
from deepfake_generalize.data.crops import write_crops
from deepfake_generalize.errors import DeepfakeGeneralizeError, InputError
from deepfake_generalize.models.detectors import archive
from deepfake_generalize.models.training import checkpoints
from deepfake_generalize.study.experiment import records, toml
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.report.publish import read_maps
from deepfake_generalize.study.scores import read_scores


@pytest.fixture
def nowhere(monkeypatch, tmp_path):  # Its folder is made before.
    """Let nothing take temporary files, as on a disk that may only be read."""

    def none():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "_get_default_tempdir", none)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", "")


@pytest.mark.usefixtures("nowhere")
def test_memory_is_taken_first_then_the_place_of_the_result(monkeypatch, tmp_path):
    memory, out = tmp_path / "memory", tmp_path / "not/yet"
    monkeypatch.setattr(files, "_MEMORY", memory)
    find_temporary_folder()
    with pytest.raises(FileNotFoundError):
        tempfile.gettempdir()
    find_temporary_folder(out)
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", None)
    memory.mkdir()
    find_temporary_folder(out)
    assert tempfile.gettempdir() == str(memory)


def test_where_there_is_one_it_stays(tmp_path):
    before = tempfile.gettempdir()
    find_temporary_folder(tmp_path)
    assert tempfile.gettempdir() == before


@pytest.mark.usefixtures("nowhere")
def test_the_command_line_says_what_to_set(capsys):
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    assert failures.report(caught.value) == 2
    assert "hint: set TMPDIR to a folder that you may write to" in capsys.readouterr().err


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
        "deepfake_generalize._system.files.lock", lock_after_another_process_removed_it
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


def bomb(path, member, count=10**9, stored=400_000):
    """Write an .npz whose array declares many bytes, and packs them into few."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count},), }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("facts.npy", "w") as facts:
            np.save(facts, np.frombuffer(b"{}", np.uint8))
        with file.open(f"{member}.npy", "w") as array:
            array.write(b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header)
            array.write(bytes(stored))
    content = bytearray(path.read_bytes())
    size = content.rfind(b"PK\x01\x02") + 24
    struct.pack_into("<I", content, size, count)  # As if all of it were there.
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("read", "member"),
    [(checkpoints.read, "weights/00000"), (read_maps, f"{UNSEEN_SETS[0]}/images")],
)
def test_arrays_that_unpack_to_far_more_are_refused_from_the_directory(read, member, tmp_path):
    bomb(tmp_path / "a.npz", member)
    with pytest.raises(InputError, match=r"it may unpack to at most 100,000,000 bytes"):
        read(tmp_path / "a.npz")


def test_descriptions_are_limited_in_checkpoints_and_detectors(tmp_path):
    file = tmp_path / "a.npz"
    checkpoints.write(file, {"weights": [np.ones(3)]}, {"x": "y" * 11_000_000})
    with pytest.raises(InputError, match=r"bytes of description, facts\.npy"):
        checkpoints.read(file)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(inputs))
    path = archive.write(
        keras.Model(inputs, x),
        {"fake_index": 1, "name": "n" * 11_000_000, "training": None},
        tmp_path / "a.keras",
    )
    with pytest.raises(InputError, match=r"bytes of description, deepfake_generalize\.json"):
        models.Detector.load(path)


def test_arrays_come_back_and_pickles_do_not(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.ones(2), two=np.array([{}]))
    with open_arrays(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["one"], np.ones(2))
        with pytest.raises(ValueError, match="allow_pickle"):
            _ = arrays["two"]


def score_facts(path):
    (path.parent / "s.csv").write_text("label,score\n1,.5\n")
    return read_scores(path.parent / "s.csv")


READERS = {
    "checkpoint.npz": checkpoints.read,
    "maps.npz": read_maps,
    "records.jsonl": records.read_lines,
    "study.toml": toml.load,
    "s.json": score_facts,
    "crops.csv": data.read_crops,
    "a.csv": data.find_videos,
    "splits.csv": data.Splits.load,
    "scores.csv": lambda path: read_scores(path, polarity="fake-high"),
    "a.keras": models.Detector.load,
    "a.png": data.read_image,
    "a.h5": data.read_crops,
    "weights.h5": lambda path: models.load_pretrained("mesonet-deepfakes", path=path),
    "failures.csv": lambda path: data.read_failures(path.parent),
}
"""How each kind of file is read that may come from somebody else."""


def make_pipe(path):
    os.mkfifo(path)


def make_link_to_a_device(path):
    path.symlink_to("/dev/zero")


def make_link_to_itself(path):
    path.symlink_to(path.name)


def make_huge(path):
    with path.open("wb") as file:
        file.truncate(40 << 30)


def make_empty(path):
    path.touch()


def make_folder(path):
    path.mkdir()


def make_deep(path):
    path.write_text("[" * 200_000)


def make_nul(path):
    path.write_bytes(bytes(300))


HARMLESS = {
    ("records.jsonl", make_empty),
    ("records.jsonl", make_deep),  # A last line that was cut short.
    ("records.jsonl", make_nul),
    ("study.toml", make_empty),
    ("checkpoint.npz", make_link_to_itself),  # As one that leads nowhere: there is none yet.
}
"""What is read all the same, and says nothing."""


@pytest.fixture
def in_time():
    """Raise where a test waits, for what no limit of pytest's would end."""
    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "make",
    [
        make_pipe,
        make_link_to_a_device,
        make_link_to_itself,
        make_huge,
        make_empty,
        make_folder,
        make_deep,
        make_nul,
    ],
)
def test_what_is_no_such_file_is_refused_in_words_at_once(name, make, tmp_path):
    path = tmp_path / name
    make(path)
    if (name, make) in HARMLESS:
        READERS[name](path)
        return
    with pytest.raises(DeepfakeGeneralizeError) as caught:
        READERS[name](path)
    assert path.name in str(caught.value) or str(path.parent) in str(caught.value)


CROP = dict.fromkeys(data.CROP_COLUMNS) | {"path": "/a.png", "label": 1, "video": "/v.mp4"}
BY_NAME = {
    "read_crops": data.read_crops,
    "find_videos": data.find_videos,
    "read_image": data.read_image,
    "read_failures": data.read_failures,
    "Splits.load": data.Splits.load,
    "StudyConfig": study.StudyConfig.from_toml,
    "make_datasets": lambda path: synthetic.make_datasets(path, size=16, per_split=2),
    "write_crops": lambda path: write_crops(pd.DataFrame([CROP]), path),
    "pack": lambda path: data.pack(pd.DataFrame([CROP]), path),
    "Detector.load": models.Detector.load,
}


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("path", ["a\0b", "x" * 300, "d/" * 3000, "\ud800x"], ids=range(4))
def test_a_name_that_no_file_can_have_is_refused_in_words(name, path, tmp_path):
    with pytest.raises(DeepfakeGeneralizeError):
        BY_NAME[name](f"{tmp_path}/{path}")
    assert not list(tmp_path.iterdir())


def test_a_link_to_itself_takes_no_synthetic_data(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="expected a folder that can be written"):
        synthetic.make_datasets(tmp_path / "loop", size=16, per_split=2)
