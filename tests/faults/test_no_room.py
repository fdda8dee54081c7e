"""Whatever writes a file, where it may not: words, nothing half-written, and then again."""

from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.cli import main
from deepfake_generalize.data import (
    CROP_COLUMNS,
    VIDEO_COLUMNS,
    balanced_splits,
    extract_faces,
    pack,
    read_crops,
    read_image,
)
from deepfake_generalize.data.crops.manifest import write_crops
from deepfake_generalize.data.splits import Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector
from deepfake_generalize.models.training import checkpoints
from deepfake_generalize.study.experiment.records import Records, read_all
from deepfake_generalize.study.scores import read_scores, write_scores

SIDE = 64


@pytest.fixture(scope="module")
def extract(tmp_path_factory, write_video, part_finder):
    """Return a function that extracts from a video of noise, which no codec makes small."""
    frames = np.random.default_rng(0).integers(0, 256, (12, 96, 128, 3), np.uint8)
    video = write_video(tmp_path_factory.mktemp("noise") / "a.mp4", list(frames))
    row = dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": str(video), "label": 1}
    choices = {"finder": part_finder(), "aligner": "finder", "size": SIDE}
    return partial(extract_faces, pd.DataFrame([row]), **choices)


@pytest.fixture(scope="module")
def crops(extract, tmp_path_factory):
    """Its crops, real and fake, of many videos by name."""
    out = tmp_path_factory.mktemp("crops")
    found = extract(out).crops
    rows = [found.assign(label=i % 2, video=f"/v/{i}.mp4") for i in range(4)]
    rows = pd.concat(rows, ignore_index=True)
    paths = [str(out / f"{i}.png") for i in range(len(rows))]
    for old, new in zip(rows["path"], paths, strict=True):
        (out / new).write_bytes((out / old).read_bytes())
    return rows.assign(path=paths)[list(CROP_COLUMNS)]


def many(crops, times=40):
    parts = [crops.assign(path=crops["path"] + f".{i}", method="m" * 40) for i in range(times)]
    return pd.concat(parts, ignore_index=True)


def network():
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(inputs))
    return Detector(keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x)))


def write_extraction(out, extract, crops):
    assert extract(out / "faces").counts == {"ok": 10}
    assert len(read_crops(out / "faces")) == 10


def write_pack(out, extract, crops):
    file = pack(crops, out / "a.h5")
    assert read_image(read_crops(file)["path"].iloc[-1]).shape == (SIDE, SIDE, 3)


def write_manifest(out, extract, crops):
    write_crops(many(crops), out)
    assert len(read_crops(out)) == 40 * len(crops)


def write_splits(out, extract, crops):
    rows = many(crops)
    splits = balanced_splits(rows, train=200, val=200, test=0, by="video")
    assert Splits.load(splits.save(out / "splits.csv")).sha256 == splits.sha256


def write_detector(out, extract, crops):
    Detector.load(network().save(out / "a.keras"))


def write_score_files(out, extract, crops):
    n = 4000
    rows = pd.DataFrame({"key": [f"{i:040}" for i in range(n)], "label": 1, "score": 0.123456789})
    assert len(read_scores(write_scores(out, "set", rows, {"of": "mine"})).frame) == n


def write_records(out, extract, crops):
    records = Records(out / "records" / "a.jsonl")
    records.append({"kind": "k", "key": "big", "scores": [0.123456789] * 20_000})
    assert [each["key"] for each in read_all(out / "records")] == ["big"]


def write_checkpoint(out, extract, crops):
    file = checkpoints.locate(out / "a.npz")
    checkpoints.write(file, {"weights": [np.ones((200, 200))]}, {"epoch": 3})
    assert checkpoints.read(file)[1] == {"epoch": 3}


WRITERS = [
    write_extraction,
    write_pack,
    write_manifest,
    write_splits,
    write_detector,
    write_score_files,
    write_records,
    write_checkpoint,
]
WHOLE = {"settings.json"}
"""A small file that comes first, and stays: it holds of whatever comes after it."""
REFUSED = r"(?s)expected .*{}.*(No space left|File too large|Read-only)"


def files(folder):
    """Return what a reader would find: a last line that was torn off is none."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".jsonl"}


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_said_and_forgiven(disk, extract, crops, write):
    disk.fill(leave=16_384)
    before = files(disk.folder)
    with pytest.raises(InputError, match=REFUSED.format(disk.folder)) as caught:
        write(disk.folder, extract, crops)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert files(disk.folder) - before <= WHOLE
    disk.empty()
    write(disk.folder, extract, crops)


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_that_may_not_grow_is_said_and_forgiven(
    largest_file, tmp_path, extract, crops, write
):
    with (
        largest_file(1000),
        pytest.raises(InputError, match=REFUSED.format(tmp_path)),
    ):
        write(tmp_path, extract, crops)
    assert files(tmp_path) <= WHOLE
    write(tmp_path, extract, crops)


@pytest.mark.parametrize("write", WRITERS)
def test_a_disk_that_is_read_only_is_said_and_forgiven(disk, extract, crops, write):
    disk.forbid()
    with pytest.raises(InputError, match=REFUSED.format(disk.folder)):
        write(disk.folder, extract, crops)
    disk.allow()
    write(disk.folder, extract, crops)


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_where_a_folder_should_be_is_said(tmp_path, extract, crops, write):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=rf"expected .*{tmp_path}"):
        write(tmp_path / "file", extract, crops)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("write", [write_manifest, write_splits, write_detector, write_score_files])
def test_what_was_there_outlives_a_full_disk(disk, extract, crops, write):
    write(disk.folder, extract, crops)
    before = {path: path.read_bytes() for path in disk.folder.rglob("*") if path.is_file()}
    disk.fill(leave=16_384)
    (disk.folder / "filler").rename(disk.folder / "full")
    with pytest.raises(InputError, match=REFUSED.format(disk.folder)):
        write(disk.folder, extract, crops)
    (disk.folder / "full").unlink()
    assert {path: path.read_bytes() for path in before} == before
    if write is write_manifest:
        assert len(read_crops(disk.folder)) == 40 * len(crops)


def test_a_commands_result_never_costs_the_table_that_was_there(disk, tmp_path, capsys):
    scores, out = tmp_path / "s.csv", disk.folder / "t.csv"
    scores.write_text("label,score\n" + "1,0.9\n0,0.1\n" * 20)
    sets = [f"--original={scores}", f"--unseen=A={scores}", "--polarity=fake-high"]
    argv = ["benchmark", f"--detector={'d' * 9000}", *sets, f"--out={out}"]
    out.write_text("precious")
    disk.fill(leave=0)
    assert main(argv) == 2
    assert "the system refused: No space left on device" in capsys.readouterr().err
    assert out.read_text() == "precious"
    disk.empty()
    assert main(argv) == 0
    assert out.stat().st_size > 9000
    assert [path.name for path in disk.folder.iterdir()] == ["t.csv"]


def test_a_configuration_that_found_no_room_leaves_nothing_in_its_own_way(disk, capsys):
    out = disk.folder / "paper.toml"
    disk.fill(leave=0)
    assert main(["study", f"--write-config={out}"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    disk.empty()
    assert not list(disk.folder.iterdir())
    assert main(["study", f"--write-config={out}"]) == 0
