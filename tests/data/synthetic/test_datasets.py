"""The sets on disk: who is in them, and that they are the same however they were made."""

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import audit_shortcuts, read_crops, read_image, read_landmarks
from deepfake_generalize.data.shortcuts import ShortcutWarning
from deepfake_generalize.data.synthetic import make_datasets
from deepfake_generalize.data.synthetic.sets import SETS
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.metrics import Resampling

NINE = ["CELEB", "F2F", "FS", "NT", "DF", "DFD", "CELEB-M", "FS-I", "NT-I"]
METHODS = {
    "CELEB": "Celeb-synthesis",
    "F2F": "Face2Face",
    "FS": "FaceSwap",
    "NT": "NeuralTextures",
    "DF": "Deepfakes",
    "DFD": "DeepFakeDetection",
    "CELEB-M": "Celeb-synthesis",
    "FS-I": "FaceSwap",
    "NT-I": "NeuralTextures",
    "NULL": "null",
}


def people(*tables: pd.DataFrame) -> set[str]:
    return {
        who
        for table in tables
        for column in ("target_identity", "source_identity")
        for who in table[column].dropna()
    }


def footage(table: pd.DataFrame) -> set[tuple[str, int]]:
    return set(zip(table["target_identity"], table["frame"], strict=True))


def pixels(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_nine_sets_and_the_null_set(sets) -> None:
    assert list(sets) == [*NINE, "NULL"]
    for name, splits in sets.items():
        table = pd.concat([splits.train, splits.val, splits.test])
        assert set(table["method"]) == {"real", METHODS[name]}
        assert ((table["method"] == "real") == (table["label"] == 0)).all()
        assert not len(splits.dropped)


def test_splits_have_the_size_asked_for_half_of_them_real(sets) -> None:
    for name, splits in sets.items():
        whole = name in ("CELEB", "F2F", "FS", "NT")
        for part, size in ((splits.train, 24), (splits.val, 16), (splits.test, 16)):
            wanted = size if whole or part is splits.test else 0
            assert len(part) == wanted
            assert (part["label"] == 1).sum() == wanted / 2


def test_identities_are_disjoint_where_the_study_says_so(sets) -> None:
    s = sets
    groups = {
        "P1": people(s["F2F"].train),
        "P2": people(s["F2F"].val),
        "P3": people(s["F2F"].test),
        "Q1-train": people(s["FS"].train, s["NT"].train),
        "Q1-val": people(s["FS"].val, s["NT"].val),
        "Q2": people(s["FS"].test, s["NT"].test, s["DF"].test),
        "C1": people(s["CELEB"].train),
        "C2": people(s["CELEB"].val),
        "C3": people(s["CELEB"].test),
        "M": people(s["CELEB-M"].test),
        "actors": people(s["DFD"].test),
        "N": people(s["NULL"].test),
    }
    names = list(groups)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            assert not groups[one] & groups[other], (one, other)


def test_identities_are_shared_where_the_study_says_so(sets) -> None:
    s = sets
    assert people(s["FS"].train) == people(s["NT"].train)
    assert people(s["FS"].val) == people(s["NT"].val)
    assert people(s["FS"].test) == people(s["NT"].test) == people(s["DF"].test)
    for name in ("FS-I", "NT-I"):
        assert people(s[name].test) == people(s["F2F"].train)


def test_sets_that_share_persons_share_no_frame(sets) -> None:
    for group in (
        [("F2F", "train"), ("FS-I", "test"), ("NT-I", "test")],
        [("FS", "test"), ("NT", "test"), ("DF", "test")],
        [("FS", "train"), ("NT", "train")],
    ):
        taken = [footage(getattr(sets[name], split)) for name, split in group]
        assert len(set.union(*taken)) == sum(len(frames) for frames in taken)


def test_an_original_and_its_fake_are_of_the_same_footage(sets) -> None:
    for splits in sets.values():
        reals, fakes = (splits.test[splits.test["label"] == label] for label in (0, 1))
        assert footage(reals) == footage(fakes)
        assert reals["source_identity"].isna().all()
        assert (fakes["source_identity"] != fakes["target_identity"]).all()


def test_fakes_of_ff_stay_within_pairs(sets) -> None:
    fakes = sets["F2F"].train.query("label == 1")
    pairs = set(zip(fakes["target_identity"], fakes["source_identity"], strict=True))
    assert {(b, a) for a, b in pairs} == pairs


def test_what_lies_on_disk_is_what_was_returned(sets, root) -> None:
    for name, splits in sets.items():
        table = pd.concat([splits.train, splits.val, splits.test])
        read = read_crops(root / name)
        assert sorted(read["path"]) == sorted(table["path"])
        assert set(read["synthetic"]) == {"true"}
        assert read_image(table["path"].iloc[0]).shape == (24, 24, 3)
        points = read_landmarks(table)
        assert points.shape == (len(table), 68, 2)
        # The tip of every nose is near the middle of its crop.
        assert np.abs(points[:, 30] - 11.5).max() < 6
    mark = json.loads((root / "synthetic.json").read_text())
    assert mark["synthetic"] is True
    assert mark["seed"] == 100


def test_no_two_images_are_the_same(sets) -> None:
    paths = [path for splits in sets.values() for path in splits.test["path"]]
    assert len({read_image(path).tobytes() for path in paths}) == len(paths)


@pytest.mark.slow
def test_two_processes_draw_the_same_files(root, sets, make_small, tmp_path) -> None:
    make_small(tmp_path / "twice", n_jobs=2)
    assert pixels(tmp_path / "twice") == pixels(root)


@pytest.mark.slow
def test_another_seed_draws_other_pixels(root, sets, make_small, tmp_path) -> None:
    other = make_small(tmp_path / "other", seed=101)
    assert list(other["FS"].test["frame"]) == list(sets["FS"].test["frame"])
    a, b = pixels(tmp_path / "other"), pixels(root)
    images = [name for name in a if name.endswith(".png")]
    assert a.keys() == b.keys()
    assert not any(a[name] == b[name] for name in images)


@pytest.mark.slow
def test_a_rerun_draws_what_is_missing_and_nothing_else(sets, make_small, tmp_path) -> None:
    folder = tmp_path / "again"
    make_small(folder)
    whole = pixels(folder)
    lost = sorted(folder.rglob("*.png"))[::50]
    for path in lost:
        path.unlink()
    (folder / "DF" / "crops.csv").unlink()
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    again = make_small(folder)
    assert pixels(folder) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert {name: splits.sha256 for name, splits in again.items()} == {
        name: splits.sha256 for name, splits in sets.items()
    }


def test_progress_counts_the_pictures_that_are_missing(tmp_path) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(2):
        make_datasets(tmp_path, size=16, per_split=4, progress=lambda *at: seen.append(at))
    assert seen == [(36, 72), (72, 72)]


@pytest.mark.parametrize(("change", "named"), [({"seed": 7}, "seed=7"), ({"size": 32}, "size=32")])
def test_a_folder_of_other_settings_is_refused(root, sets, make_small, change, named) -> None:
    with pytest.raises(DataMismatchError, match=f"expected .* made with {named}, its synthetic"):
        make_small(root, **change)


def test_a_folder_of_other_things_is_refused(make_small, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataMismatchError, match="it holds other files"):
        make_small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 8}, "expected size to be a whole number from 16, received 8"),
        ({"size": 72.0}, "expected size to be a whole number from 16, received 72.0"),
        ({"seed": -1}, "expected seed to be a whole number from 0, received -1"),
        ({"per_split": 5}, "expected an even number of images for train, .* received 5"),
        ({"per_split": -2}, "the images of train to be a whole number from 0, received -2"),
        ({"per_split": 2.0}, "the images of train to be a whole number from 0, received 2.0"),
        ({"per_split": {"train": 4}}, r"expected per_split to name train, val and test.*\['train'"),
        ({"per_split": 100_000}, "expected at most 45000 images in train of CELEB"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, changes, message) -> None:
    with pytest.raises(InputError, match=message):
        make_datasets(tmp_path / "x", **{"per_split": 4, **changes})
    assert not (tmp_path / "x").exists()


def test_no_train_split_leaves_the_sets_that_share_its_persons(tmp_path) -> None:
    sets = make_datasets(tmp_path, size=16, per_split={"train": 0, "val": 0, "test": 4})
    assert [len(splits.train) for splits in sets.values()] == [0] * 10
    assert people(sets["FS-I"].test) == {"000", "001"}


def test_real_and_fake_of_the_null_set_differ_by_noise_alone(sets) -> None:
    test = sets["NULL"].test
    by_label = [
        test[test["label"] == label].sort_values(["target_identity", "frame"]) for label in (0, 1)
    ]
    for a, b in zip(by_label[0]["path"], by_label[1]["path"], strict=True):
        difference = read_image(a).astype(int) - read_image(b).astype(int)
        assert np.abs(difference).mean() < 5
        assert np.abs(difference).any()


@pytest.mark.slow
def test_no_cue_tells_real_from_fake(tmp_path) -> None:
    few = {"train": 0, "val": 0, "test": 80}
    drawn = make_datasets(tmp_path / "drawn", per_split=few, seed=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShortcutWarning)
        cues = audit_shortcuts(
            {name: splits.test for name, splits in drawn.items()},
            resampling=Resampling(n_resamples=2),
        )
    assert set(cues["set"]) == set(SETS)
    assert {"sharpness", "blockiness", "JPEG quality", "spectrum at period 3"} <= set(cues["cue"])
    assert not cues.query("auc >= 0.75").to_dict("records")
    assert cues.query("set == 'NULL'")["auc"].max() < 0.6
