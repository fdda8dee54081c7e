"""The benchmark on crops with scores known by hand, and on scores that reproduce the paper."""

import functools
import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import deepfake_generalize
from deepfake_generalize.data import CROP_COLUMNS, LeakageWarning, pack, read_crops
from deepfake_generalize.study import benchmark as full_benchmark
from deepfake_generalize.study import published

UNSEEN = ["FS", "NT", "DF", "DFD"]
# Most tests ask for neither audit nor intervals: what they are about does not depend on them.
benchmark = functools.partial(full_benchmark, audit=False, resampling=None)


@pytest.mark.parametrize("equal", [True, False])
def test_crops_of_any_size_give_the_row_worked_by_hand(redness, crops, equal: bool) -> None:
    home = crops([(1, 255), (1, 204), (0, 0), (0, 51)], name="home", equal=equal)
    away = crops([(1, 255), (1, 51), (0, 0), (0, 51)], name="away", equal=equal)
    result = benchmark(redness, original=home, unseen={"AWAY": away})
    assert result.row.to_dict("records") == [
        {
            "detector": "redness", "original_accuracy": 100.0, "AWAY": 75.0,
            "average": 75.0, "degradation": 25.0,
        }
    ]  # fmt: skip
    assert result.scores["AWAY"]["score"].to_list() == pytest.approx([1.0, 0.2, 0.0, 0.2])
    assert result.scores["AWAY"]["path"].to_list() == away["path"].to_list()
    assert result.auc == {"original": 1.0, "AWAY": 0.875}
    assert result.rank is None
    assert "ranks do not compare" in result.rank_reason
    assert result.notes == ()


def test_images_are_read_a_few_at_a_time(redness, crops) -> None:
    home = crops([(1, 255), (0, 0)])
    detector = redness
    many = crops([(1, 255), (0, 0)] * 75, name="many", equal=True)
    result = benchmark(detector, original=many, unseen={"A": home})
    assert detector.calls == [64, 64, 22, 2]
    assert result.coverage["original"] == {"ok": 150, "total": 150}
    assert result.row["original_accuracy"].item() == 100.0


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row["detector"], marks=() if number % 12 == 0 else pytest.mark.nightly)
        for number, row in enumerate(published("V").to_dict("records"))
    ],
)
def test_scores_that_reproduce_a_published_detector_give_its_row_and_rank(scores_with, row) -> None:
    result = benchmark(
        row["detector"],
        original=scores_with(row["original_accuracy"]),
        unseen={name: scores_with(row[name]) for name in reversed(UNSEEN)},
    )
    # The first of the thirty has nothing to lose: who equals it has no rank.
    assert result.rank == (None if row["rank"] == 1 else row["rank"])
    assert ("71.00 % is not clearly above 71.00 %" in result.rank_reason) == (row["rank"] == 1)
    ours = result.row.iloc[0]
    assert list(ours.index) == [
        "detector", "original_accuracy", *reversed(UNSEEN), "average", "degradation",
    ]  # fmt: skip
    for column in ["original_accuracy", *UNSEEN]:
        assert ours[column] == row[column]
    assert result.table("csv").splitlines()[1].split(",")[-2:] == [
        f"{row['average']:.2f}", f"{row['degradation']:.2f}",
    ]  # fmt: skip


def test_between_two_published_detectors(scores_with) -> None:
    unseen = {name: scores_with(50) for name in UNSEEN}
    assert benchmark("new", original=scores_with(92.4), unseen=unseen).rank == 25  # 42.40
    assert benchmark("new", original=scores_with(92.35), unseen=unseen).rank == 24  # 42.35: a tie
    assert benchmark("new", original=scores_with(92.3), unseen=unseen).rank == 24  # 42.30
    assert benchmark("new", original=scores_with(100), unseen=unseen).rank == 31


def test_a_coin_flip_has_no_rank_however_little_it_loses(scores_with) -> None:
    unseen = {name: scores_with(50) for name in UNSEEN}
    flipped = full_benchmark("coin", original=scores_with(50), unseen=unseen)
    assert flipped.rank is flipped.rank_interval is None
    assert "an original accuracy of 50.00 %" in flipped.rank_reason
    assert "no rank: an original accuracy of 50.00 % (from" in repr(flipped)
    near = [full_benchmark("x", original=scores_with(p), unseen=unseen).rank for p in (72, 74)]
    assert near[0] is None  # Its interval reaches below 71.
    assert near[1] == 1 + (published("V")["degradation"] < 24).sum()


def test_an_always_real_detector_has_accuracy_50_and_no_rank(scores_with) -> None:
    real = scores_with(50).assign(score=0.0)
    result = full_benchmark("real", original=real, unseen=dict.fromkeys(UNSEEN, real))
    assert result.row["original_accuracy"].item() == 50.0
    assert result.rank is None
    # Where nine of ten are real it gets 90 %, which is chance there.
    many = pd.DataFrame({"label": [1] * 20 + [0] * 180, "score": 0.0})
    assert full_benchmark("real", original=many, unseen=dict.fromkeys(UNSEEN, real)).rank is None


def test_what_makes_numbers_worthless_is_the_first_note(scores_with) -> None:
    good, turned = scores_with(95), scores_with(100)
    turned["label"] = 1 - turned["label"]
    ask = functools.partial(full_benchmark, "x", audit=False, polarity="fake-high")
    gaps = scores_with(90).assign(status="ok")
    gaps.loc[:9, "status"] = "missing"
    swapped = ask(original=turned, unseen={"A": gaps})
    assert swapped.notes[0].startswith("original: AUC 0.000: nearly every real scores above")
    assert "Are the labels swapped" in swapped.notes[0]
    assert ask(original=good, unseen={"A": turned}).notes[0].startswith("A: AUC 0.000: nearly")
    worse = ask(original=scores_with(40), unseen={"A": gaps})
    assert worse.notes[0] == (
        "original: AUC 0.400: the detector is worse than chance on its own set."
    )
    one_class = ask(original=good, unseen={"A": gaps, "B": good[good["label"] == 1]})
    assert one_class.notes[0].startswith("B: AUC is undefined for one class: all 1000 labels")
    assert not any("AUC" in note for note in ask(original=good, unseen={"A": good}).notes)


def test_a_moved_threshold_is_told(scores_with) -> None:
    home = scores_with(100)
    lower = home.assign(score=home["score"] / 2)  # Fakes at .45, reals at .05.
    notes = benchmark("x", original=home, unseen={"A": lower, "B": scores_with(60)}).notes
    (told,) = [note for note in notes if "threshold moved" in note]
    assert told == (
        "A: its threshold moved: 50.00 of the 50.00 points lost at 0.5 would come back with the "
        "best threshold, which only an oracle knows; AUC 1.000."
    )
    worse = scores_with(60)
    notes = benchmark("x", original=worse, unseen={"A": lower, "B": worse}).notes
    (told,) = [note for note in notes if "threshold moved" in note]
    assert "the 10.00 points lost at 0.5 and 40.00 more would come back" in told
    notes = benchmark("x", original=scores_with(50), unseen={"A": lower}).notes
    assert not any("threshold moved" in note for note in notes)  # Nothing is lost.


def test_a_picture_under_both_labels_is_the_first_note(redness, crops) -> None:
    home = crops([(1, 255), (1, 204), (0, 0), (0, 51)], name="home", equal=True)
    away = crops([(1, 0), (1, 51), (0, 255), (0, 90)], name="away", equal=True)
    result = full_benchmark(redness, original=home, unseen={"AWAY": away})
    first = next(note for note in result.notes if "both labels" in note)
    assert first in result.notes[:2]
    assert first == (
        f"3 pictures stand under both labels, the first as real in original, {home['path'][2]} "
        f"and as fake in AWAY, {away['path'][0]}: are the labels of a set swapped?"
    )


def test_pictures_in_a_pack_and_in_another_format_are_known_again(redness, crops, tmp_path) -> None:
    home = crops([(1, 255), (0, 0)], name="home", equal=True)
    columns = {name: home.get(name, pd.NA) for name in CROP_COLUMNS}
    packed = read_crops(pack(pd.DataFrame(columns).assign(video=home["path"]), tmp_path / "a.h5"))
    bitmaps = [path.replace(".png", ".bmp") for path in home["path"]]
    for path, bitmap in zip(home["path"], bitmaps, strict=True):
        cv2.imwrite(bitmap, cv2.imread(path))
    for other in (packed["path"], bitmaps):
        turned = pd.DataFrame({"path": other, "label": 1 - home["label"]})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LeakageWarning)
            result = full_benchmark(redness, original=home, unseen={"A": turned})
        assert any(note.startswith("2 pictures stand under both labels") for note in result.notes)


def test_one_class_has_no_auc_and_a_note_says_so() -> None:
    table = pd.DataFrame({"label": [1, 1], "score": [0.9, 0.8]})
    both = pd.DataFrame({"label": [1, 0], "score": [0.9, 0.8]})
    result = benchmark("x", original=both, unseen={"FAKES": table})
    assert result.auc == {"original": 1.0, "FAKES": None}
    assert result.row["FAKES"].item() == 100.0
    assert "FAKES: AUC is undefined for one class: all 2 labels are fake." in result.notes
    assert any(note.startswith("FAKES: 2 fake and 0 real images") for note in result.notes)


def test_scores_that_are_all_equal_have_a_note() -> None:
    table = pd.DataFrame({"label": [1, 0, 0], "score": [0.5, 0.5, 0.5]})
    both = pd.DataFrame({"label": [1, 0], "score": [0.9, 0.8]})
    result = benchmark("x", original=both, unseen={"A": table})
    (note,) = [each for each in result.notes if "equal" in each]
    assert note == "A: all 3 scores are equal, so its accuracy is only the share of one class."


def test_auc_is_scikit_learns_on_the_scored_rows() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": rng.integers(0, 2, 300), "score": rng.random(300)})
    holes = table.assign(score=table["score"].where(rng.random(300) > 0.2))
    kept = holes.dropna()
    result = benchmark("x", original=table, unseen={"A": holes})
    assert result.auc["A"] == pytest.approx(roc_auc_score(kept["label"], kept["score"]))


def test_its_own_scores_and_their_csv_give_the_same_row(redness, crops, tmp_path: Path) -> None:
    home = crops([(1, 255), (0, 0)], name="home")
    away = crops([(1, 255), (0, 255), (1, 9)], name="away")
    Path(away["path"][2]).write_bytes(b"")
    first = benchmark(redness, original=home, unseen={"AWAY": away})
    again = benchmark(
        "redness", original=first.scores["original"], unseen={"AWAY": first.scores["AWAY"]}
    )
    first.scores["AWAY"].to_csv(tmp_path / "away.csv", index=False)
    mixed = benchmark(redness, original=home, unseen={"AWAY": tmp_path / "away.csv"})
    for other in (again, mixed):
        pd.testing.assert_frame_equal(other.row, first.row)
        assert other.coverage == first.coverage
    assert again.provenance["source"] == {"original": "scores", "AWAY": "scores"}
    assert mixed.provenance["source"] == {"original": "crops", "AWAY": "scores"}


def test_the_face_finders_score_in_a_crops_manifest_is_not_taken_for_p_fake(redness, crops) -> None:
    rows = crops([(1, 255), (0, 0)])
    home = rows.assign(score=[0.1, 0.9], aligner="eyes", box="0,0,1,1")
    result = benchmark(redness, original=home, unseen={"A": rows})
    assert result.row["original_accuracy"].item() == 100.0
    assert result.provenance["source"]["original"] == "crops"
    assert "aligner" not in result.scores["original"]


def test_a_folder_of_crops_will_do(redness, crops, tmp_path: Path) -> None:
    rows = crops([(1, 255), (0, 0)])
    for path, kind in zip(rows["path"], ("fake", "real"), strict=True):
        (tmp_path / "tree" / kind).mkdir(parents=True)
        Path(path).rename(tmp_path / "tree" / kind / "a.png")
    result = benchmark(redness, original=tmp_path / "tree", unseen={"A": str(tmp_path / "tree")})
    assert result.row["A"].item() == 100.0


def test_provenance_and_coverage_can_be_written_as_json(scores_with) -> None:
    table = scores_with(75)
    result = benchmark("x", original=table, unseen={"A": table})
    written = json.loads(json.dumps(result.provenance))
    assert len(written.pop("data_sha256")["A"]) == 64
    assert written.pop("versions")["numpy"] == np.__version__
    assert written == {
        "library_version": deepfake_generalize.__version__,
        "threshold": 0.5,
        "policy": "exclude",
        "images": {name: {"fake": 1000, "real": 1000} for name in ("original", "A")},
        "source": {"original": "scores", "A": "scores"},
        "detector": {"name": "x", "sha256": None, "training": None},
        "selection": None,
        "split_sha256": None,
        "audit": "left out",
        "resampling": None,
    }
    assert json.loads(json.dumps(result.coverage))["A"] == {"ok": 2000, "total": 2000}


def test_the_table_leads_with_the_rank_where_there_is_one(scores_with) -> None:
    unseen = {name: scores_with(50) for name in UNSEEN}
    ranked = benchmark("x", original=scores_with(92.4), unseen=unseen)
    assert ranked.table("csv").splitlines() == [
        "rank,detector,original_accuracy,FS,NT,DF,DFD,average,degradation",
        "25,x,92.40,50.00,50.00,50.00,50.00,50.00,42.40",
    ]
    assert r"\begin{tabular}{rlrrrrrrr}" in ranked.table("latex")
    assert repr(ranked).splitlines()[-1] == (
        "rank 25 among the published thirty, which were measured on other images, 2,000 a set"
    )
    assert "measured on other images" in ranked.table("markdown")
    unranked = benchmark("x", original=scores_with(92.4), unseen={"A": unseen["FS"]})
    assert unranked.table("markdown").startswith("| Detector |")
    assert repr(unranked).splitlines()[-1].startswith("no rank: ranks do not compare")
