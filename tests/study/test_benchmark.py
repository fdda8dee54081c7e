"""The benchmark on crops with scores known by hand, and on scores that reproduce the paper."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import deepfake_generalize
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.study import benchmark, published

UNSEEN = ["FS", "NT", "DF", "DFD"]


@dataclass
class Redness:
    """P(fake) is the mean of the red channel."""

    name: str = "redness"
    calls: list[int] = field(default_factory=list)

    def scores(self, images) -> np.ndarray:
        self.calls.append(len(images))
        return np.array([image[..., 0].mean() / 255 for image in images], np.float32)


@pytest.fixture
def crops(tmp_path: Path):
    """Return a function from (label, red) pairs to a manifest of crops, each of another size."""

    def make(rows, *, name: str = "set", equal: bool = False) -> pd.DataFrame:
        paths = []
        for number, (label, red) in enumerate(rows):
            image = np.zeros((6 + (0 if equal else number), 8, 3), np.uint8)
            image[..., 2] = red  # OpenCV writes blue, green, red
            path = tmp_path / f"{name}-{number}-{label}.png"
            assert cv2.imwrite(str(path), image)
            paths.append(str(path))
        labels = [label for label, _ in rows]
        return pd.DataFrame({"path": paths, "label": labels})

    return make


def scores_with(percent: float) -> pd.DataFrame:
    """2,000 scores, half of fakes, with exactly this accuracy."""
    right = round(percent * 20)
    label = np.tile([1, 0], 1000)
    correct = np.arange(2000) < right
    return pd.DataFrame({"label": label, "score": np.where(correct, label, 1 - label) * 0.8 + 0.1})


@pytest.mark.parametrize("equal", [True, False])
def test_crops_of_any_size_give_the_row_worked_by_hand(crops, equal: bool) -> None:
    home = crops([(1, 255), (1, 204), (0, 0), (0, 51)], name="home", equal=equal)
    away = crops([(1, 255), (1, 51), (0, 0), (0, 51)], name="away", equal=equal)
    result = benchmark(Redness(), original=home, unseen={"AWAY": away})
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


def test_images_are_read_a_few_at_a_time(crops) -> None:
    home = crops([(1, 255), (0, 0)])
    detector = Redness()
    many = crops([(1, 255), (0, 0)] * 75, name="many", equal=True)
    result = benchmark(detector, original=many, unseen={"A": home})
    assert detector.calls == [64, 64, 22, 2]
    assert result.coverage["original"] == {"ok": 150, "total": 150}
    assert result.row["original_accuracy"].item() == 100.0


@pytest.mark.parametrize("row", published("V").to_dict("records"), ids=lambda row: row["detector"])
def test_scores_that_reproduce_a_published_detector_give_its_row_and_rank(row) -> None:
    result = benchmark(
        row["detector"],
        original=scores_with(row["original_accuracy"]),
        unseen={name: scores_with(row[name]) for name in reversed(UNSEEN)},
    )
    assert result.rank == row["rank"]
    assert result.rank_reason == ""
    ours = result.row.iloc[0]
    assert list(ours.index) == [
        "detector", "original_accuracy", *reversed(UNSEEN), "average", "degradation",
    ]  # fmt: skip
    for column in ["original_accuracy", *UNSEEN]:
        assert ours[column] == row[column]
    assert result.table("csv").splitlines()[1].split(",")[-2:] == [
        f"{row['average']:.2f}", f"{row['degradation']:.2f}",
    ]  # fmt: skip


@pytest.mark.parametrize(("table", "special"), [("VI", ["CELEB-M"]), ("VII", ["FS-I", "NT-I"])])
def test_specialized_sets_give_a_row_of_tables_vi_and_vii(table: str, special: list[str]) -> None:
    printed = published(table)
    row = printed.iloc[0]
    result = benchmark(
        row["detector"],
        original=scores_with(row["original_accuracy"]),
        unseen={name: scores_with(row[name]) for name in UNSEEN},
        specialized={name: scores_with(row[name]) for name in special},
    )
    assert list(result.row.columns) == list(printed.columns[1:])
    for column in printed.columns[2:]:
        assert result.row[column].item() == pytest.approx(row[column], abs=0.005 + 1e-9)


def test_between_two_published_detectors() -> None:
    unseen = {name: scores_with(50) for name in UNSEEN}
    assert benchmark("new", original=scores_with(92.4), unseen=unseen).rank == 25  # 42.40
    assert benchmark("new", original=scores_with(92.35), unseen=unseen).rank == 24  # 42.35: a tie
    assert benchmark("new", original=scores_with(92.3), unseen=unseen).rank == 24  # 42.30
    assert benchmark("new", original=scores_with(100), unseen=unseen).rank == 31
    assert benchmark("new", original=scores_with(50), unseen=unseen).rank == 1


def test_unreadable_and_missing_crops_are_counted_named_and_left_out(crops, tmp_path) -> None:
    home = crops([(1, 255), (0, 0)], name="home")
    away = crops([(1, 255), (0, 0), (1, 255), (0, 255)], name="away")
    Path(away["path"][0]).write_bytes(b"no image")
    Path(away["path"][1]).unlink()
    result = benchmark(Redness(), original=home, unseen={"AWAY": away})
    frame = result.scores["AWAY"]
    assert frame["status"].to_list() == ["error", "missing", "ok", "ok"]
    assert frame["score"].isna().to_list() == [True, True, False, False]
    assert frame["score"].to_list()[2:] == [1.0, 1.0]
    assert all(frame["reason"][:2])
    assert result.coverage == {
        "original": {"ok": 2, "total": 2}, "AWAY": {"ok": 2, "total": 4},
    }  # fmt: skip
    assert result.row["AWAY"].item() == 50.0
    (note,) = result.notes
    assert note.startswith("AWAY: 2 of 4 images have no score and are left out (policy 'exclude')")
    assert f"{away['path'][0]}: error (" in note
    assert f"{away['path'][1]}: missing (" in note
    assert note in repr(result)
    assert result.provenance["images"]["AWAY"] == {"fake": 1, "real": 1}


def test_a_set_of_which_nothing_remains_is_named(crops) -> None:
    home = crops([(1, 255), (0, 0)], name="home")
    away = home.assign(path=["gone-a.png", "gone-b.png"])
    with pytest.raises(UndefinedMetricError, match="set AWAY has no image with a score: all 2 fai"):
        benchmark(Redness(), original=home, unseen={"AWAY": away})
    with pytest.raises(UndefinedMetricError, match=r"set original has no image .* no rows"):
        benchmark(Redness(), original=home[:0], unseen={"AWAY": home})


def test_rows_of_a_score_table_without_a_score_are_left_out() -> None:
    table = pd.DataFrame(
        {
            "label": [1, 1, 0, 0, 1, 0],
            "score": [0.9, np.nan, 0.1, 0.2, 0.0, 0.9],
            "status": ["ok", "ok", "ok", None, "no_face", "ok"],
            "video": list("abcdef"),
        }
    )
    result = benchmark("x", original=table, unseen={"A": table})
    frame = result.scores["original"]
    assert frame["status"].to_list() == ["ok", "error", "ok", "ok", "no_face", "ok"]
    assert frame["video"].to_list() == list("abcdef")
    assert result.row["original_accuracy"].item() == 75.0
    assert "row 1: error (the score is missing or not a number); row 4: no_face" in result.notes[0]


def test_an_image_that_a_manifest_names_twice_is_refused(crops) -> None:
    home = crops([(1, 255), (0, 0)])
    twice = pd.concat([home, home[1:]])
    with pytest.raises(InputError, match=r"set A once, received path .*-1-0.png again in row 2"):
        benchmark(Redness(), original=home, unseen={"A": twice})


def test_the_frames_of_a_video_may_share_its_path_but_come_once() -> None:
    table = pd.DataFrame({"label": 1, "score": 0.9, "path": "a.mp4", "frame": [0, 5]})
    result = benchmark("x", original=table, unseen={"A": table})
    assert result.coverage["A"] == {"ok": 2, "total": 2}
    again = table.assign(frame=[5, 5])
    with pytest.raises(InputError, match=r"received path a.mp4, frame 5 again in row 1"):
        benchmark("x", original=table, unseen={"A": again})


@pytest.mark.parametrize("empty", [None, np.nan, "", " "])
def test_an_empty_score_is_missing_and_not_wrong(empty) -> None:
    table = pd.DataFrame({"label": [1, 0, 1], "score": pd.Series([0.9, 0.1, empty], dtype=object)})
    result = benchmark("x", original=table, unseen={"A": table})
    assert result.coverage["A"] == {"ok": 2, "total": 3}


def test_many_failures_are_counted_and_the_first_named() -> None:
    table = pd.DataFrame({"label": [1, 0] * 4, "score": [0.9, 0.1, *[np.nan] * 6]})
    note = benchmark("x", original=table, unseen={"A": table}).notes[0]
    assert note.count("error") == 3
    assert note.endswith("and 3 more, in scores['original']")


def test_one_class_has_no_auc_and_a_note_says_so() -> None:
    table = pd.DataFrame({"label": [1, 1], "score": [0.9, 0.8]})
    both = pd.DataFrame({"label": [1, 0], "score": [0.9, 0.8]})
    result = benchmark("x", original=both, unseen={"FAKES": table})
    assert result.auc == {"original": 1.0, "FAKES": None}
    assert result.row["FAKES"].item() == 100.0
    assert "FAKES: AUC is undefined for one class: all 2 labels are fake." in result.notes
    assert any(note.startswith("FAKES: 2 fake and 0 real images") for note in result.notes)


def test_auc_is_scikit_learns_on_the_scored_rows() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": rng.integers(0, 2, 300), "score": rng.random(300)})
    holes = table.assign(score=table["score"].where(rng.random(300) > 0.2))
    kept = holes.dropna()
    result = benchmark("x", original=table, unseen={"A": holes})
    assert result.auc["A"] == pytest.approx(roc_auc_score(kept["label"], kept["score"]))


def test_its_own_scores_and_their_csv_give_the_same_row(crops, tmp_path: Path) -> None:
    home = crops([(1, 255), (0, 0)], name="home")
    away = crops([(1, 255), (0, 255), (1, 9)], name="away")
    Path(away["path"][2]).write_bytes(b"")
    first = benchmark(Redness(), original=home, unseen={"AWAY": away})
    again = benchmark(
        "redness", original=first.scores["original"], unseen={"AWAY": first.scores["AWAY"]}
    )
    first.scores["AWAY"].to_csv(tmp_path / "away.csv", index=False)
    mixed = benchmark(Redness(), original=home, unseen={"AWAY": tmp_path / "away.csv"})
    for other in (again, mixed):
        pd.testing.assert_frame_equal(other.row, first.row)
        assert other.coverage == first.coverage
    assert again.provenance["source"] == {"original": "scores", "AWAY": "scores"}
    assert mixed.provenance["source"] == {"original": "crops", "AWAY": "scores"}


def test_the_face_finders_score_in_a_crops_manifest_is_not_taken_for_p_fake(crops) -> None:
    rows = crops([(1, 255), (0, 0)])
    home = rows.assign(score=[0.1, 0.9], aligner="eyes", box="0,0,1,1")
    result = benchmark(Redness(), original=home, unseen={"A": rows})
    assert result.row["original_accuracy"].item() == 100.0
    assert result.provenance["source"]["original"] == "crops"
    assert "aligner" not in result.scores["original"]


def test_a_folder_of_crops_will_do(crops, tmp_path: Path) -> None:
    rows = crops([(1, 255), (0, 0)])
    for path, kind in zip(rows["path"], ("fake", "real"), strict=True):
        (tmp_path / "tree" / kind).mkdir(parents=True)
        Path(path).rename(tmp_path / "tree" / kind / "a.png")
    result = benchmark(Redness(), original=tmp_path / "tree", unseen={"A": str(tmp_path / "tree")})
    assert result.row["A"].item() == 100.0


def test_provenance_and_coverage_can_be_written_as_json() -> None:
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
    }
    assert json.loads(json.dumps(result.coverage))["A"] == {"ok": 2000, "total": 2000}


def test_the_table_leads_with_the_rank_where_there_is_one() -> None:
    unseen = {name: scores_with(50) for name in UNSEEN}
    ranked = benchmark("x", original=scores_with(92.4), unseen=unseen)
    assert ranked.table("csv").splitlines() == [
        "rank,detector,original_accuracy,FS,NT,DF,DFD,average,degradation",
        "25,x,92.40,50.00,50.00,50.00,50.00,50.00,42.40",
    ]
    assert ranked.table("latex").startswith(r"\begin{tabular}{rlrrrrrrr}")
    assert repr(ranked).splitlines()[-1] == "rank 25"
    unranked = benchmark("x", original=scores_with(92.4), unseen={"A": unseen["FS"]})
    assert unranked.table("markdown").startswith("| Detector |")
    assert repr(unranked).splitlines()[-1].startswith("no rank: ranks do not compare")


def test_what_comes_in_is_left_alone(crops) -> None:
    home = crops([(1, 255), (0, 0)]).set_index(pd.Index([7, 9]))
    before = home.copy()
    result = benchmark(Redness(), original=home, unseen={"A": home})
    pd.testing.assert_frame_equal(home, before)
    assert result.row["A"].item() == 100.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unseen": {}}, "expected at least one unseen set, received none"),
        (
            {"unseen": pd.DataFrame({"label": [1], "score": [0.5]})},
            "expected unseen to be a mapping of names to sets, received DataFrame",
        ),
        (
            {"unseen": [("A", 0)]},
            "expected unseen to be a mapping of names to sets, received list",
        ),
        (
            {"specialized": pd.DataFrame({"label": [1], "score": [0.5]})},
            "expected specialized to be a mapping of names to sets, received DataFrame",
        ),
        ({"unseen": {"average": 0}}, "cannot be called 'average'"),
        ({"unseen": {"original": 0}}, "cannot be called 'original'"),
        ({"unseen": {"": 0}}, "cannot be called ''"),
        ({"specialized": {"A": 0}}, "the set A is given as unseen and as specialized"),
        ({"original": [1, 2]}, "expected the set original to be a DataFrame or a path, received l"),
        ({"original": "absent.csv"}, "for the set original, cannot read absent.csv"),
        (
            {"original": pd.DataFrame({"truth": [1], "score": [0.5]})},
            "label and path, or label and score; received truth, score",
        ),
        (
            {"original": pd.DataFrame({"label": ["fake"], "score": [0.5]})},
            "labels of the set original to be 0 or 1, received 'fake' in row 0",
        ),
        (
            {"original": pd.DataFrame({"label": [1, 2], "score": [0.5, 0.5]})},
            "to be 0 or 1, received 2 in row 1",
        ),
        (
            {"original": pd.DataFrame({"label": [np.nan, 1], "score": [0.5, 0.5]})},
            "to be 0 or 1, received NaN in row 0",
        ),
        (
            {"original": pd.DataFrame({"label": [1, 0], "score": [0.5, "x"]})},
            "scores of the set original to be numbers, received 'x' in row 1: a score is not a nu",
        ),
        (
            {"original": pd.DataFrame({"label": [1, 0], "score": 0.5, "status": ["ok", "OK"]})},
            "statuses of the set original in lower case, received 'OK' in row 1",
        ),
        (
            {"original": pd.DataFrame({"label": 1, "score": 0.5, "path": ["a", "b", "b", "a"]})},
            "every image of the set original once, received path b again in row 2",
        ),
        (
            {"original": pd.DataFrame({"label": [1, 0], "score": [0.5, 1.5]})},
            r"scores of the set original in \[0, 1\], received values from 0.5 to 1.5",
        ),
        (
            {"original": pd.DataFrame({"label": [1], "path": ["a.png"]})},
            "a detector to score the crops of the set original, received only the name 'x'",
        ),
        ({"detector": len}, r"expected a detector with the members name and scores\(images\)"),
    ],
)
def test_wrong_input_is_refused_by_name(changes, message: str) -> None:
    table = scores_with(75)
    given = {"detector": "x", "original": table, "unseen": {"A": table}} | changes
    with pytest.raises(InputError, match=message) as caught:
        benchmark(given.pop("detector"), **given)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros((2, 1)), r"expected liar to return scores of shape \(2,\), received an array of"),
        (np.array([0.1, np.nan]), "expected finite scores from liar, received NaN"),
        (np.array([-4.0, 3.0]), r"the scores of liar in \[0, 1\], received values from -4 to 3"),
    ],
)
def test_a_scorer_that_breaks_its_contract_is_named(crops, returned, message: str) -> None:
    class Liar:
        name = "liar"

        def scores(self, _images) -> np.ndarray:
            return returned

    home = crops([(1, 255), (0, 0)])
    with pytest.raises(InputError, match=message):
        benchmark(Liar(), original=home, unseen={"A": home})


@pytest.mark.parametrize(
    ("policy", "accuracy", "auc"),
    # Of 4 fakes 2 are right and one is missing, of 4 reals 2 are right and two are missing.
    [
        ("exclude", 100 * 4 / 5, 1.0),
        ("as-real", 100 * 6 / 8, (4 + 4 + 4 + 1) / 16),
        ("as-fake", 100 * 5 / 8, (2 + 2 + 2 + 3) / 16),
        ("as-chance", 100 * 5.5 / 8, (4 + 4 + 2 + 3) / 16),
    ],
)
def test_every_policy_counts_what_has_no_score_as_it_says(policy, accuracy, auc) -> None:
    table = pd.DataFrame(
        {
            "label": [1, 1, 1, 1, 0, 0, 0, 0],
            "score": [0.9, 0.8, 0.4, np.nan, 0.1, 0.2, np.nan, np.nan],
        }
    )
    result = benchmark("x", original=table, unseen={"A": table}, policy=policy)
    assert result.row["A"].item() == pytest.approx(accuracy)
    assert result.auc["A"] == pytest.approx(auc)
    assert result.policy == result.provenance["policy"] == policy
    assert result.coverage["A"] == {"ok": 5, "total": 8}
    assert f"(policy '{policy}')" in result.notes[0]


def test_an_unknown_policy_or_polarity_is_refused() -> None:
    table = scores_with(75)
    with pytest.raises(InputError, match="exclude, as-real, as-fake, as-chance, received 'skip'"):
        benchmark("x", original=table, unseen={"A": table}, policy="skip")
    with pytest.raises(InputError, match="fake-high or real-high, received 'up'"):
        benchmark("x", original=table, unseen={"A": table}, polarity="up")


def test_scores_that_point_the_other_way_are_refused_until_that_is_said(tmp_path: Path) -> None:
    right = scores_with(90)
    turned = right.assign(score=1 - right["score"])
    turned.to_csv(tmp_path / "turned.csv", index=False)
    for evidence in (turned, tmp_path / "turned.csv"):
        with pytest.raises(
            InputError, match=r"put reals above fakes on the original set \(AUC 0.1"
        ):
            benchmark("x", original=evidence, unseen={"A": evidence})
        said = benchmark("x", original=evidence, unseen={"A": evidence}, polarity="real-high")
        assert said.row["A"].item() == 90
        meant = benchmark("x", original=evidence, unseen={"A": evidence}, polarity="fake-high")
        assert meant.row["A"].item() == 10


def test_polarity_leaves_crops_and_files_that_know_their_own_alone(crops, tmp_path) -> None:
    home = crops([(1, 255), (0, 0)])
    own = benchmark(Redness(), original=home, unseen={"A": home}).save_scores(tmp_path)[0]
    result = benchmark(Redness(), original=home, unseen={"A": own}, polarity="real-high")
    assert result.row["original_accuracy"].item() == result.row["A"].item() == 100
