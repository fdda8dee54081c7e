"""What a benchmark says of things that its sets share."""

import functools
import warnings
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import CROP_COLUMNS, pack, read_crops
from deepfake_generalize.data.leakage import LeakageWarning
from deepfake_generalize.errors import InputError
from deepfake_generalize.study import benchmark as full_benchmark

# Most tests ask for neither audit nor intervals: what they are about does not depend on them.
benchmark = functools.partial(full_benchmark, audit=False, resampling=None)


def manifest(crops, rows, name: str, people: list[str]) -> pd.DataFrame:
    table = crops(rows, name=name)
    videos = [
        f"/videos/FF++/{label}/{who}.mp4" for label, who in zip(table["label"], people, strict=True)
    ]
    return table.assign(video=videos, dataset="FF++", method="x", target_identity=people)


def test_people_in_two_sets_are_found_and_warned_of_and_the_audit_can_be_left_out(
    redness, crops
) -> None:
    home = manifest(crops, [(1, 255), (0, 0)], "home", ["001", "002"])
    away = manifest(crops, [(1, 200), (0, 90)], "away", ["001", "003"])
    with pytest.warns(LeakageWarning, match="original and AWAY share 1 person "):
        result = full_benchmark(redness, original=home, unseen={"AWAY": away}, resampling=None)
    kinds = set(result.leakage["kind"])
    assert "identity" in kinds
    assert any("original and AWAY share 1 by identity: a leak" in note for note in result.notes)
    assert result.provenance["audit"] == "done, without the training data"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = benchmark(redness, original=home, unseen={"AWAY": away})
    assert quiet.leakage is None
    assert quiet.provenance["audit"] == "left out"


def test_what_specialized_sets_share_with_the_training_data_is_told_apart(redness, crops) -> None:
    train = manifest(crops, [(1, 250), (0, 10)], "train", ["001", "002"])
    home = manifest(crops, [(1, 240), (0, 20)], "home", ["011", "012"])
    away = manifest(crops, [(1, 200), (0, 90)], "away", ["021", "022"])
    same = manifest(crops, [(1, 180), (0, 70)], "same", ["001", "002"])
    sets = {"original": home, "unseen": {"FS": away}, "resampling": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakageWarning)
        result = full_benchmark(
            redness, **sets, specialized={"FS-I": same}, trained_on={"F2F": train}
        )
    shared = result.leakage.query("kind == 'identity'")
    assert set(zip(shared["set_a"], shared["set_b"], strict=True)) == {("FS-I", "training")}
    assert shared["by_design"].all()
    with pytest.warns(LeakageWarning, match="FS and training share 2 persons"):
        full_benchmark(
            redness, original=home, unseen={"FS": same}, trained_on=train, resampling=None
        )


def test_scores_that_name_nothing_cannot_be_audited(scores_with) -> None:
    table = scores_with(75)
    result = full_benchmark("x", original=table, unseen={"A": table}, resampling=None)
    assert result.leakage is None
    assert result.provenance["audit"] == "no images or videos are known"


@pytest.mark.parametrize(
    ("trained_on", "message"),
    [
        ({"A": None, "B": None}, "trained_on to name one data set, received 2"),
        ([1], "trained_on to be crops, a folder of them or Splits, received list"),
    ],
)
def test_training_data_of_another_kind_are_refused(scores_with, trained_on, message: str) -> None:
    table = scores_with(75)
    with pytest.raises(InputError, match=message):
        benchmark("x", original=table, unseen={"A": table}, trained_on=trained_on)


def test_crops_in_a_pack_are_scored_and_audited_by_their_pictures(redness, crops, tmp_path) -> None:
    rng = np.random.default_rng(0)
    home = crops([(1, 255), (0, 0)], name="home", equal=True)
    for path in home["path"]:
        cv2.imwrite(path, rng.integers(0, 256, (64, 64, 3), np.uint8))
    columns = {name: home.get(name, pd.NA) for name in CROP_COLUMNS}
    packed = read_crops(pack(pd.DataFrame(columns).assign(video=home["path"]), tmp_path / "a.h5"))
    with pytest.warns(LeakageWarning, match="original and A share 2 near-duplicate"):
        result = full_benchmark(
            redness, original=home, unseen={"A": packed[["path", "label"]]}, resampling=None
        )
    assert result.coverage["A"] == {"ok": 2, "total": 2}


METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def usual(crops) -> dict[str, pd.DataFrame]:
    """Sets of four methods that share the reals of FaceForensics++, as the field's protocol has."""
    reals = crops([(0, 9), (0, 60)], name="reals").assign(method="real")
    sets = {}
    for number, method in enumerate(METHODS):
        fakes = crops([(1, 250 - 9 * number), (1, 199 - 9 * number)], name=method)
        table = pd.concat([reals, fakes.assign(method=method)], ignore_index=True)
        table["video"] = [f"/v/{Path(path).stem}.mp4" for path in table["path"]]
        people = {"dataset": "FF++", "target_identity": ["000", "001"] * 2}
        sets[method] = table.assign(**people)
    return sets


def test_the_fields_usual_protocol_gives_one_note(redness, crops) -> None:
    home, *away = usual(crops).items()
    sets = {"original": home[1], "unseen": dict(away), "resampling": None}
    with pytest.warns(LeakageWarning):
        told = [note for note in full_benchmark(redness, **sets).notes if ": a leak" in note]
    assert len(told) >= 6
    design = [("original", *METHODS[1:])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = full_benchmark(redness, **sets, shared_by_design=design)
    about = [note for note in result.notes if "share" in note or "leak" in note]
    names = f"original, {', '.join(METHODS[1:])}"
    assert about == [f"shared by design, among {names}: 2 videos, 2 people"]
    assert result.leakage["by_design"].all()
    only_people = {("original", *METHODS[1:]): "identity"}
    with pytest.warns(LeakageWarning, match="share 2 videos"):
        full_benchmark(redness, **sets, shared_by_design=only_people)


def test_no_frame_of_the_training_data_is_meant_to_be_tested_on(redness, crops) -> None:
    sets = usual(crops)
    given = {"original": sets["Deepfakes"], "unseen": {"FS": sets["FaceSwap"]}, "resampling": None}
    design = [("original", "FS", "training")]
    with pytest.warns(LeakageWarning, match="FS and training share 2 videos"):
        full_benchmark(redness, **given, trained_on=sets["Face2Face"], shared_by_design=design)


@pytest.mark.parametrize("wrong", ["FS", ("original",), ("original", "NT"), ["original", "FS"]])
def test_groups_of_unknown_sets_are_refused_before_anything_is_scored(scores_with, wrong) -> None:
    table = scores_with(75)
    with pytest.raises(InputError, match="groups of two or more of the sets original, FS "):
        benchmark("x", original=table, unseen={"FS": table}, shared_by_design=[wrong])
