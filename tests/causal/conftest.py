"""What the tests of causal effects share."""

import cv2
import numpy as np
import pytest

from deepfake_generalize.models import Detector
from deepfake_generalize.models.surgery import cut


@pytest.fixture(scope="session")
def randomised():
    """Return a function that draws all weights of a network from a seed, and gives it back."""

    def randomise(model, seed=3, scale=1.0):
        rng = np.random.default_rng(seed)
        for variable in model.weights:
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            drawn = rng.normal(0, scale / np.sqrt(fan_in), variable.shape)
            if "variance" in variable.path or "gamma" in variable.path:
                drawn = rng.uniform(0.5, 1.5, variable.shape)
            variable.assign(drawn)
        return model

    return randomise


@pytest.fixture(scope="session")
def by_force():
    """Return the slow definition: put the value in, run the tail by Keras, average."""

    def effects(
        detector: Detector, layer, activations, values, labels=None, *, before=False, neurons=None
    ):
        tail = cut(detector.model, layer, before=before).tail
        forced = np.tile(activations, (*values.shape, 1, 1))
        for row, step in np.ndindex(*values.shape):
            neuron = row if neurons is None else neurons[row]
            forced[row, step, :, neuron] = values[row, step]
        # One call, because Keras is slow to begin one.
        output = tail(forced.reshape(-1, activations.shape[1]), training=False).numpy()
        output = output.reshape(*forced.shape[:3], -1).astype(np.float64)
        fake = output[..., detector.fake_index if output.shape[-1] > 1 else 0]
        if output.shape[-1] == 1 and detector.fake_index == 0:
            fake = 1 - fake
        outcome = fake if labels is None else np.where(np.asarray(labels) == 1, fake, 1 - fake)
        return outcome.mean(axis=-1)

    return effects


@pytest.fixture(scope="session")
def sample_crops(shared_data):
    """The four public images at 256x256, RGB uint8: two Deepfakes, two real."""
    paths = sorted(shared_data("mesonet/test_images").glob("*/*.jpg"))
    return np.stack(
        [cv2.resize(cv2.imread(str(path))[..., ::-1].copy(), (256, 256)) for path in paths]
    )
