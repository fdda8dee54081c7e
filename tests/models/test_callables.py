"""Functions as detectors: what they are given, and what they may give back."""

import cv2
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import as_detector

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), np.uint8)


@pytest.fixture
def recorder():
    """Return a function that answers .25 and keeps what it was given."""

    class Recorder:
        def __init__(self):
            self.given = []

        def __call__(self, images):
            self.given.append(images)
            return np.full(len(images), 0.25)

    return Recorder()


def test_unit_channels_last(recorder):
    scorer = as_detector(recorder, name="r", size=(6, 4))
    scorer.scores(IMAGES, batch_size=2)
    assert [len(batch) for batch in recorder.given] == [2, 2, 1]
    given = np.concatenate(recorder.given)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, IMAGES / 255, atol=1e-7)


def test_uint8_channels_first_comes_back_exactly(recorder):
    scorer = as_detector(recorder, name="r", size=(6, 4), channels="first", scale="uint8")
    every_level = np.arange(256, dtype=np.uint8)
    image = np.resize(every_level, (16, 6, 4, 3))
    scorer.scores(image)
    assert recorder.given[0].dtype == np.uint8
    np.testing.assert_array_equal(recorder.given[0], image.transpose(0, 3, 1, 2))


def test_polarity(recorder):
    fake = as_detector(recorder, name="r", size=4, returns="fake").scores(IMAGES)
    real = as_detector(recorder, name="r", size=4, returns="real").scores(IMAGES)
    np.testing.assert_array_equal(fake, np.full(5, 0.25, np.float32))
    np.testing.assert_array_equal(real, np.full(5, 0.75, np.float32))


def test_size_is_a_side_or_height_and_width(recorder):
    as_detector(recorder, name="r", size=9).scores(IMAGES)
    as_detector(recorder, name="r", size=(3, 7))(IMAGES, batch_size=32)
    assert [batch.shape[1:3] for batch in recorder.given] == [(9, 9), (3, 7)]


def test_tensors_and_lists_will_do():
    import tensorflow as tf

    class TorchLike:
        """A tensor that must be detached before it is an array, as one that needs gradients."""

        def __init__(self, values, ready=False):
            self.values, self.ready = values, ready

        def detach(self):
            return TorchLike(self.values, ready=True)

        def cpu(self):
            return self

        def numpy(self):
            assert self.ready
            return self.values

    answer = np.array([0.1, 0.9], np.float32)
    for give in (TorchLike, tf.constant, list, lambda v: v[:, None], lambda v: v.astype("f2")):
        scorer = as_detector(lambda _, give=give: give(answer), name="t", size=4)
        np.testing.assert_allclose(scorer.scores(IMAGES[:2]), answer, atol=1e-3)


def test_torch_itself():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(1, 1)

    def run(images):
        return torch.sigmoid(layer(torch.from_numpy(images).mean(dim=(1, 2, 3))[:, None]))

    scores = as_detector(run, name="torch", size=4, channels="first").scores(IMAGES)
    weight, bias = (float(p.detach()) for p in layer.parameters())
    means = np.array([cv2.resize(image, (4, 4)).mean() / 255 for image in IMAGES])
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-(weight * means + bias))), atol=1e-5)


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (np.zeros((5, 2)), r"shape \(5,\) or \(5, 1\), received shape \(5, 2\)"),
        (np.zeros(4), r"received shape \(4,\)"),
        (np.float64(0.5), r"received shape \(\)"),
        (np.full(5, np.nan), "NaN"),
        (np.full(5, 1.5), "1.5"),
        (np.full(5, -3.0), "-3"),
        (["real"] * 5, "expected numbers"),
        (None, "NaN|shape"),
    ],
)
def test_other_answers_are_refused(gives, words):
    with pytest.raises(InputError, match=words):
        as_detector(lambda _: gives, name="bad", size=4).scores(IMAGES)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"function": 3}, "function"),
        ({"returns": "p"}, "returns"),
        ({"channels": "nchw"}, "channels"),
        ({"scale": 255}, "scale"),
        ({"size": 0}, "size"),
        ({"size": (4, 4, 3)}, "size"),
        ({"size": 4.5}, "size"),
    ],
)
def test_other_arguments_are_refused(changes, words, recorder):
    arguments = {"function": recorder, "name": "r", "size": 4} | changes
    with pytest.raises(InputError, match=words):
        as_detector(arguments.pop("function"), **arguments)
