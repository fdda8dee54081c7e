"""How steady resamples leave the top neurons."""

import numpy as np
import pytest

from deepfake_generalize.causal import NeuronEffects, average_causal_effect, top_stability
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, mesonet


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
