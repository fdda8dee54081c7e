"""A study's configuration: the paper's values, TOML there and back, and what is refused."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_generalize.errors import InputError
from deepfake_generalize.study import PROTOCOLS, Analysis, Schedule, Sizes, StudyConfig
from deepfake_generalize.study.experiment.schedules import recipe_for

ROOTS = {"faceforensics": "/ff", "celebdf_v2": "/v2", "celebdf_v1": "/v1"}


def test_the_papers_study_has_the_papers_sizes_and_changes_no_recipe():
    config = StudyConfig.paper(ROOTS)
    assert (config.protocol.sizes.train, config.protocol.sizes.test) == (16_000, 2_000)
    assert (config.protocol.sizes.few_shot_original, config.protocol.sizes.few_shot_unseen) == (
        2_000,
        2_000,
    )
    assert config.image_size == 256
    assert config.schedules == {}
    assert (config.analysis.heat_map_fakes, config.analysis.causal_images) == (1_000, 1_920)
    assert config.analysis.top_fractions == (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    assert len(config.families) == 10
    assert not config.is_synthetic


@pytest.mark.parametrize("config", [StudyConfig.paper(ROOTS), StudyConfig.demo(), StudyConfig()])
def test_toml_gives_back_an_equal_configuration(tmp_path, config):
    path = tmp_path / "study.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert StudyConfig.from_toml(path) == config
    assert StudyConfig.from_toml(path).sha256 == config.sha256


@settings(max_examples=40)
@given(
    name=st.text(max_size=12),
    train=st.integers(1, 999).map(lambda half: 2 * half),
    rate=st.one_of(st.none(), st.floats(1e-6, 1.0)),
    fractions=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=3).map(tuple),
    seed=st.integers(0, 2**31),
    trainings=st.lists(st.integers(0, 2**31), max_size=3, unique=True).map(tuple),
)
def test_toml_gives_back_whatever_is_set(
    tmp_path_factory, name, train, rate, fractions, seed, trainings
):
    config = StudyConfig(
        name=name,
        protocol=dataclasses.replace(PROTOCOLS["paper"], sizes=Sizes(train=train)),
        schedules={"xception": Schedule(learning_rate=rate, pairing=seed % 2 == 1)},
        analysis=Analysis(top_fractions=fractions),
        seed=seed,
        training_seeds=trainings,
    )
    path = tmp_path_factory.mktemp("toml") / "study.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert StudyConfig.from_toml(path) == config


def test_the_hash_tells_studies_apart_but_not_where_their_data_lie():
    config = StudyConfig.paper(ROOTS)
    moved = StudyConfig.paper(dict(ROOTS, celebdf_v2="/elsewhere"))
    assert moved.sha256 == config.sha256
    assert dataclasses.replace(config, seed=1).sha256 != config.sha256
    smaller = dataclasses.replace(config.protocol, sizes=Sizes(train=8))
    assert dataclasses.replace(config, protocol=smaller).sha256 != config.sha256


def test_relative_roots_are_relative_to_the_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('[data]\nfaceforensics = "data/ff"\n', encoding="utf-8")
    assert StudyConfig.from_toml(path).data["faceforensics"] == str(tmp_path / "data/ff")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = ", "expected a configuration in TOML"),
        ("sed = 1", "received 'sed'. It may hold name, protocol, data"),
        ("seed = 'one'", "expected seed to be int, received 'one'"),
        ("seed = true", "expected seed to be int, received True"),
        ("protocol.sizes = 3", "expected sizes to be a table of settings, received int"),
        ("[protocol.sizes]\ntrain = 7", "expected train to be an even number from 0, received 7"),
        ("[protocol.sizes]\ntrane = 8", "expected only known settings in sizes, received 'trane'"),
        ("data = 'films'", "expected data to be 'synthetic' or names to places, received 'films'"),
        ("architectures = ['resnet']", "expected the architecture to be one of mesonet"),
        ("architectures = 'mesonet'", "expected architectures to be a list"),
        ("architectures = []", "at least one architecture or detector"),
        ("sources = ['FS']", "expected sources to be one of CELEB, F2F, received 'FS'"),
        ("schedules = 1", "expected schedules to be a table"),
        ("[schedules.mesonet]\npairing = 1", "expected pairing to be bool | None, received 1"),
        ("[schedules.mesonet]\naugmentation = 'mixup'", "one of deepfakebench, selimsef, received"),
        (
            "protocol.fine_tunings = ['none', 'paired']\n[schedules.mesonet]\nbatch_size = 5",
            "expected an even batch_size of mesonet with pairs, received 5",
        ),
        ("[schedules.resnet]", "expected the architecture to be one of mesonet"),
        ("[schedules.mesonet]\nepochs = 1.5", "expected epochs to be int | None, received 1.5"),
        (
            "[schedules.mesonet]\nprecision = 'int8'",
            "expected precision to be one of float32, bfloat16",
        ),
        ("data = 1", "expected data to be str | collections.abc.Mapping[str, str], received 1"),
        ("[data]\nfaceforensics = 3", "expected data.faceforensics to be str, received 3"),
        ("[data]\nimagenet = 'x'", "expected data to be one of celebdf_v2, faceforensics"),
        ("training_seeds = [1, 2, 1]", "expected training_seeds that differ, received [1, 2, 1]"),
        ("training_seeds = [0.5]", "expected training_seeds to be int, received 0.5"),
        ("few_shot_originals = 'new'", "few_shot_originals to be one of trained_on, held_back"),
        ("finder = 'eyes'", "expected finder to be one of mediapipe, cascade, received"),
        ("image_size = 64", "expected image_size of at least 71 for xception, received 64"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        StudyConfig.from_toml(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "threads = 0",
        "threads = 99999999999999999999",
        "image_size = 999999999999",
        "[protocol]\nframes_per_video = 0",
        "seed = -1",
        "training_seeds = [-1]",
        "[analysis]\nsmallest_loss = -1.0",
        "[analysis]\nresamples = -1",
        "[analysis]\nresamples = 99999999999999",
        "[analysis]\ntop_fractions = [1.5]",
        "[schedules.mesonet]\nepochs = -1",
        "[schedules.mesonet]\nlearning_rate = 0.0",
        "[schedules.mesonet]\ndropout = nan",
        "[schedules.mesonet]\nweight_decay = -1.0",
    ],
)
def test_a_number_that_cannot_be_is_refused_before_the_work(tmp_path, line):
    file = tmp_path / "study.toml"
    file.write_text(f'data = "synthetic"\n{line}\n')
    name = line.rpartition("\n")[2].partition(" ")[0]
    with pytest.raises(InputError, match=f"expected {name} to be"):
        StudyConfig.from_toml(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="Begin with the file that"):
        StudyConfig.from_toml(tmp_path / "none.toml")


def test_the_paper_needs_all_its_roots():
    with pytest.raises(InputError, match="celebdf_v1 missing"):
        StudyConfig.paper({"faceforensics": "a", "celebdf_v2": Path("b")})


@pytest.mark.parametrize(
    ("name", "least"),
    [
        *(("controls", 0), ("shuffled_controls", 0), ("shuffled_epochs", 1)),
        *(("shown_fakes", 1), ("heat_map_fakes", 1), ("causal_images", 2)),
    ],
)
def test_numbers_of_an_analysis_that_cannot_be_are_refused(name, least):
    assert getattr(Analysis(**{name: least}), name) == least
    with pytest.raises(InputError, match=f"{name} to be a whole number from {least}"):
        Analysis(**{name: least - 1})


def test_kinds_that_learn_slowly_have_epochs_of_their_own_and_never_restart():
    schedule = Schedule(epochs=16, fine_tuning_epochs=3, restarts=2, augmented_epochs=40)
    kinds = ("none", "paired", "augmented", "self-blended", "transfer")
    found = [recipe_for(schedule, "mesonet", kind, study="mine") for kind in kinds]
    assert [recipe.epochs for recipe in found] == [16, 16, 40, 16, 3]
    assert [recipe.restart_below is None for recipe in found] == [0, 0, 1, 0, 1]
