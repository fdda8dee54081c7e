"""A study's control networks: what they are, what they are measured on, what the report says."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import causal, data, models, study
from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.study.experiment import DetectorFamily, derived_seed, plan_steps, steps
from deepfake_generalize.study.report import findings

ANALYSED = ["CELEB", "FS", "NT", "DF", "DFD"]


@pytest.fixture(scope="module")
def looked_at(tiny_run):
    """A function that gives images of a test set as the configuration says, and their labels."""

    def images_of(name):
        test = data.Splits.load(tiny_run.folder / "splits" / f"{name}.csv").test
        seed = derived_seed(tiny_run.config.seed, f"analysed images of {name}")
        half = tiny_run.config.analysis.causal_images // 2
        crops = pd.concat(
            [test[test["label"] == label].sample(half, random_state=seed) for label in (0, 1)]
        )
        return np.stack([data.read_image(path) for path in crops["path"]]), list(crops["label"])

    return images_of


def records(run, kind):
    return {record["key"]: record for record in run.results.of(kind)}


def by_hand(detector, images, labels):
    """The paper's outcome, on the label's class, whatever the default is."""
    found = causal.average_causal_effect(detector, images, labels=labels, outcome="true_class")
    return found.contribution.tolist()


def test_new_heads_are_measured_as_the_detector_is(tiny_run, looked_at):
    record = records(tiny_run, "causal")["MesoNet3/NT"]
    detector = models.Detector.load(tiny_run.folder / "detectors" / "MesoNet3.keras")
    images, labels = looked_at("NT")
    assert record["contribution"] == by_hand(detector, images, labels)
    assert len(record["new_heads"]) == tiny_run.config.analysis.controls
    for number, contribution in enumerate(record["new_heads"]):
        seed = derived_seed(tiny_run.config.seed, f"MesoNet3 {number}")
        head = causal.control(detector, "new head", seed=seed)
        assert contribution == by_hand(head, images, labels)
    assert (record["outcome"], record["images"]) == ("true_class", len(images))


def test_untrained_networks_are_measured_on_the_same_images(tiny_run, looked_at):
    detector = models.Detector.load(tiny_run.folder / "detectors" / "MesoNet1.keras")
    found = records(tiny_run, "control")
    for number in range(tiny_run.config.analysis.controls):
        record = found[f"mesonet-celeb/untrained/{number}"]
        network = causal.control(
            detector, "untrained", seed=derived_seed(tiny_run.config.seed, record["key"])
        )
        assert sorted(record["sets"]) == sorted(ANALYSED)
        assert record["sets"]["DF"]["contribution"] == by_hand(network, *looked_at("DF"))
        assert record["training"] is None
    for record in found.values():
        for name, of_set in record["sets"].items():
            own = records(tiny_run, "causal")[f"MesoNet2/{name}"]
            assert of_set["images_sha256"] == own["images_sha256"]
            assert of_set["outcome"] == own["outcome"] == "true_class"


def test_labels_are_dealt_out_anew_and_nothing_else_is_changed(tiny_run, monkeypatch):
    asked = {}

    def train(architecture, train, val, **options):
        asked.update(options, architecture=architecture, train=train, val=val)

    monkeypatch.setattr(steps.models, "train", train)
    config = dataclasses.replace(
        tiny_run.config,
        analysis=dataclasses.replace(tiny_run.config.analysis, shuffled_epochs=7),
        schedules={"mesonet": study.Schedule(epochs=9, restarts=3, learning_rate=0.02)},
    )
    work = steps._Work(config, DetectorFamily("mesonet", "CELEB"), tiny_run.folder)
    work._train_on_shuffled_labels("mesonet-celeb/shuffled labels/0")
    own = data.Splits.load(tiny_run.folder / "splits" / "CELEB.csv")
    for part in ("train", "val"):
        given, kept = asked[part], getattr(own, part)
        assert given["path"].tolist() == kept["path"].tolist()
        assert given["label"].tolist() != kept["label"].tolist()
        assert sorted(given["label"]) == sorted(kept["label"])
    recipe = asked["recipe"]
    assert (recipe.epochs, recipe.learning_rate, recipe.restart_below) == (7, 0.02, None)
    assert asked["architecture"] == "mesonet"
    first = asked["train"]["label"].tolist()
    work._train_on_shuffled_labels("mesonet-celeb/shuffled labels/1")
    assert asked["train"]["label"].tolist() != first


def test_a_study_has_as_many_controls_as_are_asked_for(tiny_run):
    def kinds(**analysis):
        config = dataclasses.replace(
            tiny_run.config,
            architectures=("mesonet", "xception"),
            analysis=study.Analysis(**analysis),
        )
        plans = [
            plan_steps(config, DetectorFamily(*family), ("CELEB", *ANALYSED))
            for family in config.families
        ]
        return [[s.key.split("/")[1] for s in plan if s.kind == "control"] for plan in plans]

    wanted = ["untrained"] * 3 + ["shuffled labels"] * 3
    assert kinds() == [wanted, []]  # Xception has no neurons to compare.
    assert kinds(controls=1, shuffled_controls=0) == [["untrained"], []]
    assert study.StudyConfig.demo().analysis.shuffled_controls == 1


def test_figure_and_finding_show_the_controls(tiny_run):
    (found,) = [each for each in tiny_run.findings if each.number == 4]
    assert "Claim tested: more than untrained, new head." in found.why
    facts = {fact.what for fact in found.facts}
    for kind in ("untrained", "shuffled labels", "new head"):
        assert f"neurons in the top 1/2 of all sets in controls, {kind}, mean" in facts
    overlaps = tiny_run.results.overlaps("MesoNet2", (1 / 4,))
    networks = [
        {name: np.array(of_set["contribution"]) for name, of_set in record["sets"].items()}
        for key, record in records(tiny_run, "control").items()
        if "untrained" in key
    ]
    wanted = [causal.overlap(network, 1 / 4).counts.tolist() for network in networks]
    assert overlaps[0].controls["untrained"].tolist() == wanted
    page = tiny_run.report.read_text(encoding="utf-8")
    assert "Untrained: 2 a family" in page


def test_controls_on_other_images_are_refused(tiny_run, tmp_path):
    folder = shutil.copytree(tiny_run.folder, tmp_path / "run")
    file = folder / "records" / "mesonet-celeb.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    (record,) = [each for each in lines if each["key"] == "mesonet-celeb/untrained/1"]
    record["sets"]["DF"]["images_sha256"] = "0" * 64
    file.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    results = study.Study(folder, tiny_run.config).results
    with pytest.raises(DataMismatchError, match="untrained/1 on the images of MesoNet1"):
        results.overlaps("MesoNet1", (1 / 4,))


@pytest.mark.nightly  # Of nine networks; of drawn effects it is a default test of the findings.
def test_finding_4_holds_for_no_untrained_network(tmp_path):
    sizes = {"train": 2, "val": 2, "test": 20}
    sets = data.synthetic.make_datasets(tmp_path, size=72, per_split=sizes)
    tests = {name: sets[name].test for name in ANALYSED}
    images = {
        name: np.stack([data.read_image(path) for path in test["path"]])
        for name, test in tests.items()
    }

    def effects(*networks):
        """Of networks that have everything but their heads in common."""
        found = [{} for _ in networks]
        for name in ANALYSED:
            entering = causal.site_activations(networks[0], images[name])
            for own, network in zip(found, networks, strict=True):
                own[name] = causal.average_causal_effect(
                    network, activations=entering, labels=tests[name]["label"]
                )
        return found

    built = models.Detector(models.mesonet((72, 72, 3)))
    made = [causal.control(built, "untrained", seed=seed) for seed in range(9)]
    untrained = [effects(each)[0] for each in made[6:]]
    beyond_chance = 0
    for network in made[:6]:
        others = [causal.control(network, "new head", seed=seed) for seed in range(3)]
        own, *heads = effects(network, *others)
        for controls in (
            {"untrained": untrained},
            {"untrained": untrained, "new head": heads},
        ):
            tops = [causal.overlap(own, part, controls=controls) for part in (1 / 4, 1 / 2)]
            assert findings.universal_neurons({"MesoNet1": tops}).verdict == "does not hold"
        tops = [causal.overlap(own, part) for part in (1 / 4, 1 / 2)]
        beyond_chance += findings.universal_neurons({"MesoNet1": tops}).verdict == "holds"
    assert beyond_chance  # Chance alone is no control.
