"""Control networks: which of their weights are drawn anew, and which are the detector's."""

import random

import keras
import numpy as np
import pytest
from keras import layers

from deepfake_generalize.causal import average_causal_effect, control, site_activations
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, mesonet, shallownet
from deepfake_generalize.models.surgery import cut

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
LABELS = [1, 0, 0, 1, 1]


@pytest.fixture(scope="module")
def detector(randomised):
    return Detector(randomised(mesonet((64, 64, 3))), fake_index=0, name="mine", resize="area")


def kernels(model):
    """Return the arrays of weights that no initializer sets to a constant."""
    return [x for x in model.get_weights() if np.unique(x).size > 1]


def test_an_untrained_network_has_none_of_the_detectors_weights(detector):
    before = detector.model.get_weights()
    first, again, other = (control(detector, "untrained", seed=seed) for seed in (1, 1, 2))
    shapes = [x.shape for x in before]
    assert [x.shape for x in first.model.get_weights()] == shapes
    for x, y in zip(before, first.model.get_weights(), strict=True):
        assert not np.array_equal(x, y)
    for x, y, z in zip(*(kernels(each.model) for each in (first, again, other)), strict=True):
        assert np.array_equal(x, y)
        assert not np.any(x == z)
    for x, y in zip(before, detector.model.get_weights(), strict=True):
        assert np.array_equal(x, y)
    assert (first.fake_index, first.resize, first.name) == (0, "area", "mine, untrained")


def test_new_weights_are_drawn_as_keras_draws_them(detector):
    # Dense layers: Glorot's uniform distribution, within sqrt(6 / (inputs + outputs)).
    drawn = control(detector, "untrained", seed=3).model
    dense = [layer.get_weights() for layer in drawn.layers if isinstance(layer, layers.Dense)]
    assert len(dense) == 2
    for kernel, bias in dense:
        assert np.abs(kernel).max() <= np.sqrt(6 / sum(kernel.shape))
        assert not bias.any()


@pytest.mark.parametrize("build", [mesonet, pytest.param(shallownet, marks=pytest.mark.nightly)])
def test_a_new_head_sees_what_the_detector_sees(build, randomised):
    # ShallowNet is cut behind its first dense layer, MesoNet before it.
    detector = Detector(randomised(build((64, 64, 3))))
    head, other = (control(detector, "new head", seed=seed) for seed in (1, 2))
    found = site_activations(detector, IMAGES)
    np.testing.assert_array_equal(site_activations(head, IMAGES), found)
    assert not np.allclose(head.scores(IMAGES), detector.scores(IMAGES))
    assert not np.allclose(head.scores(IMAGES), other.scores(IMAGES))
    by_images = average_causal_effect(head, IMAGES, labels=LABELS)
    by_activations = average_causal_effect(head, activations=found, labels=LABELS)
    np.testing.assert_array_equal(by_images.effects, by_activations.effects)


def test_a_new_head_begins_at_the_site_that_is_asked_for(detector, randomised):
    shallow = Detector(randomised(shallownet((64, 64, 3))))
    head = control(shallow, "new head", site="flatten")
    found = site_activations(head, IMAGES, site="flatten")
    np.testing.assert_array_equal(site_activations(shallow, IMAGES, site="flatten"), found)
    assert not np.allclose(site_activations(head, IMAGES), site_activations(shallow, IMAGES))


def test_activations_are_those_of_the_layers_before(detector):
    trunk = cut(detector.model, "flatten").trunk
    wanted = trunk(IMAGES.astype(np.float32) / 255, training=False)
    np.testing.assert_allclose(site_activations(detector, IMAGES), wanted, rtol=1e-5, atol=1e-6)


def test_seeds_in_a_network_of_ones_own_do_not_make_all_controls_alike():
    start = keras.initializers.GlorotUniform(seed=4)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Flatten(),
            layers.Dense(6, activation="relu", kernel_initializer=start),
            layers.Dense(1, activation="sigmoid", kernel_initializer=start),
        ]
    )
    for kind in ("untrained", "new head"):
        made = [control(Detector(model), kind, seed=seed).model.get_weights() for seed in (1, 2)]
        assert not np.any(made[0][-2] == made[1][-2])


def test_global_random_states_are_left_as_they_were(detector):
    random.seed(3)
    wanted = random.random()
    random.seed(3)
    control(detector, "untrained", seed=1)
    assert random.random() == wanted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "trained"}, "kind to be one of untrained, new head"),
        ({"kind": "untrained", "seed": -1}, "seed"),
        ({"kind": "new head", "site": "nowhere"}, "nowhere"),
    ],
)
def test_other_arguments_are_refused(detector, given, message):
    with pytest.raises(InputError, match=message):
        control(detector, **given)


def test_a_network_alone_is_refused(detector):
    for call in (lambda x: control(x, "untrained"), lambda x: site_activations(x, IMAGES)):
        with pytest.raises(InputError, match=r"expected a models\.Detector"):
            call(detector.model)
