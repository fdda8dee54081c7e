"""A third framework: what implements the protocol has maps and causal effects."""

# ruff: noqa: ARG002 - the protocol names them

import numpy as np
import pytest

from deepfake_generalize.causal import average_causal_effect, control
from deepfake_generalize.interpret import grad_cam, guided_grad_cam
from deepfake_generalize.models import Detector, as_detector, mesonet
from deepfake_generalize.types import Explainable, MapOps, Site

IMAGES = np.random.default_rng(0).random((4, 5, 5, 3)).astype(np.float32)


OPS = MapOps(
    mean=lambda values: values.mean((1, 2), keepdims=True),
    total=lambda values: values.sum((1, 2), keepdims=True),
    across=lambda values: values.sum(3),
    relu=lambda values: np.maximum(values, 0),
)


class Linear:
    """The sigmoid of a weighted mean of the colours, in NumPy: a detector and its own site."""

    name, size = "linear", (5, 5)
    kernel = np.array([[3.0], [-2.0], [1.0]], np.float32)

    def scores(self, images):
        return self._fake(images.mean((1, 2)) @ self.kernel)

    def weighted_maps(self, images, rule, view):
        sign = 1 if view.target == "fake" else -1
        gradient = np.broadcast_to(sign * self.kernel[:, 0] / 25, images.shape)
        return rule(images, gradient, OPS), view.layer or "image"

    def guided_gradient(self, images, view):
        return np.broadcast_to(self.kernel[:, 0], images.shape).astype(np.float32)

    def open_site(self, site):
        return Site(
            self.kernel,
            np.zeros(1, np.float32),
            activations=lambda images, _: iter([images.mean((1, 2))]),
            before=lambda activations: activations,
            sums=self._sums,
        )

    def redrawn(self, seed, *, behind=None):
        return self

    def _sums(self, mixed, moved, kernel, factors):
        return self._fake(mixed + moved[..., None] * kernel[:, None, None, :]) @ factors

    def _fake(self, logits):
        return 1 / (1 + np.exp(-logits[..., 0].astype(np.float64)))


def test_a_class_of_ones_own_is_explained():
    detector = Linear()
    signed = IMAGES @ np.array([3.0, -2.0, 1.0], np.float32)
    expected = signed / np.abs(signed).max((1, 2), keepdims=True)
    np.testing.assert_allclose(grad_cam(detector, IMAGES, relu=False), expected, atol=1e-6)
    assert guided_grad_cam(detector, IMAGES).shape == IMAGES.shape
    found = average_causal_effect(detector, IMAGES, outcome="score", steps=3)
    for neuron, step in np.ndindex(3, 3):
        means = IMAGES.mean((1, 2))
        means[:, neuron] = found.values[neuron, step]
        mean = (1 / (1 + np.exp(-means @ np.array([3.0, -2.0, 1.0])))).mean()
        assert found.effects[neuron, step] == pytest.approx(mean, abs=1e-6)
    assert control(detector, "untrained") is detector


def test_who_has_the_protocol():
    assert isinstance(Linear(), Explainable)
    assert isinstance(Detector(mesonet((8, 8, 3))), Explainable)
    assert not isinstance(as_detector(len, name="f", size=4), Explainable)
