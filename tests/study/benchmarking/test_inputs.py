"""What a benchmark refuses, in which words, and what it leaves alone."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import LeakageWarning, find_videos
from deepfake_generalize.errors import InputError
from deepfake_generalize.study import benchmark as full_benchmark

# Most tests ask for neither audit nor intervals: what they are about does not depend on them.
benchmark = functools.partial(full_benchmark, audit=False, resampling=None)


def test_an_exception_of_the_detectors_own_names_the_set(redness, crops) -> None:
    class Broken(type(redness)):
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
        f"while redness scored images 0 to 1 of the set DFD, the first {first}"
    ]


def test_a_table_of_videos_is_told_to_be_extracted(redness, tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.MP4").touch()
    videos = find_videos(tmp_path)
    with pytest.raises(InputError, match="the set original, received a table of videos") as caught:
        benchmark(redness, original=videos, unseen={"A": videos})
    assert caught.value.hint.startswith("Cut out the faces first: data.extract_faces(videos, ")


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_table_of_paths_and_labels_is_a_set_of_crops(
    redness, crops, tmp_path: Path, separator: str
) -> None:
    home = crops([(1, 255), (0, 0), (1, 200), (0, 9)])
    table = pd.DataFrame({"path": [Path(path).name for path in home["path"]]})
    table["label"] = ["fake", "real"] * 2
    folder = Path(home["path"][0]).parent
    table.assign(identity=list("abcd")).to_csv(folder / "set.csv", sep=separator, index=False)
    result = benchmark(redness, original=folder / "set.csv", unseen={"A": home})
    assert result.row["original_accuracy"].item() == 100.0
    assert result.scores["original"]["target_identity"].tolist() == list("abcd")


def test_an_identity_of_the_users_own_is_audited(redness, crops) -> None:
    home, away = crops([(1, 255), (0, 0)]), crops([(1, 254), (0, 1)], name="away")
    with pytest.warns(LeakageWarning, match="share 1 person|identity"):
        found = full_benchmark(
            redness,
            original=home.assign(identity=["x", "y"]),
            unseen={"A": away.assign(identity=["x", "z"])},
            resampling=None,
        )
    assert "identity" in set(found.leakage["kind"])


def test_crops_without_a_label_are_refused_by_the_name_of_their_set(redness, crops) -> None:
    home = crops([(1, 255), (0, 0)])
    with pytest.raises(InputError, match="labels of the set A to be 0 or 1, received NaN in row 1"):
        benchmark(redness, original=home, unseen={"A": home.assign(label=[1, pd.NA])})


def test_an_image_that_a_manifest_names_twice_is_refused(redness, crops) -> None:
    home = crops([(1, 255), (0, 0)])
    twice = pd.concat([home, home[1:]])
    with pytest.raises(InputError, match=r"set A once, received path .*-1-0.png again in row 2"):
        benchmark(redness, original=home, unseen={"A": twice})


def test_the_frames_of_a_video_may_share_its_path_but_come_once() -> None:
    table = pd.DataFrame({"label": 1, "score": 0.9, "path": "a.mp4", "frame": [0, 5]})
    result = benchmark("x", original=table, unseen={"A": table})
    assert result.coverage["A"] == {"ok": 2, "total": 2}
    again = table.assign(frame=[5, 5])
    with pytest.raises(InputError, match=r"received path a.mp4, frame 5 again in row 1"):
        benchmark("x", original=table, unseen={"A": again})


def test_what_comes_in_is_left_alone(redness, crops) -> None:
    home = crops([(1, 255), (0, 0)]).set_index(pd.Index([7, 9]))
    before = home.copy()
    result = benchmark(redness, original=home, unseen={"A": home})
    pd.testing.assert_frame_equal(home, before)
    assert result.row["A"].item() == 100.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"unseen": {}},
            "expected unseen to map the name of a set to its crops or scores, received nothing",
        ),
        (
            {"unseen": pd.DataFrame({"label": [1], "score": [0.5]})},
            "expected unseen to map the name of a set to its crops or scores, received Data",
        ),
        (
            {"unseen": [("A", 0)]},
            "expected unseen to map the name of a set to its crops or scores, received list",
        ),
        (
            {"specialized": pd.DataFrame({"label": [1], "score": [0.5]})},
            "expected specialized to map the name of a set to its crops or scores, received Data",
        ),
        ({"unseen": {"average": 0}}, "cannot be called 'average'"),
        ({"unseen": {"original": 0}}, "cannot be called 'original'"),
        ({"unseen": {"": 0}}, "cannot be called ''"),
        ({"specialized": {"A": 0}}, "the set A is given as unseen and as specialized"),
        ({"original": [1, 2]}, "expected the set original to be a DataFrame or a path, received l"),
        (
            {"original": "absent.csv"},
            "the set original: expected a CSV of scores at .*absent.csv, there is none",
        ),
        (
            {"original": pd.DataFrame({"truth": [1], "score": [0.5]})},
            "label and path, or label and score; received truth, score",
        ),
        (
            {"original": pd.DataFrame({"# sha256: 0": ["path"]})},
            "These are saved splits. Pass a part: SETS/test of `split`",
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
def test_wrong_input_is_refused_by_name(scores_with, changes, message: str) -> None:
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


def test_an_unknown_policy_or_polarity_is_refused(scores_with) -> None:
    table = scores_with(75)
    with pytest.raises(InputError, match="exclude, as-real, as-fake, as-chance, received 'skip'"):
        benchmark("x", original=table, unseen={"A": table}, policy="skip")
    with pytest.raises(InputError, match="fake-high, real-high, received 'up'"):
        benchmark("x", original=table, unseen={"A": table}, polarity="up")


def test_scores_that_point_the_other_way_are_refused_until_that_is_said(
    scores_with, tmp_path: Path
) -> None:
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


def test_polarity_leaves_crops_and_files_that_know_their_own_alone(
    redness, crops, tmp_path
) -> None:
    home = crops([(1, 255), (0, 0)])
    own = benchmark(redness, original=home, unseen={"A": home}).save_scores(tmp_path)[0]
    result = benchmark(redness, original=home, unseen={"A": own}, polarity="real-high")
    assert result.row["original_accuracy"].item() == result.row["A"].item() == 100


@pytest.fixture
def one_extraction(crops, tmp_path: Path) -> Path:
    """Crops of two methods and their reals, in one folder, as one extraction holds them."""
    rows = [(0, 10), (0, 160), (1, 250), (1, 120), (1, 240), (1, 90), (1, 80), (1, 30)]
    table = crops(rows, name="ff", equal=True)
    methods = ["real"] * 2 + ["FaceSwap"] * 2 + ["Deepfakes"] * 4
    paths = [Path(path).name for path in table["path"]]
    table.assign(path=paths, dataset="FF++", method=methods).to_csv(
        tmp_path / "crops.csv", index=False
    )
    return tmp_path


def test_one_extraction_holds_a_set_for_each_of_its_methods(redness, one_extraction) -> None:
    read = []

    class Counting(type(redness)):
        def scores(self, images) -> np.ndarray:
            read.append(len(images))
            return super().scores(images)

    result = benchmark(
        Counting(),
        original=f"{one_extraction}[method=FaceSwap]",
        unseen={"DF": f"{one_extraction}[method=Deepfakes]", "ALL": one_extraction},
    )
    # By hand: reals 10 and 160, fakes of FaceSwap 250 and 120, of Deepfakes 240, 90, 80 and 30.
    assert result.row["original_accuracy"].item() == 50.0
    assert result.row["DF"].item() == pytest.approx(100 * 2 / 6)
    assert result.provenance["images"]["DF"] == {"fake": 4, "real": 2}
    assert sum(read) == 8  # Each image once, though the reals are in all sets.
    assert (
        "DF: method=Deepfakes chose 6 of 8 rows, the reals of their data sets beside the methods "
        "that it names"
    ) in result.notes
    assert not any(note.startswith("ALL: ") and "chose" in note for note in result.notes)


def test_a_query_chooses_rows_of_score_files_too(redness, one_extraction, tmp_path: Path) -> None:
    whole = benchmark(redness, original=one_extraction, unseen={"A": one_extraction})
    file = next(path for path in whole.save_scores(tmp_path / "scores") if path.stem == "A")
    chosen = {"original": f"{one_extraction}[method=FaceSwap]"}
    crops = benchmark(redness, **chosen, unseen={"A": f"{one_extraction}[method=Deepfakes]"})
    filed = benchmark(redness, **chosen, unseen={"A": f"{file}[method=Deepfakes]"})
    pd.testing.assert_frame_equal(filed.row, crops.row)
    assert filed.provenance["data_sha256"] == crops.provenance["data_sha256"]
    with pytest.raises(InputError, match=r"the set A: .*'F2F', which no row has"):
        benchmark(redness, **chosen, unseen={"A": f"{file}[method=F2F]"})


def test_training_data_may_be_named_with_a_query(redness, one_extraction) -> None:
    with pytest.warns(LeakageWarning, match="original and training share 2 videos"):
        result = full_benchmark(
            redness,
            original=f"{one_extraction}[method=FaceSwap]",
            unseen={"A": f"{one_extraction}[method=FaceSwap]"},
            trained_on=f"{one_extraction}[method=Deepfakes]",
            resampling=None,
        )
    assert set(result.leakage.query("set_b == 'training'")["what"].str.contains("-0.png|-1.png"))
