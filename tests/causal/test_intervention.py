"""Opening a network at a site, and summing in blocks."""

import numpy as np
import pytest

from deepfake_generalize.causal.effect import summed_scores
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, mesonet


@pytest.mark.parametrize("block", [1, 100, 4096])
def test_blocks_of_any_size_give_the_same_sums(block, randomised):
    site = Detector(randomised(mesonet((64, 64, 3)))).open_site("paper")
    rng = np.random.default_rng(1)
    activations, values = rng.random((7, 64), np.float32), rng.random((64, 3))
    weights = rng.choice([-1.0, 1.0, 2.0], (7, 3))

    at_once = summed_scores(site, activations, values, weights, block=10**9)
    in_blocks = summed_scores(site, activations, values, weights, block=block)
    np.testing.assert_allclose(in_blocks, at_once, atol=1e-6)


def test_the_parts_of_a_site_make_the_network(randomised):
    detector = Detector(randomised(mesonet((64, 64, 3))))
    site = detector.open_site("paper")
    images = np.random.default_rng(2).random((2, 64, 64, 3), np.float32)
    mixed = site.before(next(site.activations(images, 2))) @ site.kernel + site.bias
    still = np.zeros((1, 1, 2), np.float32)
    scores = site.sums(mixed, still, site.kernel[:1], np.eye(2))[0, 0]
    np.testing.assert_allclose(scores, detector.scores(images), atol=1e-6)


def test_a_layer_of_maps_is_no_site():
    with pytest.raises(InputError, match=r"received 'pool4' with \(None, 2, 2, 16\)"):
        Detector(mesonet((64, 64, 3))).open_site("pool4")
