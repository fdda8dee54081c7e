"""Metrics of groups: by method beside the reals, by a user's column, and gaps between them."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.study import benchmark, breakdown, gaps

FEW = Resampling(n_resamples=100)
METHODS = ("Deepfakes", "FaceSwap", "NeuralTextures")


def scores(seed: int = 0) -> pd.DataFrame:
    """Return 20 real videos and 20 of each method, 3 frames each, with somebody's gender."""
    rng = np.random.default_rng(seed)
    rows = []
    for kind, method in enumerate(("real", *METHODS)):
        for video in range(20):
            for frame in range(3):
                middle = (0.3, 0.8, 0.6, 0.45)[kind]
                score = float(np.clip(rng.normal(middle, 0.2), 0, 1))
                who = {"gender": "FM"[video % 3 == 0], "video": f"/v/{method}/{video:03d}.mp4"}
                rows.append({"method": method, "frame": frame, "score": score, **who})
    table = pd.DataFrame(rows)
    return table.assign(label=(table["method"] != "real").astype(int), dataset="FF++")


@pytest.fixture(scope="module")
def result():
    return benchmark(
        "mine", original=scores(), unseen={"A": scores(1)}, audit=False, resampling=FEW
    )


def test_methods_stand_beside_all_reals_the_worst_first(result) -> None:
    found = result.breakdown("method")
    table = scores(1)
    for _, row in found[found["set"] == "A"].iterrows():
        own = table[table["method"].isin(["real", row["method"]])]
        expected = sklearn_metrics.roc_auc_score(own["label"], own["score"])
        assert row["frame_auc"] == pytest.approx(expected, abs=1e-12)
        assert (row["n_frames"], row["n_videos"]) == (120, 40)
        assert row["frame_auc_low"] < row["frame_auc"] < row["frame_auc_high"]
    assert len(found) == 2 * len(METHODS)
    assert found["frame_auc"].is_monotonic_increasing
    assert set(found["method"][:2]) == {"NeuralTextures"}
    assert found.attrs["notes"] == []


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        *(("accuracy", "video"), ("log_loss", "frame")),
        *(
            pytest.param(metric, unit, marks=pytest.mark.nightly)
            for metric in ("auc", "accuracy", "eer", "log_loss", "tpr_at_fpr_5")
            for unit in ("frame", "video")
            if (metric, unit) not in (("accuracy", "video"), ("log_loss", "frame"))
        ),
    ],
)
def test_a_group_of_all_rows_has_the_numbers_and_intervals_of_the_set(metric, unit) -> None:
    table = scores().assign(all="x")
    whole = benchmark("m", original=table, unseen={"A": table}, audit=False, resampling=FEW)
    found = whole.breakdown("all", metric, unit=unit)
    for column in found.columns[2:]:
        pd.testing.assert_series_equal(found[column], whole.metrics[column])


def test_a_metric_that_is_best_if_low_is_worst_if_high(result) -> None:
    found = result.breakdown("method", "eer")
    assert found["frame_eer"].is_monotonic_decreasing


def test_groups_without_both_classes_are_left_out_by_name(result) -> None:
    table = scores()
    table.loc[table["label"] == 0, "gender"] = "M"
    table.loc[:8, "gender"] = None
    found = breakdown({"A": table}, "gender", resampling=None)
    assert found["gender"].tolist() == ["M"]
    assert found.attrs["notes"] == [
        "A: gender F is left out: it has no reals",
        "A: 9 images are in no group by gender",
    ]
    hits = breakdown({"A": table}, "gender", "accuracy_fake", resampling=None)
    assert set(hits["gender"]) == {"F", "M"}
    with pytest.raises(UndefinedMetricError, match="undefined for every group by label") as caught:
        breakdown({"A": table}, "label")
    assert "label 0 is left out: it has no fakes" in caught.value.hint
    with pytest.raises(UndefinedMetricError, match="gaps are undefined for every set") as caught:
        gaps({"A": table}, "gender")
    assert "A has no gaps: 1 groups by gender have both classes" in caught.value.hint
    found = gaps({"A": table, "B": scores(1)}, "gender", resampling=None)
    assert set(found["set"]) == {"B"}
    assert found.attrs["notes"][-1].startswith("A has no gaps")


def test_refusals(result) -> None:
    with pytest.raises(InputError, match="received 'ethnicity'") as caught:
        result.breakdown("ethnicity")
    assert "gender" in caught.value.hint
    with pytest.raises(InputError, match="metric to be one of accuracy"):
        result.breakdown("method", "f1")
    with pytest.raises(InputError, match="every score to name its video"):
        breakdown({"A": scores().drop(columns="video")}, "method", unit="video")


def test_score_files_are_broken_down_as_the_result_is(result, tmp_path) -> None:
    files = result.save_scores(tmp_path)
    again = breakdown({"original": files[0], "A": files[1]}, "gender", resampling=FEW)
    pd.testing.assert_frame_equal(again, result.breakdown("gender"))


def test_gaps_are_those_of_the_formulas(result) -> None:
    """By hand, as AI-Face-FairnessBench writes them, from confusion matrices of scikit-learn."""
    found = result.gaps("gender")
    for name, table in (("original", scores()), ("A", scores(1))):
        rates = {}
        for who, of in (*table.groupby("gender"), ("all", table)):
            tn, fp, fn, tp = sklearn_metrics.confusion_matrix(
                of["label"], of["score"] >= 0.5
            ).ravel()
            rates[who] = {
                "TPR": tp / (tp + fn),
                "FNR": fn / (tp + fn),
                "FPR": fp / (fp + tn),
                "TNR": tn / (fp + tn),
                "acc": (tp + tn) / len(of),
                "fake": (tp + fp) / len(of),
                "real": (tn + fn) / len(of),
            }
        f, m, everyone = rates["F"], rates["M"], rates["all"]
        spread = {rate: abs(f[rate] - m[rate]) for rate in f}
        off = {rate: sum(abs(of[rate] - everyone[rate]) for of in (f, m)) for rate in f}
        expected = {
            "equal_opportunity": spread["TPR"],
            "F_FPR": off["FPR"],
            "F_EO": off["FPR"] + off["TPR"],
            "F_OAE": spread["acc"],
            "F_DP": max(spread["fake"], spread["real"]),
            "F_MEO": max(spread[rate] for rate in ("FPR", "FNR", "TNR", "TPR")),
        }
        own = found[found["set"] == name].set_index("gap")
        assert own["value"].to_dict() == pytest.approx(expected, abs=1e-12)
        assert (own["low"] <= own["value"]).all()
        assert (own["value"] <= own["high"]).all()
        assert own["groups"].unique().tolist() == ["F, M"]
    plain = gaps({"A": scores(1)}, "gender", resampling=None)
    pd.testing.assert_series_equal(
        plain["value"], found["value"][found["set"] == "A"].reset_index(drop=True)
    )
    assert plain["low"].isna().all()
