"""Files of strangers: only regular ones, and zip files that unpack to what they look like."""

import os
import signal
import struct
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data, models, study
from deepfake_generalize._system.bounded_files import open_arrays
from deepfake_generalize.data import synthetic
from deepfake_generalize.data.crops import write_crops
from deepfake_generalize.errors import DeepfakeGeneralizeError, InputError
from deepfake_generalize.models.detectors import archive
from deepfake_generalize.models.training import checkpoints
from deepfake_generalize.study.experiment import records, toml
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.report.publish import read_maps
from deepfake_generalize.study.scores import read_scores


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
