"""Several detectors at once: ranks among them, paired tests by video, one table, score files."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data.manifests import video_keys
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import Resampling, auc, compare_all
from deepfake_generalize.study import Benchmarks, benchmark

NAMES = ["weak", "strong", "coin"]
FEW = Resampling(n_resamples=100)


def scores(seed: int, shift: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], 150)
    table = pd.DataFrame({"label": label, "frame": np.arange(300) % 10})
    table["video"] = [f"{seed // 10}/clip{i // 10}.mp4" for i in range(300)]
    return table.assign(score=np.clip(rng.normal(0.3 + label * shift, 0.15), 0, 1))


def of_all(number: int, shift: float) -> dict[str, pd.DataFrame]:
    shifts = (shift, shift * 1.3, 0.0)
    return {name: scores(10 * number + k, shifts[k]) for k, name in enumerate(NAMES)}


UNSEEN = {"A": of_all(1, 0.2), "B": of_all(2, 0.1)}
HOME = of_all(0, 0.5)


@pytest.fixture(scope="module")
def several() -> Benchmarks:
    return benchmark(NAMES, original=HOME, unseen=UNSEEN, resampling=FEW)


@pytest.mark.nightly
def test_each_row_is_what_the_detector_gets_alone(several) -> None:
    for name in NAMES:
        alone = benchmark(
            name,
            original=HOME[name],
            unseen={key: of[name] for key, of in UNSEEN.items()},
            resampling=FEW,
        )
        pd.testing.assert_frame_equal(alone.row, several.results[name].row)
        assert alone.intervals == several.results[name].intervals


def test_ranks_are_among_them_and_a_coin_has_none_by_degradation(several) -> None:
    frame = several.frame.set_index("detector")
    by_auc = {
        name: 100 * np.mean([auc(of[name]["label"], of[name]["score"]) for of in UNSEEN.values()])
        for name in NAMES
    }
    assert frame["average_auc"].to_dict() == pytest.approx(by_auc)
    assert frame["auc_rank"].to_dict() == {"strong": 1, "weak": 2, "coin": 3}
    lost = frame["degradation"]
    assert lost["coin"] == min(lost)
    assert pd.isna(frame.loc["coin", "rank"])
    assert set(frame["rank"].dropna()) == {1, 2}
    assert (frame.loc["strong", "rank"] == 1) == (lost["strong"] < lost["weak"])
    assert frame.index[-1] == "coin"
    assert several.notes[0].startswith("coin: no rank: an original accuracy of")
    rows = several.table("csv").splitlines()
    assert rows[0].startswith("rank,detector,original_accuracy,A,B,average,degradation")
    assert rows[-1].startswith("-,coin,")
    assert rows[-1].endswith(",3")
    assert several.table("latex").count(r"\\") > 4
    assert "Ranks are among these detectors" in several.table("markdown")
    assert repr(several).startswith(several.table("text"))


def test_pairs_are_compared_by_video_on_the_images_that_all_scored() -> None:
    holes = {name: table.assign(status="ok") for name, table in UNSEEN["A"].items()}
    holes["weak"].loc[:19, "status"] = "missing"
    holes["coin"].loc[280:, "status"] = "missing"
    found = benchmark(NAMES, original=HOME, unseen={"A": holes}, resampling=FEW).comparisons
    kept = slice(20, 279)
    expected = compare_all(
        holes["weak"].loc[kept, "label"],
        {name: table.loc[kept, "score"] for name, table in holes.items()},
        groups=video_keys(holes["weak"].loc[kept]),
        n_resamples=100,
    )
    own = found[found["set"] == "A"].drop(columns="set").reset_index(drop=True)
    pd.testing.assert_frame_equal(own[["a", "b"]], expected[["a", "b"]])
    for column in ("auc_difference", "accuracy_difference", "auc_difference_low"):
        np.testing.assert_allclose(own[column], expected[column])
    np.testing.assert_allclose(own["p_holm"], expected["p_holm"])
    assert set(found["set"]) == {"original", "A"}


def test_a_set_of_one_class_is_not_compared_and_says_so() -> None:
    fakes = {name: table[table["label"] == 1] for name, table in UNSEEN["A"].items()}
    found = benchmark(NAMES[:2], original=HOME, unseen={"FAKES": fakes}, resampling=None)
    assert set(found.comparisons["set"]) == {"original"}
    assert "FAKES: detectors are not compared: AUC is undefined for one class" in found.notes[-1]
    assert found.frame["auc_rank"].isna().all()
    assert found.table("csv").splitlines()[1].endswith("-")


def test_one_alone_is_no_pair_and_an_auc_of_zero_is_an_auc() -> None:
    turned = UNSEEN["A"]["strong"].assign(score=lambda rows: 1.0 - rows["label"])
    found = benchmark(
        ["strong"], original=HOME, unseen={"A": turned}, audit=False, resampling=None,
        polarity="fake-high",
    )  # fmt: skip
    assert found.comparisons.empty
    assert found.frame[["average_auc", "auc_rank"]].to_numpy().tolist() == [[0.0, 1]]
    assert found.notes[0].startswith("strong: A: AUC 0.000")


def test_images_that_cannot_be_told_apart_are_not_compared() -> None:
    twice = {name: table.assign(key="one") for name, table in UNSEEN["A"].items()}
    found = benchmark(NAMES[:2], original=HOME, unseen={"A": twice}, audit=False, resampling=FEW)
    assert set(found.comparisons["set"]) == {"original"}
    assert "A: detectors are not compared: a key comes twice" in found.notes


def test_crops_are_scored_by_each_and_audited_once(redness, crops, tmp_path) -> None:
    class Greenness:
        name = "green/ness"

        def scores(self, images) -> np.ndarray:
            return np.full(len(images), 0.25)

    home = crops([(1, 255), (1, 204), (0, 0), (0, 51)], name="home", equal=True)
    away = crops([(1, 250), (1, 50), (0, 1), (0, 52)], name="away", equal=True)
    both = benchmark([redness, Greenness()], original=home, unseen={"AWAY": away}, resampling=None)
    assert both.results["redness"].row["original_accuracy"].item() == 100.0
    assert both.results["green/ness"].row["original_accuracy"].item() == 50.0
    assert both.results["green/ness"].leakage is None
    files = both.save_scores(tmp_path / "scores")
    assert len(files) == 4
    assert len({path.parent for path in files}) == 2
    again = benchmark(
        "redness", original=files[0], unseen={"AWAY": files[1]}, audit=False, resampling=None
    )
    pd.testing.assert_frame_equal(again.row, both.results["redness"].row)


def test_two_of_one_name_or_without_scores_are_refused() -> None:
    with pytest.raises(InputError, match="different names, received weak twice"):
        benchmark(["weak", "weak"], original=HOME, unseen=UNSEEN, resampling=None)
    with pytest.raises(InputError, match="expected the set original to be a DataFrame or a path"):
        benchmark(["weak", "other"], original=HOME, unseen=UNSEEN, resampling=None)
    with pytest.raises(InputError, match="expected a detector"):
        benchmark([3], original=HOME, unseen=UNSEEN, resampling=None)
    with pytest.raises(InputError, match="expected at least one detector"):
        benchmark([], original=HOME, unseen=UNSEEN, resampling=None)
