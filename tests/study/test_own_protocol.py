"""A protocol of one's own: said in a few lines, refused with all that is wrong, split by people."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data, study
from deepfake_generalize.data.crops import CROP_COLUMNS
from deepfake_generalize.data.splits import SUBSETS
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.experiment import all_families, check_data, plan_steps, prepare
from deepfake_generalize.study.experiment.config import needed
from deepfake_generalize.study.report import findings
from deepfake_generalize.study.report.specialized import differences
from deepfake_generalize.study.sets import official_split, sets_apart

CROSS = study.PROTOCOLS["cross-dataset"]
PAPER = study.PROTOCOLS["paper"]
SIZES = study.Sizes(train=16, val=8, test=8, few_shot_original=4, few_shot_unseen=4, few_shot_val=4)


def mixed(**changed):
    """A protocol over one table: a source, an unseen few-shot set, one of the people trained on."""
    source = study.Source(("swap", "other"), ("swap",), {"known": "people"})
    settings = {
        "sources": {"home": source},
        "sets": {
            "home": "all[method=Face2Face]",
            "swap": "all[method=FaceSwap]",
            "other": "all[method=Deepfakes]",
            "known": "all[method=FaceSwap]",
        },
        "sizes": SIZES,
        "fine_tunings": ("none", "merge"),
    }
    return study.Protocol(**(settings | changed))


def crops(people=60, methods=("Face2Face", "FaceSwap", "Deepfakes"), frames=2):
    """Crops as of FaceForensics++: pairs of people, swapped both ways by every method."""
    rows = []
    for one in range(people):
        for method in ("real", *methods):
            source = "" if method == "real" else f"{one ^ 1:03d}"
            name = f"{one:03d}" + (f"_{source}" if source else "")
            rows += [
                {
                    "path": f"/crops/{method}/{name}-{frame}.png",
                    "video": f"/videos/{method}/{name}.mp4",
                    "label": int(method != "real"),
                    "method": method,
                    "dataset": "FF++",
                    "target_identity": f"{one:03d}",
                    "source_identity": source or pd.NA,
                    "frame": frame,
                }
                for frame in range(frames)
            ]
    return pd.DataFrame(rows, columns=list(CROP_COLUMNS))


def made(protocol, table, *, trains=True, seed=3):
    tables = {
        name: data.select(table, protocol.place_of(name).partition("[")[2].rstrip("]"))
        for name in protocol.names
    }
    return sets_apart(tables, protocol, seed, trains=trains)


def who(table):
    return set(table["target_identity"]) | set(table["source_identity"].dropna())


def test_nobody_who_is_trained_on_is_in_a_test_but_where_the_protocol_says_so():
    sets = made(mixed(), crops())
    trained = {name: getattr(sets["home"], name) for name in ("train", "val")}
    for name in ("home", "swap", "other"):
        for part in trained.values():
            assert not who(part) & who(sets[name].test)
        assert not who(sets["swap"].train) & who(sets[name].test)
    assert who(sets["known"].test) <= who(crops()) - who(sets["home"].test)
    assert not set(sets["known"].test["path"]) & set(trained["train"]["path"])
    for name, splits in sets.items():
        for part in SUBSETS:
            labels = getattr(splits, part)["label"]
            assert labels.sum() * 2 == len(labels), (name, part)
    assert [len(sets["home"].train), len(sets["swap"].train), len(sets["other"].test)] == [16, 4, 8]
    assert not set(sets["swap"].train["path"]) & set(trained["train"]["path"])
    # Tests of one part share their reals, as those of FaceForensics++ do in the paper.
    reals = [set(sets[n].test.query("label == 0")["path"]) for n in ("home", "swap", "other")]
    assert reals[0] == reals[1] == reals[2]


def test_the_audit_knows_what_is_shared_and_finds_nothing_else():
    protocol = mixed()
    sets = made(protocol, crops())
    design = study.shared_by_design(sets, protocol)
    found = data.audit_leakage(sets, near_duplicates=False, shared_by_design=design)
    assert len(found)
    assert found["by_design"].all()
    # It is the design that allows it: the paper's has no such sets.
    found = data.audit_leakage(sets, near_duplicates=False)
    assert not found["by_design"].any()


def test_the_same_seed_gives_the_same_sets_whatever_the_order_of_rows():
    table = crops()
    shuffled = table.sample(frac=1.0, random_state=1).reset_index(drop=True)
    one, two = (made(mixed(), each) for each in (table, shuffled))
    assert [each.sha256 for each in one.values()] == [each.sha256 for each in two.values()]
    other = made(mixed(), table, seed=4)
    assert other["home"].sha256 != one["home"].sha256


def test_without_training_there_are_only_tests():
    sets = made(mixed(), crops(people=8), trains=False)
    assert {len(splits.train) + len(splits.val) for splits in sets.values()} == {0}
    assert {len(splits.test) for splits in sets.values()} == {8}


def test_a_set_is_told_what_it_lacks_of_what_it_is_needed_for():
    protocol = study.Protocol({"home": study.Source(("wild",))}, sizes=study.Sizes(20, 4, 50))
    table = crops(people=10, methods=("Face2Face",))
    with pytest.raises(InputError) as caught:
        sets_apart({"home": table, "wild": table.query("label == 0")}, protocol, 0, trains=True)
    told = str(caught.value)
    assert "expected 37 real images in home for test, train, val, it has 20." in told
    assert "expected 25 real images in wild for test, it has 20." in told
    assert "expected 25 fake images in wild for test, it has none." in told


def parted(table):
    """The crops with an official split: people 0 to 31 train, 32 to 43 val, 44 to 59 test."""
    person = table["target_identity"].astype(int)
    return table.assign(split=np.select([person < 32, person < 44], ["train", "val"], "test"))


@pytest.mark.parametrize("trains", [True, False])
def test_images_stay_in_the_parts_of_the_official_split(trains):
    table = parted(crops())
    sets = made(mixed(), table, trains=trains)
    for name, splits in sets.items():
        assert official_split(splits, mixed()) == "official split used"
        for part in SUBSETS:
            known = name == "known" and part == "test" and trains
            assert set(getattr(splits, part)["split"]) <= {"train" if known else part}, (name, part)
    assert len(sets["home"].test) == 8
    free = made(mixed(splits="people"), table, trains=trains)
    assert set(free["home"].test["split"]) != {"test"}
    assert official_split(free["home"], mixed(splits="people")) == "official split not used"
    # What has no part to be tested on has nothing that keeps it from tests.
    assert (
        made(mixed(), table.assign(split="train"), trains=trains)["home"]
        .test["path"]
        .equals(made(mixed(), table.assign(split=pd.NA), trains=trains)["home"].test["path"])
    )


def test_people_of_two_official_parts_are_tested_on_and_dropped_from_training():
    table = parted(crops())
    person = table["target_identity"].astype(int)
    table.loc[(person < 4) & (table["method"] == "Face2Face"), "split"] = "test"
    table.loc[person == 10, "split"] = pd.NA  # Its fakes show a person of the training part too.
    splits = made(mixed(), table)["home"]
    trained = who(splits.train) | who(splits.val)
    assert not trained & {f"{number:03d}" for number in (*range(4), *range(44, 60))}
    dropped = splits.dropped.query("target_identity == '002' and split == 'train'")
    assert dropped["reason"].str.contains("another part of the official split").all()
    assert len(dropped)
    assert "010" not in who(splits.test)


def test_sizes_that_cannot_be_met_are_all_named():
    with pytest.raises(InputError) as caught:
        made(mixed(), crops(people=8))
    assert "things are wrong with the sets of the protocol" in str(caught.value)
    assert "test: " in str(caught.value)


def test_a_source_a_set_and_a_kind_of_fine_tuning_need_no_line_in_the_library(tmp_path):
    (tmp_path / "mine.py").write_text("def again(detector, train, val):\n    return detector\n")
    kind = f"{tmp_path / 'mine.py'}:again"
    sources = {
        **PAPER.sources,
        "DFD": study.Source(("FS", "WILD"), ("FS",), {"CELEB-M": "nothing"}),
    }
    mine = dataclasses.replace(
        PAPER, sources=sources, splits="people", fine_tunings=("none", "merge", "focus", kind)
    )
    assert mine.names == (
        *PAPER.sources,
        "DFD",
        "FS",
        "NT",
        "DF",
        "WILD",
        "CELEB-M",
        "FS-I",
        "NT-I",
    )
    assert "WILD" in needed(mine)
    config = study.StudyConfig(protocol=mine, architectures=("mesonet",))
    families = all_families(config)
    assert list(families[2].names.values()) == [f"MesoNet{n}" for n in (9, 10, 11, 12)]
    steps = plan_steps(config, families[2], mine.names)
    evaluated = {step.key for step in steps if step.kind == "evaluation"}
    assert evaluated == {
        f"MesoNet{n}/{name}" for n in (9, 10, 11, 12) for name in ("DFD", "FS", "WILD", "CELEB-M")
    }
    assert study.StudyConfig.from_toml(written(config, tmp_path)) == config


def written(config, folder):
    file = Path(folder, "study.toml")
    file.write_text(config.to_toml(), encoding="utf-8")
    return file


def test_everything_that_is_wrong_is_said_at_once(tmp_path):
    config = study.StudyConfig(
        protocol=mixed(),
        data={"all": str(tmp_path / "nowhere")},
        architectures=("mesonet",),
        detectors={"mine": "no.py:function"},
    )
    with pytest.raises(InputError) as caught:
        study.run(config, tmp_path / "run")
    assert str(caught.value).startswith("2 things are wrong with the study:\n- ")
    assert "expected all at" in str(caught.value)
    assert "no.py:function" in str(caught.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="3 things are wrong with the protocol") as caught:
        mixed(metric="luck", units=("clip",), fine_tunings=("transfer",))
    with pytest.raises(InputError, match="2 things are wrong with the configuration") as caught:
        study.StudyConfig(protocol="cross-dataset", data={"imagenet": "x"}, sources=("FS",))
    assert "imagenet" in str(caught.value)
    file = tmp_path / "wrong.toml"
    file.write_text("sed = 1\nfindr = 2\nseed = 'a'\n")
    with pytest.raises(InputError) as caught:
        study.StudyConfig.from_toml(file)
    assert all(word in str(caught.value) for word in ("'sed'", "'findr'", "'a'"))


def test_a_file_is_told_of_settings_protocol_names_networks_and_places_at_once(tmp_path):
    crops().drop(columns="box").to_csv(tmp_path / "crops.csv", index=False)
    file = tmp_path / "wrong.toml"
    file.write_text(
        'sorces = ["home"]\narchitectures = ["mesonot"]\n'
        '[detectors]\na = "no.py:mine"\n'
        '[data]\nff = "nowhere"\nother = "crops.csv[methd=FaceSwap]"\nwild = "crops.csv"\n'
        '[protocol]\nmetric = "aucc"\nunits = ["frame", "clip"]\n'
        '[protocol.sets]\nhome = "ff"\nother = "other"\n'
        '[protocol.sources.home]\nunseen = ["other", "average"]\n'
    )
    with pytest.raises(InputError) as caught:
        study.StudyConfig.from_toml(file)
    count, *lines = str(caught.value).splitlines()
    for words in (
        ("'sorces'", "It may hold name"),
        ("metric", "aucc"),
        ("units", "clip"),
        ("set cannot be called 'average'",),
        ("no.py",),
    ):
        assert sum(all(word in line for word in words) for line in lines) == 1, words
    assert count.startswith(f"{len(lines)} things are wrong with ")
    # Once the set's name is right, names and places are told too, beside the protocol's values.
    file.write_text(file.read_text().replace("average", "wilt"))
    with pytest.raises(InputError) as caught:
        study.StudyConfig.from_toml(file)
    count, *lines = str(caught.value).splitlines()
    for words in (
        ("'sorces'",),
        ("metric", "aucc"),
        ("mesonot",),
        ("data", "'wild'"),
        ("- expected ff at",),
        ("- other: ", "methd"),
        ("expected a place of wilt",),
        ("no.py",),
    ):
        assert sum(all(word in line for word in words) for line in lines) == 1, (words, lines)
    assert count.startswith(f"{len(lines)} things are wrong with ")


@pytest.mark.parametrize("name", ["original", "average", "degradation", "training_dataset"])
def test_no_set_is_called_as_a_column_of_the_tables(name):
    for sources in ({name: study.Source(("x",))}, {"x": study.Source((name,))}):
        with pytest.raises(InputError, match=f"a set cannot be called '{name}'"):
            study.Protocol(sources)


def test_sizes_are_checked_before_a_frame_is_cut(tmp_path):
    for name in ("real", "fake/FaceSwap"):
        (tmp_path / "films" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "films" / name / f"{name[:4]}{number}.mp4").touch()
    source = study.Source(("swap",))
    protocol = study.Protocol({"home": source}, sizes=SIZES)
    place = str(tmp_path / "films")
    config = study.StudyConfig(
        protocol=dataclasses.replace(protocol, frames_per_video=2, frames_per_real_video=2),
        data={"home": place, "swap": f"{place}[method=FaceSwap]"},
        architectures=("mesonet",),
    )
    with pytest.raises(InputError) as caught:
        check_data(config)
    told = str(caught.value)
    assert "expected 16 real images of home, at most 2 frames of each of 3 videos" in told
    assert "expected 16 fake images of home, at most 2 frames" in told
    assert "swap" not in told  # 4 images of a class are there.
    with pytest.raises(InputError, match="Deepfakes"):
        check_data(
            dataclasses.replace(config, data={**config.data, "swap": f"{place}[method=Deepfakes]"})
        )


def test_faces_that_were_cut_need_not_be_cut_again(tmp_path, monkeypatch):
    for name in ("real", "fake"):
        (tmp_path / "films" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "films" / name / f"{number}.mp4").touch()
    monkeypatch.setattr(
        data, "extract_faces", lambda *_, **__: SimpleNamespace(crops=crops(people=2))
    )
    config = study.StudyConfig(
        protocol=study.Protocol({"home": study.Source(("away",))}, sizes=study.Sizes(test=40)),
        data={"home": str(tmp_path / "films"), "away": str(tmp_path / "films")},
        architectures=(),
        detectors={"mine": "mesonet-deepfakes"},
    )
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="20 real images in home") as caught:
        prepare(config, tmp_path / "run", n_jobs=1, progress=lambda *_: None)
    for name in ("home", "away"):
        assert f"{name} = {str(tmp_path / 'run' / 'crops' / name)!r}" in caught.value.hint


def test_a_file_names_a_protocol_or_what_differs_from_one(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('protocol = "leave-one-method-out"\n')
    assert study.StudyConfig.from_toml(file).protocol == study.PROTOCOLS["leave-one-method-out"]
    file.write_text('[protocol]\nlike = "cross-dataset"\n[protocol.sizes]\ntest = 100\n')
    found = study.StudyConfig.from_toml(file).protocol
    assert found.sizes == study.Sizes(test=100)
    assert found.unseen == ("Celeb-DF-v2", "DFD", "DFDC", "DFDC-preview")
    file.write_text('[protocol.sources.mine]\nunseen = ["other"]\n')
    assert study.StudyConfig.from_toml(file).protocol == study.Protocol(
        {"mine": study.Source(("other",))}
    )


def test_what_is_like_a_protocol_with_fewer_sets_has_their_places_alone(tmp_path):
    file = tmp_path / "study.toml"
    text = '[protocol]\nlike = "cross-dataset"\n[protocol.sources."FF++"]\nunseen = ["DFDC"]\n'
    file.write_text(text)
    found = study.StudyConfig.from_toml(file).protocol
    assert found.sets == {name: CROSS.sets[name] for name in ("FF++", "DFDC")}
    assert found.frames_per_video == 32
    file.write_text(text + '[protocol.sets]\nDFD = "dfd"\n')
    with pytest.raises(InputError, match="sets"):
        study.StudyConfig.from_toml(file)


def test_sizes_of_what_is_not_trained_may_be_nothing():
    sizes = study.Sizes(0, 0, 8, 0, 0, 0)
    protocol = study.Protocol({"home": study.Source(("abroad",))}, sizes=sizes)
    study.StudyConfig(protocol=protocol, architectures=(), detectors={"mine": "nets.py:mine"})
    with pytest.raises(InputError, match="expected train of at least 2") as caught:
        study.StudyConfig(protocol=protocol, architectures=("mesonet",))
    assert "expected val" in str(caught.value)
    assert "few_shot" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: study.Source(unseen="abc"), "expected unseen as names, received 'abc'"),
        (lambda: study.Source(("a",), few_shot="a"), "expected few_shot as names"),
        (lambda: study.Source(("a",), specialized=("b",)), "expected specialized to be a mapping"),
        (lambda: study.Protocol({"h": {"unseen": ("a",)}}), "the source h to be a study.Source"),
        (lambda: study.Protocol(("home",)), "expected sources to be a mapping"),
        (lambda: mixed(units="frame"), "expected units as names"),
    ],
)
def test_values_of_other_kinds_are_refused_in_words(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_a_protocol_is_shown_by_its_name_or_its_parts():
    assert repr(PAPER) == "PROTOCOLS['paper']"
    mine = dataclasses.replace(PAPER, metric="auc")
    assert repr(mine).startswith("Protocol(sources={'CELEB': Source(unseen=('FS',")


def test_the_fields_protocol_takes_32_frames_and_names_both_aucs():
    field = study.PROTOCOLS["cross-dataset"]
    assert (field.frames_per_video, field.frames_per_real_video) == (32, 32)
    assert (field.metric, field.units) == ("auc", ("frame", "video"))
    left_out = study.PROTOCOLS["leave-one-method-out"]
    assert left_out.place_of("without FS") == (
        "faceforensics[method=Deepfakes|Face2Face|NeuralTextures]"
    )
    assert needed(left_out) == ("faceforensics",)


def test_leaving_a_method_out_keeps_its_people_apart_and_its_fakes_out():
    methods = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    protocol = dataclasses.replace(study.PROTOCOLS["leave-one-method-out"], sizes=SIZES)
    sets = made(protocol, crops(methods=methods))
    for name, source in protocol.sources.items():
        (unseen,) = source.unseen
        assert not set(sets[name].train["method"]) & set(sets[unseen].test["method"]) - {"real"}
        assert not who(sets[name].train) & who(sets[unseen].test)


def test_a_table_holds_each_source_on_its_own_sets():
    protocol = study.Protocol({"A": study.Source(("x", "y")), "B": study.Source(("z",))})
    rows = pd.DataFrame(
        {
            "detector": ["one", "two"],
            "training_dataset": ["A", "B"],
            "original_accuracy": [90.0, 80.0],
            "x": [70.0, np.nan],
            "y": [50.0, np.nan],
            "z": [np.nan, 75.0],
        }
    )
    found = study.table("V", rows, protocol=protocol).set_index("detector")
    assert found["degradation"].to_dict() == {"two": 5.0, "one": 30.0}
    assert found.columns.tolist()[:6] == ["rank", "original_accuracy", "x", "y", "z", "average"]
    assert np.isnan(found.loc["two", "x"])
    # A set that a source has must be there.
    with pytest.raises(InputError):
        study.table("V", rows.assign(y=np.nan), protocol=protocol)


def test_finding_2_compares_what_the_papers_did():
    assert [what for _, what, _, _ in differences(PAPER)] == [
        "mean degradation difference on CELEB-M",
        "mean degradation difference on FS-I and NT-I",
        "accuracy on FS-I less that on FS",
        "accuracy on NT-I less that on NT",
        "accuracy on CELEB-M less that on DFD",
    ]
    assert [what for _, what, _, _ in differences(mixed())] == [
        "mean degradation difference on known",
        "accuracy on known less that on swap",
    ]
    assert findings.undiscriminating_features({}, n_resamples=9, seed=0).why.startswith("Left out")
