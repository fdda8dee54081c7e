"""The top neurons, and their overlap between datasets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize.causal import NeuronEffects, overlap, top_neurons, universal_neurons
from deepfake_generalize.errors import InputError

CONTRIBUTION = np.array([0.1, 0.5, 0.1, 0.9])


def test_the_largest_contribution_comes_first_and_ties_go_to_the_lower_index():
    assert top_neurons(CONTRIBUTION, 3).tolist() == [3, 1, 0]


def test_the_contribution_is_the_largest_minus_the_smallest_effect():
    effects = np.array([[0.2, 0.9, 0.4], [0.5, 0.5, 0.5]])
    found = NeuronEffects(np.zeros((2, 3)), effects)
    np.testing.assert_allclose(found.contribution, [0.7, 0])
    assert top_neurons(found, 1).tolist() == [0]


@pytest.mark.parametrize(("k", "count"), [(1 / 16, 64), (1 / 2, 512), (1.0, 1024), (1, 1)])
def test_k_is_a_count_or_a_fraction(k, count):
    assert len(top_neurons(np.arange(1024.0), k)) == count


@pytest.mark.parametrize("k", [0, 5, 0.0, 1.5, True, "3"])
def test_another_k_is_refused(k):
    with pytest.raises(InputError, match="expected k as a whole number from 1 to 4"):
        top_neurons(CONTRIBUTION, k)


@pytest.mark.parametrize("given", [np.array([0.1, np.nan]), np.zeros((2, 2)), [0.1, 0.2]])
def test_other_contributions_are_refused(given):
    with pytest.raises(InputError, match="contributions"):
        top_neurons(given, 1)


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 999))
def test_every_place_in_a_top_is_counted_once(datasets, k, seed):
    rng = np.random.default_rng(seed)
    effects = {str(name): rng.random(12) for name in range(datasets)}
    found = overlap(effects, k)
    places = np.arange(1, datasets + 1)
    assert (found.counts * places).sum() == datasets * k
    assert (found.expected * places).sum() == pytest.approx(datasets * k)
    universal = set.intersection(*(set(top_neurons(x, k).tolist()) for x in effects.values()))
    assert universal_neurons(effects, k).tolist() == sorted(universal)
    assert found.counts[-1] == len(universal)


def test_the_expected_overlap_is_that_of_random_tops():
    rng = np.random.default_rng(0)
    draws = [overlap({name: rng.random(40) for name in "abc"}, 10).counts for _ in range(4000)]
    expected = overlap({name: CONTRIBUTION.repeat(10) for name in "abc"}, 10).expected
    # Four standard errors of the simulated mean.
    allowed = 4 * np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - expected) < allowed).all()


@pytest.mark.parametrize("effects", [{}, {"a": CONTRIBUTION, "b": CONTRIBUTION[:3]}])
def test_no_dataset_and_unequal_sites_are_refused(effects):
    with pytest.raises(InputError, match="one site on at least one dataset"):
        overlap(effects, 1)


@pytest.mark.parametrize(
    "effects", [[CONTRIBUTION], iter([("a", CONTRIBUTION)]), {1: CONTRIBUTION}]
)
def test_effects_have_the_names_of_datasets(effects):
    for count in (overlap, universal_neurons):
        with pytest.raises(InputError, match="effects to map the name of a dataset to its effects"):
            count(effects, 1)


def test_masked_contributions_are_refused():
    with pytest.raises(InputError, match="contributions without gaps"):
        top_neurons(np.ma.masked_less(CONTRIBUTION, CONTRIBUTION.max()), 1)
