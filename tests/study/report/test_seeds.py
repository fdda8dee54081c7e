"""Several trainings on the same data: what differs between them, and how they are put together."""

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from deepfake_generalize import augment, metrics, models, study
from deepfake_generalize.metrics import Resampling, resampling
from deepfake_generalize.metrics.resampling import Replicates, Units
from deepfake_generalize.study.experiment import all_families, derived_seed, plan_steps, steps
from deepfake_generalize.study.experiment.records import read_lines
from deepfake_generalize.study.report.publish import publish_results
from deepfake_generalize.study.report.results import RunResults
from deepfake_generalize.study.report.seeds import over_trainings
from deepfake_generalize.study.scores import as_scored, read_scores, write_scores

UNSEEN = ("FS", "NT", "DF", "DFD")
MANY = Replicates({}, {"s": Units(((),), np.zeros((1, 1), np.int64), 1000, "videos")}, Resampling())


@pytest.fixture(scope="module")
def two(tiny_config):
    """The tiny study with a second training."""
    return dataclasses.replace(tiny_config, training_seeds=(5, 6))


@pytest.fixture(scope="module")
def retrained(tiny_run, two, tmp_path_factory):
    """Results of two trainings: the detectors of the second guess."""
    folder = tmp_path_factory.mktemp("retrained") / "run"
    shutil.copytree(tiny_run.folder, folder, ignore=shutil.ignore_patterns("data", "detectors"))
    records = [{**each, "config_sha256": two.sha256} for each in tiny_run.results.records]
    rng, again = np.random.default_rng(0), []
    for each in records:
        if each["kind"] == "evaluation":
            name = f"{each['detector']}-seed6"
            read = read_scores(folder / each["scores"])
            frame = read.frame.assign(score=rng.random(len(read.frame)))
            file = write_scores(folder / "scores", f"{name}-{each['set']}", frame, {})
            key, scores = f"{name}/{each['set']}", f"scores/{file.name}"
            again.append({**each, "detector": name, "key": key, "scores": scores})
    return RunResults(folder, two, again + records)


def accuracy(folder, detector, key):
    """The accuracy in percent of a score file, by the metric for arrays."""
    frame = read_scores(folder / "scores" / f"{detector}-{key}.csv").frame
    return 100 * metrics.accuracy(frame["label"], frame["score"])


def test_without_training_seeds_the_trainings_are_those_of_the_seed(tiny_config, tiny_run):
    assert tiny_config.trainings == (5,)
    lines = read_lines(tiny_run.folder / "records" / "mesonet-celeb.jsonl")
    seeds = {each["key"]: each["training"]["seed"] for each in lines if each["kind"] == "detector"}
    # As they were before trainings had seeds of their own.
    assert seeds == {"MesoNet1": 122668065, "MesoNet2": 1320207916, "MesoNet3": 419639021}
    assert {each["training_seed"] for each in lines} == {5}


def test_a_second_training_has_its_own_seed_and_the_same_data(tiny_run, two, monkeypatch):
    first, second = all_families(two)
    assert second.detector("none") == "MesoNet1-seed6"
    given = []

    def taken(*tables, **options):
        given.append((tables, options))
        raise KeyboardInterrupt

    for room, name in ((models, "train"), (augment, "transfer")):
        monkeypatch.setattr(room, name, taken)
    monkeypatch.setattr(steps._Work, "detector", lambda _work, name: name)
    for family in (first, second):
        work = steps._Work(two, family, tiny_run.folder)
        for step in plan_steps(two, family, tuple(work.splits)):
            if step.kind == "detector" and family.detector("merge") != step.key:
                with pytest.raises(KeyboardInterrupt):
                    work._train(step)
    ours, theirs = given[:2], given[2:]
    for (mine, options), (its, others), name in zip(
        ours, theirs, ("MesoNet1", "MesoNet2"), strict=True
    ):
        for table, same in zip(mine[1:], its[1:], strict=True):
            assert table.equals(same)
        assert (options["name"], others["name"]) == (name, f"{name}-seed6")
        assert options["seed"] == derived_seed(5, name)
        assert others["seed"] == derived_seed(6, name)
    assert theirs[1][0][0] == "MesoNet1-seed6"  # Fine-tuned from its own original.


def test_all_trainings_are_analysed_on_the_same_images(tiny_run, two):
    first, second = (steps._Work(two, each, tiny_run.folder) for each in all_families(two))
    for key in UNSEEN:
        assert first._seed_of(key) == second._seed_of(key)
    mixes = [work._few_shot_data() for work in (first, second)]
    assert all(mine.equals(its) for mine, its in zip(*mixes, strict=True))


def test_the_configuration_says_what_loss_counts(tiny_run, tiny_config):
    assert "above 20 points" in tiny_run.results.findings[0].rule
    analysis = dataclasses.replace(tiny_config.analysis, smallest_loss=3.5)
    config = dataclasses.replace(tiny_config, analysis=analysis)
    results = RunResults(tiny_run.folder, config, tiny_run.results.records)
    assert "above 3.5 points" in results.findings[0].rule


def test_figure_2_is_drawn_of_the_first_training_alone(two):
    kinds = [{s.kind for s in plan_steps(two, f, (*UNSEEN, "CELEB"))} for f in all_families(two)]
    assert kinds[0] - kinds[1] == {"maps", "control"}


@pytest.mark.slow
def test_tables_are_means_over_the_trainings(retrained):
    table = retrained.table("V").set_index("detector")
    assert set(table.index) == {"MesoNet1", "MesoNet2", "MesoNet3"}
    for name in table.index:
        for key in UNSEEN:
            pair = [accuracy(retrained.folder, f"{name}{of}", key) for of in ("", "-seed6")]
            assert table.loc[name, key] == pytest.approx(np.mean(pair))


@pytest.mark.slow
def test_seeds_and_videos_vary_apart(retrained, monkeypatch):
    # The tiny sets have fewer videos than an interval is made of.
    monkeypatch.setattr(resampling, "FEWEST", 2)
    monkeypatch.setattr(
        "deepfake_generalize.study.report.results.as_scored",
        lambda rows: dataclasses.replace(as_scored(rows), people=None),
    )
    retrained = dataclasses.replace(retrained)
    table = retrained.between_trainings.set_index("detector")
    shown = retrained.with_intervals("V").set_index("detector")
    assert (table["between_trainings"] > 0).any()
    for name in table.index:
        found, lost = table.loc[name], []
        for each in (name, f"{name}-seed6"):
            unseen = np.mean([accuracy(retrained.folder, each, key) for key in UNSEEN])
            lost.append(accuracy(retrained.folder, each, "CELEB") - unseen)
        between = np.std(lost, ddof=1)
        assert found["trainings"] == 2
        assert found["degradation"] == pytest.approx(np.mean(lost))
        assert found["between_trainings"] == pytest.approx(between)
        spreads = []
        for trainings in (retrained.trainings, retrained._resampled(people=False)):
            mean = np.mean([each.degradation(name, "CELEB", UNSEEN) for each in trainings], axis=0)
            n = trainings[0].interval(mean).n
            spreads.append(np.std(mean[0, 1:]) * math.sqrt((n + 1) / (n - 1)))
        whole, videos = spreads
        assert {each.unit for each in trainings[0].units.values()} == {"videos"}
        assert found["over_videos"] == pytest.approx(videos)
        # Who is seen is not known: no part of it is told apart.
        assert (whole, np.isnan(found["over_people"])) == (pytest.approx(videos), True)
        mean = np.mean([e.degradation(name, "CELEB", UNSEEN) for e in retrained.trainings], axis=0)
        margin = stats.t.ppf(0.975, 1) * between / math.sqrt(2)
        below = np.mean(lost) - retrained.trainings[0].interval(mean).low
        lowest = np.mean(lost) - math.sqrt(below**2 + margin**2)
        assert found["degradation_low"] == pytest.approx(lowest)
        assert shown.loc[name, "degradation_low"] == pytest.approx(found["degradation_low"])


@pytest.mark.slow
def test_the_report_says_that_there_were_several(retrained):
    page = publish_results(retrained).read_text(encoding="utf-8")
    assert "Every detector was trained 2 times on the same data" in page
    assert "Tables, Findings 1 and 2 and the control are means over the trainings" in page
    assert "The figures show the first training, with seed 5." in page
    assert "5, of the trainings 5, 6" in page
    rows = (retrained.folder / "tables" / "table_trainings.csv").read_text().splitlines()
    assert rows[0].split(",") == list(retrained.between_trainings.columns)
    assert len(rows) == 4


def test_one_training_has_the_interval_over_videos(tiny_run):
    values = np.r_[3.0, np.random.default_rng(0).normal(3, 1, 500)]
    assert over_trainings([MANY], [values]) == MANY.interval(values)
    assert np.isnan(tiny_run.results.between_trainings["between_trainings"]).all()
    assert not (tiny_run.folder / "tables" / "table_trainings.csv").exists()


@pytest.mark.parametrize(
    ("count", "videos", "between"), [(3, 1.0, 0.3), (3, 1.0, 1.0), (3, 0.3, 3.0), (8, 1.0, 1.0)]
)
def test_the_interval_covers_the_mean_over_all_videos_and_trainings(count, videos, between):
    rng = np.random.default_rng([count, int(10 * between)])
    covered = 0
    for _ in range(800):
        # The same videos for all trainings: their error is shared, as are the resamples.
        estimates = rng.normal(0, videos) + rng.normal(0, between, count)
        resamples = rng.normal(0, videos, 400)
        each_training = [np.r_[each, each + resamples] for each in estimates]
        found = over_trainings([MANY], each_training)
        covered += found.low <= 0 <= found.high
    assert 0.93 <= covered / 800 <= 0.985


@pytest.mark.nightly
def test_the_first_of_several_trainings_is_the_one_that_would_be_alone(tiny_run, two, tmp_path):
    both = study.run(two, tmp_path / "run")
    for file in sorted((tiny_run.folder / "scores").glob("*.csv")):
        frame, same = read_scores(file).frame, read_scores(both.folder / "scores" / file.name).frame
        np.testing.assert_array_equal(frame["score"], same["score"])
    (tiny,) = tiny_run.results.families
    again = both.folder / "scores" / f"{tiny.detector('none')}-seed6-CELEB.csv"
    first = both.folder / "scores" / f"{tiny.detector('none')}-CELEB.csv"
    assert (read_scores(again).frame["score"] != read_scores(first).frame["score"]).any()
    assert both.results.table("V").notna().all().all()


def scores_of_people(seed, *, each=4, people=20):
    """Scores of videos, several of each person; whoever is misjudged is so in all of them."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "key": f"{label}-{who}-{video}",
            "video": f"{label}-{who}-{video}.mp4",
            "target_identity": f"{label}-{who}",
            "source_identity": pd.NA,
            "dataset": "own",
            "label": label,
            "score": abs(label - 0.1 - 0.8 * wrong),
            "status": "ok",
        }
        for label in (0, 1)
        for who in range(people)
        for wrong in (rng.random() < 0.4,)
        for video in range(each)
    ]
    return pd.DataFrame(rows)


def test_people_in_several_videos_add_to_the_error_over_videos():
    protocol = study.Protocol({"home": study.Source(("away",))})
    config = study.StudyConfig(
        protocol=protocol,
        architectures=("mesonet",),
        training_seeds=(0, 1),
        analysis=study.Analysis(resamples=2_000),
    )
    results = RunResults(Path(), config, [])
    names = ("MesoNet1", "MesoNet1-seed1")
    home, away = scores_of_people(0), scores_of_people(1)
    results.__dict__["scored"] = {
        "home": dict.fromkeys(names, home),
        "away": dict.fromkeys(names, away.assign(dataset="other")),
    }
    (found,) = results.between_trainings.to_dict("records")
    # By hand: a set's error is that of a mean of right and wrong, of each class, over its units.
    alone, whole = 0.0, 0.0
    for frame in (home, away):
        right = ((frame["score"] >= 0.5) == (frame["label"] == 1)).astype(float)
        for label in (0, 1):
            own = right[frame["label"] == label]
            alone += (50.0**2) * own.var(ddof=1) / len(own)
            by_person = own.groupby(frame["target_identity"]).mean()
            whole += (50.0**2) * by_person.var(ddof=1) / len(by_person)
    assert found["over_videos"] == pytest.approx(math.sqrt(alone), rel=0.1)
    assert found["over_people"] == pytest.approx(math.sqrt(whole - alone), rel=0.1)
    assert found["between_trainings"] == 0.0
