"""Top neurons: their overlap, chance, and how steady resamples leave them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deepfake_generalize.causal import (
    NeuronEffects,
    Overlap,
    average_causal_effect,
    overlap,
    top_neurons,
    top_stability,
    universal_neurons,
)
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, mesonet

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


def counted(shared, k, neurons, datasets, controls=None):
    """An overlap of which only the neurons that all datasets share are known."""
    counts = np.array([0] * (datasets - 1) + [shared])
    compared = {
        kind: np.array([[0] * (datasets - 1) + [each] for each in of])
        for kind, of in (controls or {}).items()
    }
    return Overlap(counts, np.zeros(datasets), k, neurons, compared)


def test_the_chance_of_a_count_is_that_of_every_way_to_draw_the_tops():
    tops = [set(top) for top in itertools.combinations(range(6), 3)]
    ways = [len(set.intersection(*drawn)) for drawn in itertools.product(tops, repeat=3)]
    for shared in range(4):
        wanted = np.mean([each >= shared for each in ways])
        assert counted(shared, 3, 6, 3).p_chance == pytest.approx(wanted)


@pytest.mark.parametrize("shared", [0, 3, 17, 64])
def test_the_chance_of_two_tops_is_hypergeometric(shared):
    wanted = stats.hypergeom(1024, 64, 64).sf(shared - 1)
    assert counted(shared, 64, 1024, 2).p_chance == pytest.approx(wanted, rel=1e-9)


def test_the_chance_goes_with_what_random_tops_share():
    rng = np.random.default_rng(0)
    draws = [overlap({name: rng.random(24) for name in "abc"}, 12) for _ in range(3000)]
    shared = np.array([each.counts[-1] for each in draws])
    by_count = {each.counts[-1]: each.p_chance for each in draws}
    for count, p in by_count.items():
        assert np.mean(shared >= count) == pytest.approx(p, abs=4 * (0.25 / len(draws)) ** 0.5)


def test_a_control_is_counted_as_the_detector_is():
    rng = np.random.default_rng(1)
    effects, *others = ({name: rng.random(40) for name in "abc"} for _ in range(4))
    found = overlap(effects, 1 / 4, controls={"untrained": others[:2], "new head": others[2:]})
    for kind, networks in {"untrained": others[:2], "new head": others[2:]}.items():
        wanted = [overlap(each, 10).counts.tolist() for each in networks]
        assert found.controls[kind].tolist() == wanted
    assert (found.k, found.neurons) == (10, 40)
    assert found.counts.tolist() == overlap(effects, 10).counts.tolist()
    assert list(found.p_controls) == ["untrained"]  # One network does not say how much they vary.


@pytest.mark.parametrize("controls", [[30, 25, 41], [3, 9], [100, 120, 90, 140, 113]])
def test_one_more_control_is_a_t_test_of_one_against_the_others(controls):
    for shared in (5, 30, 60, 150):
        found = counted(shared, 512, 1024, 5, {"untrained": controls}).p_controls["untrained"]
        wanted = stats.ttest_ind([shared], controls, alternative="greater").pvalue
        assert found == pytest.approx(wanted)


def test_controls_that_are_all_alike_are_taken_to_vary_by_a_neuron():
    p = {
        shared: counted(shared, 9, 144, 5, {"untrained": [4, 4, 4]}).p_controls["untrained"]
        for shared in (4, 7, 8)
    }
    assert p[4] == 0.5
    assert p[7] > 0.05 > p[8]


def test_a_network_of_the_controls_kind_is_seldom_beyond_them():
    rng = np.random.default_rng(2)
    p = []
    for _ in range(1000):
        one, *others = rng.normal(300, 25, 4).round().astype(int).tolist()
        p.append(counted(one, 512, 1024, 5, {"untrained": others}).p_controls["untrained"])
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 1000) ** 0.5)


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ({"a": CONTRIBUTION}, "expected controls on a, b with 4 neurons, received one of kind 'x'"),
        ({"a": CONTRIBUTION, "c": CONTRIBUTION}, "on a, c with 4"),
        ({"a": CONTRIBUTION[:3], "b": CONTRIBUTION[:3]}, "on a, b with 3"),
        ([CONTRIBUTION], "the name of a dataset to its effects"),
    ],
)
def test_controls_on_other_datasets_or_at_another_site_are_refused(control, message):
    with pytest.raises(InputError, match=message):
        overlap({"a": CONTRIBUTION, "b": CONTRIBUTION}, 1, controls={"x": [control]})


def effects(contribution, resampled):
    both = np.stack([np.zeros(len(contribution)), contribution], axis=1)
    return NeuronEffects(both, both, None if resampled is None else np.asarray(resampled, float))


def test_the_stability_by_hand():
    # The top 2 are neurons 0 and 1; the resamples name {0, 1}, {0, 2} and {2, 3}.
    resampled = [[9, 8, 1, 0], [9, 1, 8, 0], [0, 1, 9, 8], [9, 8, 1, 0]]
    found = top_stability(effects(np.array([9.0, 8, 1, 0]), resampled), 2)
    assert found.top.tolist() == [0, 1]
    np.testing.assert_allclose(found.inclusion, [0.75, 0.5, 0.5, 0.25])
    jaccard = [1, 1 / 3, 0, 1]
    assert found.jaccard == pytest.approx(np.mean(jaccard))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(jaccard, [0.025, 0.975])))
    # Of six pairs out of four: the same one, four that share one, and one that shares none.
    assert found.expected == pytest.approx((1 + 4 / 3 + 0) / 6)


def test_chance_is_that_of_random_tops():
    random = np.random.default_rng(0)
    values = []
    for _ in range(4000):
        a, b = (set(random.permutation(30)[:8].tolist()) for _ in "ab")
        values.append(len(a & b) / len(a | b))
    some = np.arange(30.0)
    expected = top_stability(effects(some, [some]), 8).expected
    assert expected == pytest.approx(np.mean(values), abs=4 * np.std(values) / 4000**0.5)


def test_effects_without_resamples_and_other_levels_are_refused():
    contribution = np.array([9.0, 8, 1, 0])
    with pytest.raises(InputError, match="expected effects with resamples"):
        top_stability(effects(contribution, None), 2)
    with pytest.raises(InputError, match="level to be a number above 0 and below 1"):
        top_stability(effects(contribution, [[9, 8, 1, 0]]), 2, level=1.5)


def test_other_kinds_are_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"expected NeuronEffects .*, received int"):
        top_stability(5, 1)
    with pytest.raises(InputError, match=r"expected a metrics\.Resampling, received int"):
        average_causal_effect(
            Detector(mesonet((32, 32, 3))), activations=np.zeros((2, 16)), resampling=200
        )
