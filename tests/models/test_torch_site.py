"""Causal effects of PyTorch modules against brute force, and what is refused."""

import keras
import numpy as np
import pytest

from deepfake_generalize.causal import average_causal_effect, control, site_activations
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import ARCHITECTURES, Detector, as_detector

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3), np.uint8)


@pytest.fixture
def nn(torch):
    return torch.nn


def wrapped(network, **options):
    options = {"logits": True, "column": 1, "size": 6, "name": "net"} | options
    return as_detector(network, **options)


def tails(nn, kind):
    """Return layers from 12 features to two logits."""
    return {
        "dropout": [nn.Dropout(0.5), nn.Linear(12, 7), nn.Dropout(0.5), nn.Linear(7, 2)],
        "norm": [nn.BatchNorm1d(12), nn.ReLU(inplace=True), nn.Linear(12, 7), nn.Linear(7, 2)],
        "gelu": [nn.GELU(), nn.Dropout(0.1), nn.Linear(12, 7, bias=False), nn.Linear(7, 2)],
        "layer norm": [nn.LayerNorm(12), nn.Linear(12, 7), nn.Tanh(), nn.Linear(7, 2)],
        "softmax": [nn.Softmax(1), nn.Linear(12, 2)],
        "alone": [nn.Linear(12, 2)],
        "two heads": [TwoHeads(nn)],
        "pooled": [nn.Unflatten(1, (3, 4)), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(6, 2)],
    }[kind]


def TwoHeads(nn):  # noqa: N802 - a class of a framework that may be absent
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(12, 2), nn.Linear(12, 2)

        def forward(self, x):
            return self.one(x).relu() + self.other(x.tanh())

    return Heads()


KINDS = ("dropout", "norm", "gelu", "layer norm", "softmax", "alone", "two heads", "pooled")
RANK_ONE = {"dropout": 1, "norm": 1, "gelu": 1, "alone": 1}


def network(nn, tail):
    made = nn.Sequential(nn.Flatten(), nn.Linear(108, 12), *tail)
    for part in made.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 1.5)
    return made


@pytest.mark.parametrize(
    ("kind", "single"),
    [
        ("norm", True),
        *((kind, False) for kind in KINDS),
        *(pytest.param(kind, True, marks=pytest.mark.nightly) for kind in KINDS if kind != "norm"),
    ],
)
def test_effects_are_those_of_brute_force(torch, nn, kind, single):
    made = network(nn, tails(nn, kind)).double() if not single else network(nn, tails(nn, kind))
    detector = wrapped(made)
    site = detector.open_site("1")
    assert (site.kernel.shape[1] < 12) == (kind in RANK_ONE)
    labels = [0, 1, 1, 0, 1]
    found = average_causal_effect(detector, IMAGES, labels=labels, site="1", grid="minmax")
    made.eval()
    with torch.no_grad():
        pixels = torch.from_numpy(IMAGES / np.float32(255)).permute(0, 3, 1, 2)
        features = made[:2](pixels.to(made[1].weight.dtype))
        np.testing.assert_allclose(found.values[:, 0], features.min(0).values, atol=1e-6)
        for neuron, step in np.ndindex(found.values.shape):
            forced = features.clone()
            forced[:, neuron] = found.values[neuron, step]
            fake = made[2:](forced.clone()).double().softmax(1)[:, 1].numpy()
            right = np.where(np.array(labels) == 1, fake, 1 - fake)
            assert abs(found.effects[neuron, step] - right.mean()) < 1e-6


@pytest.mark.parametrize("name", ["mesonet", pytest.param("shallownet", marks=pytest.mark.nightly)])
def test_effects_of_the_studys_networks_are_those_in_keras(torch, name):
    from benchmarks.pytorch_networks import Twin

    keras.utils.set_random_seed(3)
    side = {"mesonet": 64, "shallownet": 20}[name]
    model = ARCHITECTURES[name]((side, side, 3))
    images = np.random.default_rng(1).integers(0, 256, (4, side, side, 3), np.uint8)
    both = [Detector(model), as_detector(Twin(model), name=name, size=side)]
    known = [site_activations(each, images) for each in both]
    np.testing.assert_allclose(known[1], known[0], atol=1e-4)
    assert known[0].shape[1] == {"mesonet": 64, "shallownet": 1024}[name]
    ours, theirs = (average_causal_effect(each, images, outcome="score") for each in both)
    np.testing.assert_allclose(theirs.values, ours.values, atol=1e-4)
    np.testing.assert_allclose(theirs.effects, ours.effects, atol=1e-4)


def test_pooled_features_of_one_position_are_neurons(torch, nn):
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)
    )
    site = wrapped(made).open_site("1")
    assert site.kernel.shape == (8, 2)
    assert next(site.activations(IMAGES, 3)).shape == (3, 8)


def test_half_precision_has_sites_too(torch, nn):
    made = network(nn, tails(nn, "gelu"))
    expected = average_causal_effect(wrapped(made), IMAGES, outcome="score", site="1")
    found = average_causal_effect(
        wrapped(made.to(torch.bfloat16)), IMAGES, outcome="score", site="1"
    )
    np.testing.assert_allclose(found.effects, expected.effects, atol=0.02)


class TestRefused:
    def test_sites_without_neurons(self, nn):
        detector = wrapped(network(nn, tails(nn, "alone")))
        with pytest.raises(InputError, match="neurons before the network's output, received '2'"):
            detector.open_site("2")
        with pytest.raises(InputError, match="path of a layer of 'net', received 'conv'"):
            detector.open_site("conv")
        maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(64, 2))
        with pytest.raises(InputError, match=r"neurons\), received '0' .*\(None, 4, 4, 4\)"):
            wrapped(maps).open_site("0")
        with pytest.raises(InputError, match="two dense layers or more for site='paper'"):
            wrapped(maps).open_site("paper")

    @pytest.mark.parametrize("way", ["skip", "count", "shape", "twice"])
    def test_what_does_not_flow_through_the_site(self, nn, way):
        class Branched(nn.Module):
            def __init__(self):
                super().__init__()
                self.net, self.site = network(nn, []), nn.Linear(12, 12)
                self.head = nn.Linear(12, 2)

            def forward(self, x):
                features = self.net(x)
                if way == "skip":
                    return self.head(features + self.site(features))
                if way == "twice":
                    return self.head(self.site(self.site(features)))
                if way == "shape":
                    return self.head(self.site(features).view(len(x), -1))
                return self.head(self.site(features)).view(len(x), 2)

        match = "used 2 times" if way == "twice" else "through which everything flows.*'site'"
        with pytest.raises(InputError, match=match):
            wrapped(Branched()).open_site("site")


def test_controls_are_drawn_anew_all_or_behind_the_site(torch, nn):
    made = network(nn, [nn.BatchNorm1d(12), nn.ReLU(), *tails(nn, "alone")])
    made.own = nn.Parameter(torch.ones(5))
    detector = wrapped(made)
    before = {key: value.clone() for key, value in made.state_dict().items()}
    state = torch.random.get_rng_state()
    fresh = control(detector, "untrained", seed=1)
    head = control(detector, "new head", seed=1, site="1")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (fresh.name, head.name) == ("net, untrained", "net, new head")
    again = control(detector, "untrained", seed=1)
    np.testing.assert_array_equal(fresh.scores(IMAGES), again.scores(IMAGES))
    same = site_activations(detector, IMAGES, site="1")
    np.testing.assert_array_equal(site_activations(head, IMAGES, site="1"), same)
    assert np.abs(site_activations(fresh, IMAGES, site="1") - same).max() > 0.01
    assert np.abs(head.scores(IMAGES) - detector.scores(IMAGES)).max() > 1e-3
    for key, value in made.state_dict().items():
        assert torch.equal(value, before[key])
    at_paper = control(wrapped(network(nn, tails(nn, "dropout"))), "new head", seed=1)
    assert at_paper.scores(IMAGES).shape == (5,)
