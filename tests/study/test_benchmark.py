"""The benchmark on crops with scores known by hand, and on scores that reproduce the paper."""

import functools
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import deepfake_generalize
from deepfake_generalize.data import CROP_COLUMNS, find_videos, pack, read_crops
from deepfake_generalize.data.leakage import LeakageWarning
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Resampling, accuracy, auc, bootstrap_interval, to_videos
from deepfake_generalize.study import benchmark as full_benchmark
from deepfake_generalize.study import published

UNSEEN = ["FS", "NT", "DF", "DFD"]
# Most tests ask for neither audit nor intervals: what they are about does not depend on them.
benchmark = functools.partial(full_benchmark, audit=False, resampling=None)


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


def test_an_exception_of_the_detectors_own_names_the_set(crops) -> None:
    class Broken(Redness):
        def scores(self, images) -> np.ndarray:
            if images[0][..., 0].mean() > 100:
                raise LookupError("mine")
            return super().scores(images)

    sets = {"original": crops([(0, 9), (1, 9)], name="o")}
    sets["unseen"] = {"DFD": crops([(0, 200), (1, 200)], name="u")}
    with pytest.raises(LookupError, match="mine") as caught:
        benchmark(Broken(), **sets)
    first = sets["unseen"]["DFD"]["path"][0]
    assert caught.value.__notes__ == [
        f"while redness scored rows 0 to 1 of the set DFD, the first {first}"
    ]


def test_a_table_of_videos_is_told_to_be_extracted(tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.MP4").touch()
    videos = find_videos(tmp_path)
    with pytest.raises(InputError, match="the set original, received a table of videos") as caught:
        benchmark(Redness(), original=videos, unseen={"A": videos})
    assert caught.value.hint.startswith("Cut out the faces first: data.extract_faces(videos, ")


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
        "split_sha256": None,
        "audit": "left out",
        "resampling": None,
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


@pytest.fixture
def framed() -> dict[str, pd.DataFrame]:
    """An original and two unseen sets: 30 videos of 4 frames each, scored with noise."""

    def make(seed: int, gain: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        video = np.repeat(np.arange(30), 4)
        label = video % 2
        hard = rng.normal(scale=0.3, size=30)[video]
        score = np.clip(0.5 + gain * (label - 0.5) + hard + rng.normal(0, 0.1, 120), 0, 1)
        names = [f"s{seed}-{number:02d}" for number in video]
        return pd.DataFrame(
            {"label": label, "score": score, "video": names, "frame": [0, 1, 2, 3] * 30}
        )

    return {"original": make(0, 0.6), "A": make(1, 0.2), "B": make(2, 0.1)}


def test_frames_and_videos_are_measured_apart_with_intervals_over_videos(framed) -> None:
    unseen = {name: framed[name] for name in ("A", "B")}
    result = full_benchmark("x", original=framed["original"], unseen=unseen)
    table = result.metrics.set_index("set")
    assert table["n_frames"].tolist() == [120] * 3
    assert table["n_videos"].tolist() == [30] * 3
    for name, frame in framed.items():
        videos = to_videos(frame.assign(dataset="", method=""))
        row = table.loc[name]
        assert row["frame_accuracy"] == accuracy(frame["label"], frame["score"])
        assert row["frame_auc"] == result.auc[name] == auc(frame["label"], frame["score"])
        assert row["video_accuracy"] == accuracy(videos["label"], videos["score"])
        assert row["video_auc"] == auc(videos["label"], videos["score"])
        plain = bootstrap_interval(accuracy, frame["label"], frame["score"])
        width = row["frame_accuracy_high"] - row["frame_accuracy_low"]
        assert width > 1.2 * (plain.high - plain.low)
        interval = result.intervals["original_accuracy" if name == "original" else name]
        assert interval.estimate == pytest.approx(100 * row["frame_accuracy"])
        assert interval.low == pytest.approx(100 * row["frame_accuracy_low"])
    lost = result.intervals["degradation"]
    assert lost.estimate == pytest.approx(result.row["degradation"].item())
    assert lost.low < lost.estimate < lost.high
    assert result.notes == ()


def test_without_names_of_videos_the_intervals_say_that_they_are_too_narrow() -> None:
    table = scores_with(75)
    result = full_benchmark("x", original=table, unseen={"A": table})
    assert result.metrics["n_videos"].isna().all()
    assert result.notes[0].startswith("original, A: no videos are named, so intervals are over si")
    assert result.intervals["A"].low < 75 < result.intervals["A"].high


def test_one_video_has_no_interval(framed) -> None:
    one = framed["A"].assign(video="only", label=1)
    result = full_benchmark("x", original=framed["original"], unseen={"A": one})
    assert result.intervals == {}
    assert result.metrics["frame_accuracy_low"].isna().tolist() == [False, True]
    assert result.row["A"].item() == pytest.approx(100 * (one["score"] >= 0.5).mean())


def test_a_video_is_scored_by_what_is_there_and_a_silent_one_by_the_policy(framed) -> None:
    holes = framed["A"].copy()
    holes.loc[holes["video"] == "s1-03", "score"] = np.nan  # a fake
    holes.loc[0, "score"] = np.nan
    for policy, n_videos in (("exclude", 29), ("as-real", 30), ("as-fake", 30), ("as-chance", 30)):
        result = benchmark("x", original=framed["original"], unseen={"A": holes}, policy=policy)
        row = result.metrics.set_index("set").loc["A"]
        assert row["n_videos"] == n_videos
        usable = holes.dropna(subset=["score"]).assign(dataset="", method="")
        videos = to_videos(usable)
        right = ((videos["score"] >= 0.5) == videos["label"]).sum()
        extra = {"exclude": 0, "as-real": 0, "as-fake": 1, "as-chance": 0.5}[policy]
        assert row["video_accuracy"] == pytest.approx((right + extra) / n_videos)


def test_the_rank_has_the_interval_of_the_degradation() -> None:
    unseen = {name: scores_with(50) for name in UNSEEN}
    result = full_benchmark("x", original=scores_with(92.4), unseen=unseen)
    low, high = result.rank_interval
    assert low < result.rank == 25 < high <= 31
    assert full_benchmark("x", original=scores_with(9), unseen={"A": scores_with(50)},
                          polarity="fake-high").rank_interval is None  # fmt: skip


def test_intervals_are_printed_beside_the_numbers() -> None:
    table = scores_with(75)
    result = full_benchmark(
        "x", original=table, unseen={"A": table}, resampling=Resampling(n_resamples=50)
    )
    lost = result.intervals["A"]
    assert f"75.00 [{lost.low:.2f}, {lost.high:.2f}]" in result.table("markdown", intervals=True)
    header, row = result.table("csv", intervals=True).splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert cells["A"] == "75.00"
    assert cells["A_low"] == f"{lost.low:.2f}"
    assert result.table("csv") == result.table("csv", "V")
    assert result.provenance["resampling"] == {"level": 0.95, "n_resamples": 50, "seed": 0}
    bare = benchmark("x", original=table, unseen={"A": table})
    assert bare.table("markdown", intervals=True) == bare.table("markdown")


@pytest.fixture
def specialized():
    """Return a function from a degradation to a benchmark with all three specialized sets."""

    def make(lost: float, **options):
        special = {"CELEB-M": 80.0, "FS-I": 60.0, "NT-I": 55.0}
        return benchmark(
            "mine",
            original=scores_with(50 + lost),
            unseen={name: scores_with(50) for name in UNSEEN},
            specialized={name: scores_with(value) for name, value in special.items()},
            **options,
        )

    return make


def test_tables_vi_and_vii_hold_their_own_sets(specialized) -> None:
    result = specialized(40.0)
    sixth, seventh = result.frame("VI"), result.frame("VII")
    assert list(sixth.columns) == list(published("VI").columns[1:])
    assert list(seventh.columns) == list(published("VII").columns[1:])
    assert sixth["specialized_degradation"].item() == 10
    assert sixth["degradation_difference"].item() == 30
    assert seventh["specialized_average"].item() == 57.5
    assert seventh["degradation_difference"].item() == 7.5
    assert list(result.frame("V").columns) == list(published("V").columns)
    assert (
        result.table("csv", number="VII").splitlines()[1].endswith("60.00,55.00,57.50,32.50,7.50")
    )


@pytest.mark.parametrize(("lost", "empty"), [(30.0, True), (30.05, False)])
def test_only_detectors_that_degrade_by_more_than_thirty_points_enter(
    specialized, lost: float, empty: bool
) -> None:
    result = specialized(lost)
    for number in ("VI", "VII"):
        assert len(result.frame(number)) == (0 if empty else 1)
        assert bool(result.why_empty(number)) == empty
    assert len(result.row) == len(result.frame("V")) == 1


@pytest.mark.parametrize("table_format", ["markdown", "latex", "html", "text"])
def test_an_empty_table_says_so_in_every_format(specialized, table_format: str) -> None:
    page = specialized(20.0).table(table_format, number="VI")
    assert "No row: no detector degrades by more than 30 points: mine degrades by 20.00." in page
    assert "CELEB-M" in page
    assert specialized(20.0).table("csv", number="VI").count("\n") == 0


@pytest.mark.parametrize(("name", "other"), [("CELEB", "VII"), ("F2F", "VI")])
def test_what_a_detector_was_trained_on_decides_its_table(specialized, name, other) -> None:
    result = specialized(40.0, trained_on={name: None})
    assert result.training_dataset == name
    own = {"VI": "VII", "VII": "VI"}[other]
    assert len(result.frame(own)) == 1
    assert result.frame(other).empty
    assert f"mine was trained on {name}" in result.table("text", number=other)


def test_sets_of_other_names_enter_the_table_that_is_asked_for() -> None:
    unseen = {"U": scores_with(50)}
    result = benchmark(
        "x", original=scores_with(90), unseen=unseen, specialized={"S": scores_with(70)}
    )
    for number in ("VI", "VII"):
        assert result.frame(number)["degradation_difference"].item() == 20
    none = benchmark("x", original=scores_with(90), unseen=unseen)
    assert "measured on no specialized set of Table VII (FS-I, NT-I)" in none.table("text", "VII")
    with pytest.raises(InputError, match="tables V, VI and VII, received 'IV'"):
        none.table("text", number="IV")


def manifest(crops, rows, name: str, people: list[str]) -> pd.DataFrame:
    table = crops(rows, name=name)
    videos = [
        f"/videos/FF++/{label}/{who}.mp4" for label, who in zip(table["label"], people, strict=True)
    ]
    return table.assign(video=videos, dataset="FF++", method="x", target_identity=people)


def test_people_in_two_sets_are_found_and_warned_of_and_the_audit_can_be_left_out(crops) -> None:
    home = manifest(crops, [(1, 255), (0, 0)], "home", ["001", "002"])
    away = manifest(crops, [(1, 200), (0, 90)], "away", ["001", "003"])
    with pytest.warns(LeakageWarning, match="original and AWAY share 1 persons"):
        result = full_benchmark(Redness(), original=home, unseen={"AWAY": away}, resampling=None)
    kinds = set(result.leakage["kind"])
    assert "identity" in kinds
    assert any("original and AWAY share 1 by identity: a leak" in note for note in result.notes)
    assert result.provenance["audit"] == "done"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = benchmark(Redness(), original=home, unseen={"AWAY": away})
    assert quiet.leakage is None
    assert quiet.provenance["audit"] == "left out"


def test_what_specialized_sets_share_with_the_training_data_is_told_apart(crops) -> None:
    train = manifest(crops, [(1, 250), (0, 10)], "train", ["001", "002"])
    home = manifest(crops, [(1, 240), (0, 20)], "home", ["011", "012"])
    away = manifest(crops, [(1, 200), (0, 90)], "away", ["021", "022"])
    same = manifest(crops, [(1, 180), (0, 70)], "same", ["001", "002"])
    sets = {"original": home, "unseen": {"FS": away}, "resampling": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakageWarning)
        result = full_benchmark(
            Redness(), **sets, specialized={"FS-I": same}, trained_on={"F2F": train}
        )
    shared = result.leakage.query("kind == 'identity'")
    assert set(zip(shared["set_a"], shared["set_b"], strict=True)) == {("FS-I", "training")}
    assert shared["by_design"].all()
    with pytest.warns(LeakageWarning, match="FS and training share 2 persons"):
        full_benchmark(
            Redness(), original=home, unseen={"FS": same}, trained_on=train, resampling=None
        )


def test_scores_that_name_nothing_cannot_be_audited() -> None:
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
def test_training_data_of_another_kind_are_refused(trained_on, message: str) -> None:
    table = scores_with(75)
    with pytest.raises(InputError, match=message):
        benchmark("x", original=table, unseen={"A": table}, trained_on=trained_on)


def test_crops_in_a_pack_are_scored_and_audited_by_their_pictures(crops, tmp_path) -> None:
    rng = np.random.default_rng(0)
    home = crops([(1, 255), (0, 0)], name="home", equal=True)
    for path in home["path"]:
        cv2.imwrite(path, rng.integers(0, 256, (64, 64, 3), np.uint8))
    columns = {name: home.get(name, pd.NA) for name in CROP_COLUMNS}
    packed = read_crops(pack(pd.DataFrame(columns).assign(video=home["path"]), tmp_path / "a.h5"))
    with pytest.warns(LeakageWarning, match="original and A share 2 near-duplicate"):
        result = full_benchmark(
            Redness(), original=home, unseen={"A": packed[["path", "label"]]}, resampling=None
        )
    assert result.coverage["A"] == {"ok": 2, "total": 2}
