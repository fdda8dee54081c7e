"""The four findings on records whose verdicts are known, among them the paper's own tables."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.metrics.resampling import Replicates, Resampling
from deepfake_generalize.metrics.units import Units
from deepfake_generalize.study import published
from deepfake_generalize.study.experiment import DetectorFamily
from deepfake_generalize.study.protocol import FINE_TUNINGS
from deepfake_generalize.study.protocol import UNSEEN_SETS as UNSEEN
from deepfake_generalize.study.report import findings

CELEB, F2F = DetectorFamily("mesonet", "CELEB"), DetectorFamily("mesonet", "F2F")


def accuracies(values, spread=1.0, seed=0):
    """Accuracies with resamples that vary by `spread` points around them."""
    rng = np.random.default_rng(seed)
    numbers = {
        (*key, "accuracy"): np.array([[value, *(value + spread * rng.standard_normal(400))]])
        for key, value in values.items()
    }
    many = Units(((),), np.zeros((1, 1), np.int64), 1000, "videos")
    return Replicates(numbers, {name: many for _, name in values}, Resampling())


def of(family, tuning, original, unseen, special):
    name = family.detector(tuning)
    sets = {family.source: original, **dict.fromkeys(UNSEEN, unseen)}
    sets |= dict.fromkeys(("CELEB-M",) if family.source == "CELEB" else ("FS-I", "NT-I"), special)
    return {(name, key): value for key, value in sets.items()}


def study(original=95.0, unseen=55.0, tuned=70.0, method=80.0, people=56.0):
    values = {}
    for family, special in ((CELEB, method), (F2F, people)):
        for tuning in FINE_TUNINGS:
            abroad = unseen if tuning == "none" else tuned
            values |= of(family, tuning, original, abroad, special)
    return accuracies(values)


def test_a_study_like_the_papers_bears_out_findings_1_and_2():
    found = study()
    first = findings.zero_shot_failure([CELEB, F2F], found)
    assert first.verdict == "holds"
    assert first.facts[0].value.estimate == pytest.approx(40.0)
    assert first.facts[1].value.estimate == pytest.approx(15.0)
    second = findings.unwanted_properties([CELEB, F2F], found)
    assert second.verdict == "holds"
    assert second.facts[0].value.estimate == pytest.approx(80.0 - 55.0)
    assert second.facts[1].value.estimate == pytest.approx(1.0)
    assert second.facts[0].what.endswith(", 1 detector")


@pytest.mark.parametrize("changed", [{"unseen": 95.0, "tuned": 96.0}, {"tuned": 55.0}])
def test_finding_1_needs_both_the_loss_and_the_gain(changed):
    assert findings.zero_shot_failure([CELEB, F2F], study(**changed)).verdict == "does not hold"


@pytest.mark.parametrize("changed", [{"method": 55.0}, {"people": 75.0}])
def test_finding_2_needs_the_method_to_matter_and_people_not_to(changed):
    found = findings.unwanted_properties([CELEB, F2F], study(**changed))
    assert found.verdict == "does not hold"


def test_finding_2_cannot_be_told_where_nobody_degrades_by_thirty_points():
    found = findings.unwanted_properties([CELEB, F2F], study(unseen=70.0))
    assert found.verdict == "cannot be told"
    assert "No CELEB-trained detector degrades by more than 30 points." in found.why


def test_the_papers_printed_tables_bear_out_the_papers_second_finding():
    values = {}
    for table, source, sets in (("VI", "CELEB", ["CELEB-M"]), ("VII", "F2F", ["FS-I", "NT-I"])):
        for row in published(table).to_dict("records"):
            values[row["detector"], source] = row["original_accuracy"]
            values |= {(row["detector"], key): row[key] for key in (*UNSEEN, *sets)}
    # Detectors that are not in the tables do not degrade enough to enter.
    architectures = ("xception", "mesoinception", "mesonet", "efficientnet_b0", "shallownet")
    families = [
        DetectorFamily(each, source) for each in architectures for source in ("CELEB", "F2F")
    ]
    for family in families:
        for name in map(family.detector, FINE_TUNINGS):
            if (name, family.source) not in values:
                values |= {(name, key): 70.0 for key in (family.source, *UNSEEN)}
    found = findings.unwanted_properties(families, accuracies(values, spread=0.5))
    assert found.verdict == "holds"
    printed = [published(table)["degradation_difference"].mean() for table in ("VI", "VII")]
    assert [fact.value.estimate for fact in found.facts] == pytest.approx(printed, abs=0.005)
    assert "9 detectors" in found.facts[0].what
    assert "7 detectors" in found.facts[1].what


MEASURES = ("ssim", "rank_correlation", "top_overlap")


def likeness(ssim, *, own=0.3, floor=0.2, ceiling=0.9, videos=None):
    """Records as a study reads them: the SSIM of each fake, one number for all else."""
    ssim = np.asarray(ssim, float)
    values = {("own", measure): np.full(len(ssim), own) for measure in MEASURES[1:]}
    values |= {("own", "ssim"): ssim}
    for name, value in (("floor", floor), ("ceiling", ceiling)):
        values |= {(name, measure): np.full(len(ssim), value) for measure in MEASURES}
    names = [f"clip {n}" for n in range(len(ssim))] if videos is None else videos
    frame = pd.DataFrame(values, index=names)
    frame.loc[np.isnan(ssim)] = np.nan
    return frame


def third(sets, n_resamples=200):
    sets = {f"mesonet-celeb/{name}": frame for name, frame in sets.items()}
    return findings.undiscriminating_features(sets, n_resamples=n_resamples, seed=0)


@pytest.mark.parametrize(("share", "verdict"), [(0.9, "holds"), (0.5, "does not hold")])
def test_finding_3_counts_dissimilar_maps(share, verdict):
    values = np.where(np.arange(200) < share * 200, 0.3, 0.95)
    found = third({name: likeness(values) for name in UNSEEN})
    assert found.verdict == verdict
    assert found.facts[0].value.estimate == pytest.approx(100 * share)
    assert {fact.what: fact.value.estimate for fact in found.facts}["videos they are of"] == 200


def test_finding_3_asks_where_the_maps_lie_between_floor_and_ceiling():
    values = np.full(50, 0.5)
    found = third({name: likeness(values, own=0.48) for name in UNSEEN})
    assert found.verdict == "holds"
    places = {fact.what: fact.value for fact in found.facts if "its place" in fact.what}
    what = "mean SSIM of the maps: 0.50, floor 0.20, ceiling 0.90; its place between them"
    assert places[what].estimate == pytest.approx((0.5 - 0.2) / (0.9 - 0.2))
    assert [value.estimate for value in places.values()][1:] == pytest.approx([0.4, 0.4])
    # All dissimilar, yet by their ranks most of the way to one detector's own agreement.
    near = third({name: likeness(values, own=0.8) for name in UNSEEN})
    assert near.facts[0].value.estimate == pytest.approx(100.0)
    assert near.verdict == "does not hold"
    assert "not clearly nearer to maps of other faces" in near.why


def test_finding_3_cannot_be_told_where_even_one_detector_does_not_agree_with_itself():
    found = third({name: likeness(np.full(50, 0.5), ceiling=0.2) for name in UNSEEN})
    assert found.verdict == "cannot be told"
    assert "do not" not in found.why
    assert "not all measures tell maps of one face from maps of different ones" in found.why
    without = {name: likeness(np.full(50, 0.5)) for name in UNSEEN}
    for frame in without.values():
        frame["floor", "ssim"] = np.nan
    assert third(without).verdict == "cannot be told"


def test_finding_3_resamples_whole_videos():
    alike = np.repeat(np.where(np.arange(40) < 28, 0.3, 0.95), 10)
    single = third({"FS": likeness(alike)}, 1000).facts[0].value
    clips = [f"clip {n}" for n in np.repeat(np.arange(40), 10)]
    whole = third({"FS": likeness(alike, videos=clips)}, 1000).facts[0].value
    assert whole.estimate == single.estimate == pytest.approx(70.0)
    assert (whole.high - whole.low) == pytest.approx(np.sqrt(10) * (single.high - single.low), 0.1)
    # A video in several sets has one weight; the mean over them is not more certain for it.
    both = third({name: likeness(alike, videos=clips) for name in UNSEEN}, 1000).facts[0].value
    assert (both.low, both.high) == pytest.approx((whole.low, whole.high))


def test_finding_3s_interval_covers_the_truth_where_frames_of_a_video_are_alike():
    random = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        # Beta-binomial with a correlation of .3 within a video: drawing single fakes covers .68.
        chances = random.beta(0.6 * 7 / 3, 0.4 * 7 / 3, 50)
        values = np.where(random.random((50, 10)) < chances[:, None], 0.3, 0.95).ravel()
        clips = [f"clip {n}" for n in np.repeat(np.arange(50), 10)]
        value = third({"FS": likeness(values, videos=clips)}).facts[0].value
        covered.append(value.low <= 60.0 <= value.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_finding_3_leaves_out_what_cannot_be_compared():
    values = np.array([0.3, 0.3, 0.3, 0.95, np.nan, np.nan, np.nan, np.nan])
    found = third({"FS": likeness(values), "NT": likeness(np.full(8, np.nan))})
    assert found.facts[0].value.estimate == pytest.approx(75.0)
    assert found.facts[-1].value.estimate == pytest.approx(75.0)
    assert "left out" in found.facts[-1].what


def test_finding_3_cannot_be_told_where_no_maps_can_be_compared():
    found = third({name: likeness(np.full(5, np.nan)) for name in UNSEEN})
    assert found.verdict == "cannot be told"
    assert found.why == "On every fake, two or more of the three heat maps are empty."


def test_finding_4_tells_shared_neurons_from_chance():
    rng = np.random.default_rng(0)
    common = rng.random(1024)
    names = ("CELEB", *UNSEEN)
    shared = {"MesoNet1": {name: common + 0.01 * rng.random(1024) for name in names}}
    chance = {"MesoNet1": {name: rng.random(1024) for name in names}}
    assert findings.universal_neurons(shared, 1 / 16).verdict == "holds"
    assert findings.universal_neurons(chance, 1 / 16).verdict == "does not hold"
    assert findings.universal_neurons(
        {**shared, "MesoNet2": chance["MesoNet1"]}, 1 / 16
    ).verdict == ("does not hold")
    assert findings.universal_neurons({}, 1 / 16).verdict == "cannot be told"
