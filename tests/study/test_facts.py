"""The facts of the paper: as printed, as the other rooms have them, and what may be added."""

import math
from types import MappingProxyType

import numpy as np
import pytest

from deepfake_generalize import augment, models, study
from deepfake_generalize.data.synthetic import sets as synthetic_sets
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.experiment import DetectorFamily, plan_steps
from deepfake_generalize.study.facts import (
    FINE_TUNINGS,
    NULL_SET,
    PAPER_ARCHITECTURES,
    architecture_facts,
    in_table_order,
    is_poor,
)
from deepfake_generalize.study.protocol import PAPER


def test_the_synthetic_sets_are_the_studys():
    assert list(synthetic_sets.SETS) == [*PAPER.names, NULL_SET]


def test_table_iv_names_the_networks_and_detectors_as_the_facts_do():
    printed = study.published("IV")
    families = {
        (architecture_facts(name).title, source): DetectorFamily(name, source)
        for name in PAPER_ARCHITECTURES
        for source in PAPER.sources
    }
    ours = [
        families[row["architecture"], row["training_dataset"]].detector(row["fine_tuning"])
        for row in printed.to_dict("records")
    ]
    assert ours == printed["detector"].tolist()
    assert [family.architecture for family in families.values()][::2] == list(PAPER_ARCHITECTURES)


def test_the_networks_are_those_of_the_models_and_the_fine_tunings_those_of_augment():
    assert set(PAPER_ARCHITECTURES) == set(models.ARCHITECTURES)
    assert set(PAPER.fine_tunings[1:]) < set(FINE_TUNINGS)
    tuned = [kind for kind, of in FINE_TUNINGS.items() if of.sees == "few-shot"]
    assert all(callable(getattr(augment, kind)) for kind in tuned)


@pytest.mark.parametrize("name", ["mesonet", pytest.param("xception", marks=pytest.mark.nightly)])
def test_what_is_known_of_a_network_is_what_looking_at_it_finds(name, monkeypatch):
    known = PAPER_ARCHITECTURES[name].has_hidden_neurons
    others = {key: value for key, value in PAPER_ARCHITECTURES.items() if key != name}
    monkeypatch.setattr("deepfake_generalize.study.facts.PAPER_ARCHITECTURES", others)
    assert architecture_facts.__wrapped__(name).has_hidden_neurons is known


def test_another_network_needs_no_line_in_the_study(monkeypatch):
    known = {**models.ARCHITECTURES, "tinynet": models.mesonet}
    monkeypatch.setattr(models, "ARCHITECTURES", MappingProxyType(known))
    config = study.StudyConfig(architectures=("tinynet", "xception"), sources=("F2F",))
    family = DetectorFamily(*config.families[0])
    assert list(family.names.values()) == ["tinynet4", "tinynet5", "tinynet6"]
    kinds = {step.kind for step in plan_steps(config, family, ("F2F", "FS"))}
    assert kinds == {"detector", "evaluation", "similarity", "maps", "causal", "control"}
    assert in_table_order(config.architectures) == ["xception", "tinynet"]
    architecture_facts.cache_clear()


def test_a_network_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        InputError, match=r"the architecture to be one of mesonet.*received 'resnet'"
    ):
        study.StudyConfig(architectures=("resnet",))


def test_thirty_points_are_not_more_than_thirty_whatever_floats_add():
    assert not is_poor(30.0 + 1e-9)
    assert not is_poor(0.1 + 0.2 + 29.7)
    assert not is_poor(math.nan)
    assert is_poor([30.00001, 29.99999, np.nextafter(30.0, 31.0)]).tolist() == [True, False, False]
