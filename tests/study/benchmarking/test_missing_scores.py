"""What has no score: counted, named, and taken as the policy says."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import UndefinedMetricError
from deepfake_generalize.study import benchmark as full_benchmark

# Most tests ask for neither audit nor intervals: what they are about does not depend on them.
benchmark = functools.partial(full_benchmark, audit=False, resampling=None)


def test_unreadable_and_missing_crops_are_counted_named_and_left_out(
    redness, crops, tmp_path
) -> None:
    home = crops([(1, 255), (0, 0)], name="home")
    away = crops([(1, 255), (0, 0), (1, 255), (0, 255)], name="away")
    Path(away["path"][0]).write_bytes(b"no image")
    Path(away["path"][1]).unlink()
    result = benchmark(redness, original=home, unseen={"AWAY": away})
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


def test_a_set_of_which_nothing_remains_is_named(redness, crops) -> None:
    home = crops([(1, 255), (0, 0)], name="home")
    away = home.assign(path=["gone-a.png", "gone-b.png"])
    with pytest.raises(UndefinedMetricError, match="set AWAY has no image with a score: all 2 fai"):
        benchmark(redness, original=home, unseen={"AWAY": away})
    with pytest.raises(UndefinedMetricError, match=r"set original has no image .* no rows"):
        benchmark(redness, original=home[:0], unseen={"AWAY": home})


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
