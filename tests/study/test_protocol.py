"""The protocol: what each step of a study may read, and on what it computes.

Every crop is a canary: a step that opens one that is not its own is found out. What steps compute
is computed again here from the saved detectors and the crops, by the paper's protocol.
"""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from deepfake_generalize import augment, causal, data, interpret, metrics, models
from deepfake_generalize.data import Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.experiment import DetectorFamily, all_families, steps
from deepfake_generalize.study.experiment.detector_family import Step, plan_steps
from deepfake_generalize.study.experiment.records import read_lines
from deepfake_generalize.study.report.results import RunResults
from deepfake_generalize.study.scores import read_scores

UNSEEN = ("FS", "NT", "DF", "DFD")
ANALYSED = ("CELEB", *UNSEEN)
ALL_SETS = ("CELEB", "F2F", *UNSEEN, "CELEB-M", "FS-I", "NT-I", "NULL")
NAMES = ("MesoNet1", "MesoNet2", "MesoNet3")


def within(paths):
    """The paths of crops within data/."""
    return paths.astype(str).str.replace("\\", "/").str.rpartition("/run/data/")[2]


class _EnoughError(Exception):
    """Ends a step once it has said what it would train on."""


@pytest.fixture(scope="module")
def crops(tiny_run):
    """(set, part) to label to the crops within data/."""

    def of(name, part):
        table = getattr(Splits.load(tiny_run.folder / "splits" / f"{name}.csv"), part)
        paths = within(table["path"])
        return {label: set(paths[table["label"] == label]) for label in (0, 1)}

    return of


@pytest.fixture(scope="module")
def records(tiny_run):
    """Kind and key to record."""
    lines = read_lines(tiny_run.folder / "records" / "mesonet-celeb.jsonl")
    return {(each["kind"], each["key"]): each for each in lines}


@pytest.fixture(scope="module")
def detectors(tiny_run):
    return [models.Detector.load(tiny_run.folder / "detectors" / f"{n}.keras") for n in NAMES]


@pytest.fixture(scope="module")
def read(tiny_run):
    """From crops within data/ to their images."""
    return lambda paths: np.stack([data.read_image(tiny_run.folder / "data" / p) for p in paths])


def parts(paths):
    """Count crops by set and part: those of F2F/train/fake/1.png are of F2F/train."""
    return Counter("/".join(path.split("/")[:2]) for path in paths)


def labels(paths):
    return [int(path.split("/")[2] == "fake") for path in paths]


def test_the_spy_hears_of_every_step(spied, records):
    assert spied.keys() == records.keys()
    assert all(found["crops"] for found in spied.values())


def test_originals_are_trained_and_chosen_on_the_sources_own_parts(spied, crops):
    found = spied["detector", "MesoNet1"]
    for role in ("train", "val"):
        own = crops("CELEB", role)
        assert set(found[role]) == own[0] | own[1]
    assert set(found["crops"]) == set(found["train"]) | set(found["val"])
    assert (found["called"], found["start"]) == ("train", "mesonet")


@pytest.mark.parametrize(("name", "called"), [("MesoNet2", "transfer"), ("MesoNet3", "merge")])
def test_fine_tuning_sees_train_parts_and_is_chosen_on_val_parts(spied, name, called):
    found = spied["detector", name]
    assert (found["called"], found["start"]) == (called, "MesoNet1")
    assert parts(found["train"]) == {"CELEB/train": 16, "FS/train": 8, "NT/train": 8}
    assert parts(found["val"]) == {"CELEB/val": 8, "FS/val": 4, "NT/val": 4}
    assert sum(labels(found["train"])) == 16
    assert sum(labels(found["val"])) == 8
    assert set(found["crops"]) == set(found["train"]) | set(found["val"])


def test_the_fine_tuned_of_a_family_see_the_same_mix_in_the_same_order(spied):
    both = [spied["detector", name] for name in NAMES[1:]]
    for role in ("train", "val"):
        assert both[0][role] == both[1][role]
    sets = [path.split("/")[0] for path in both[0]["train"]]
    assert sets == ["CELEB"] * 16 + ["FS"] * 8 + ["NT"] * 8
    assert labels(both[0]["train"]) == [0] * 8 + [1] * 8 + [0] * 4 + [1] * 4 + [0] * 4 + [1] * 4


def test_the_epoch_kept_is_the_first_of_the_best_on_the_validation_data(records):
    for name in NAMES:
        training = records["detector", name]["training"]
        best = int(np.argmax(training["history"]["val_accuracy"])) + 1
        assert training["best_epoch"] == best


def test_detectors_are_measured_on_the_whole_test_part_of_a_set(spied, crops, records, tiny_run):
    validation = crops("CELEB", "val")
    for name in NAMES:
        for key in (*ANALYSED, "CELEB-M", "NULL"):
            own = crops(key, "test")
            read = set(spied["evaluation", f"{name}/{key}"]["crops"])
            assert read >= own[0] | own[1]
            # The source's validation part may serve to choose a threshold, nothing else may.
            others = read - own[0] - own[1]
            assert others <= (validation[0] | validation[1] if key == "CELEB" else set())
            record = records["evaluation", f"{name}/{key}"]
            frame = read_scores(tiny_run.folder / record["scores"]).frame
            scored = within(frame["path"])
            assert set(scored[frame["label"] == 0]) == own[0]
            assert set(scored[frame["label"] == 1]) == own[1]
            right = 100 * metrics.accuracy(frame["label"], frame["score"])
            assert record["frame_accuracy"] == pytest.approx(right)


def test_heat_maps_are_of_fakes_of_the_sets_test(spied, crops):
    for key in ANALYSED:
        found = set(spied["similarity", f"mesonet-celeb/{key}"]["crops"])
        assert len(found) == 4
        assert found <= crops(key, "test")[1]
    shown = spied["maps", "mesonet-celeb"]["crops"]
    assert parts(shown) == {f"{key}/test": 3 for key in UNSEEN}
    assert labels(shown) == [1] * 12


def test_causal_effects_are_of_as_many_reals_as_fakes_of_the_sets_test(spied):
    for name in NAMES:
        for key in ANALYSED:
            found = spied["causal", f"{name}/{key}"]["crops"]
            assert parts(found) == {f"{key}/test": 8}
            assert sum(labels(found)) == 4
            assert found == spied["causal", f"MesoNet1/{key}"]["crops"]


def test_heat_maps_speak_for_fake(spied, records, detectors, read, tiny_run):
    key = "mesonet-celeb/FS"
    images = read(spied["similarity", key]["crops"])
    maps = [interpret.grad_cam(each, images, target="fake") for each in detectors]
    values = interpret.congenetic_similarity(maps, render="jet")
    assert records["similarity", key]["compared"]["own"]["ssim"] == pytest.approx(values, abs=2e-6)
    with np.load(tiny_run.folder / "heat_maps" / "mesonet-celeb.npz") as kept:
        for detector in detectors:
            expected = interpret.grad_cam(detector, kept["FS/images"], target="fake")
            np.testing.assert_allclose(kept[f"FS/{detector.name}"], expected, atol=1e-3)
            # What Figure 2 says below each map.
            scores = records["maps", "mesonet-celeb"]["scores"]["FS"][detector.name]
            np.testing.assert_allclose(scores, detector.scores(kept["FS/images"]), atol=1e-6)
    assert {records[step]["target"] for step in records if "target" in records[step]} == {"fake"}


def test_causal_effects_are_on_the_probability_of_the_true_class(spied, records, detectors, read):
    paths = spied["causal", "MesoNet1/NT"]["crops"]
    truth = np.array(labels(paths))
    images = read(paths)
    effects = {
        outcome: causal.average_causal_effect(
            detectors[0], images, labels=truth, steps=4, grid="study", outcome=outcome
        ).contribution
        for outcome in ("true_class", "score")
    }
    recorded = records["causal", "MesoNet1/NT"]["contribution"]
    np.testing.assert_allclose(recorded, effects["true_class"], rtol=1e-4, atol=1e-7)
    assert not np.allclose(recorded, effects["score"], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("source", "own"), [("CELEB", ["CELEB-M"]), ("F2F", ["FS-I", "NT-I"])])
def test_each_source_is_measured_on_the_sets_of_its_tables(source, own):
    found = DetectorFamily("mesonet", source).test_sets(ALL_SETS)
    assert found == (source, *UNSEEN, *own, "NULL")


def test_the_other_source_trains_on_its_own_parts_too(tiny_run, tiny_config, monkeypatch):
    given = {}

    def taken(*tables, **_options):
        given.update(zip(("start", "train", "val"), tables, strict=True))
        raise _EnoughError

    family = DetectorFamily("mesonet", "F2F")
    config = dataclasses.replace(tiny_config, sources=("F2F",))
    work = steps._Work(config, family, tiny_run.folder)
    monkeypatch.setattr(models, "train", taken)
    monkeypatch.setattr(augment, "merge", taken)
    monkeypatch.setattr(work, "detector", lambda name: name)
    names = {step.key for step in plan_steps(config, family, tuple(work.splits))}
    assert {"MesoNet4", "MesoNet6"} <= names
    with pytest.raises(_EnoughError):
        work._train(Step("detector", "MesoNet4", 1.0))
    for role in ("train", "val"):
        assert given[role].equals(getattr(work.splits["F2F"], role))
    with pytest.raises(_EnoughError):
        work._train(Step("detector", "MesoNet6", 1.0))
    assert given["start"] == "MesoNet4"
    for role, original in (("train", 16), ("val", 8)):
        each = original // 2
        assert parts(within(given[role]["path"])) == {
            f"F2F/{role}": original,
            f"FS/{role}": each,
            f"NT/{role}": each,
        }


def test_originals_of_the_mix_may_be_held_back_from_the_training_of_the_original(
    tiny_run, tiny_config, spied, monkeypatch
):
    mix = [path for path in spied["detector", "MesoNet2"]["train"] if path.startswith("CELEB/")]
    assert set(mix) <= set(spied["detector", "MesoNet1"]["train"])  # As in the scripts.
    config = dataclasses.replace(tiny_config, few_shot_originals="held_back")
    work = steps._Work(config, DetectorFamily("mesonet", "CELEB"), tiny_run.folder)
    given = []

    def taken(_architecture, train, val, **_options):
        given.extend((train, val))
        raise _EnoughError

    monkeypatch.setattr(models, "train", taken)
    with pytest.raises(_EnoughError):
        work._train(Step("detector", "MesoNet1", 1.0))
    own = work.splits["CELEB"]
    held_back = work._few_shot_data()[0].query("set == 'original'")
    assert set(given[0]["path"]).isdisjoint(held_back["path"])
    assert {*given[0]["path"], *held_back["path"]} == set(own.train["path"])
    assert given[0]["label"].tolist().count(1) == 8
    assert given[1].equals(own.val)


@pytest.mark.parametrize(
    ("key", "counts"), [("CELEB", False), pytest.param("DFD", True, marks=pytest.mark.nightly)]
)
def test_finding_3_counts_the_unseen_sets_and_not_the_seen_one(tiny_run, tiny_config, key, counts):
    def third(value):
        changed = list(tiny_run.results.records)
        for row, each in enumerate(changed):
            if (each["kind"], each.get("set")) == ("similarity", key):
                own = {**each["compared"]["own"], "ssim": [value] * 4}
                changed[row] = {**each, "compared": {**each["compared"], "own": own}}
        return RunResults(tiny_run.folder, tiny_config, changed).findings[2]

    alike, unlike = third(0.95), third(0.2)
    assert (alike.facts[0] != unlike.facts[0]) is counts


def test_zero_shot_kinds_begin_as_the_original_does_and_see_what_it_sees(
    tiny_run, tiny_config, monkeypatch
):
    kinds = ("none", "transfer", "paired", "augmented", "merge")
    protocol = dataclasses.replace(tiny_config.protocol, fine_tunings=kinds)
    config = dataclasses.replace(tiny_config, protocol=protocol, few_shot_originals="held_back")
    for family in all_families(config):
        # Of the others neither names nor, by their names, seeds change.
        assert family.congenetic == DetectorFamily(family.architecture, family.source).names
    family = all_families(config)[0]
    names = ["MesoNet1", "MesoNet2", "MesoNet1-paired", "MesoNet1-augmented", "MesoNet3"]
    assert list(family.names.values()) == names
    work, given = steps._Work(config, family, tiny_run.folder), {}

    def taken(*start_and_sets, **options):
        given[options["name"]] = (start_and_sets, options)
        raise _EnoughError

    monkeypatch.setattr(models, "train", taken)
    for name in (names[0], *names[2:4]):
        with pytest.raises(_EnoughError):
            work._train(Step("detector", name, 1.0))
    (network, *sets), usual = given[names[0]]
    changes = {names[2]: {"pairing": True}, names[3]: {"augmentation": "deepfakebench"}}
    for name, change in changes.items():
        (same, *seen), options = given[name]
        assert same == network == "mesonet"
        assert all(one.equals(other) for one, other in zip(sets, seen, strict=True))
        own = {"name": name, "checkpoint": options["checkpoint"], **change}
        assert options == {**usual, **own}
    planned = plan_steps(config, family, ("CELEB", *UNSEEN))
    looked_at = {step.key.split("/")[0] for step in planned if step.kind == "causal"}
    assert looked_at == {"MesoNet1", "MesoNet2", "MesoNet3"}


def test_zero_shot_kinds_are_for_the_networks_that_are_named(tiny_config):
    protocol = dataclasses.replace(tiny_config.protocol, fine_tunings=("none", "paired"))
    changes = {"protocol": protocol, "architectures": ("mesonet", "mesoinception")}
    config = dataclasses.replace(tiny_config, **changes, zero_shot=("mesonet",))
    kinds = {family.architecture: family.kinds for family in all_families(config)}
    assert kinds == {"mesonet": ("none", "paired"), "mesoinception": ("none",)}
    with pytest.raises(InputError, match="zero_shot to be one of mesonet, mesoinception"):
        dataclasses.replace(config, zero_shot=("exception",))
