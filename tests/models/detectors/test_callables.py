"""Functions as detectors: what they are given, and what they may give back."""

import re

import cv2
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

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


def test_a_classifier_is_told_how_to_be_wrapped():
    features = np.random.default_rng(0).random((8, 2 * 2 * 3))
    fitted = LogisticRegression().fit(features, [0, 1] * 4)
    with pytest.raises(InputError, match="received LogisticRegression") as caught:
        as_detector(fitted, name="l", size=2)
    hint = caught.value.hint
    assert "as_detector(lambda images: classifier.predict_proba(images.reshape(" in hint
    call = re.search(r"as_detector\((lambda .+?\[:, 1\]), name=", hint)
    assert call is not None
    wrapped = as_detector(eval(call[1], {"classifier": fitted}), name="l", size=2)  # noqa: S307
    expected = fitted.predict_proba(features)[:, 1]
    images = features.reshape(8, 2, 2, 3).astype(np.float32)
    np.testing.assert_allclose(wrapped.scores(images), expected, atol=1e-6)
    with pytest.raises(InputError, match=r"returns P\(fake\) of each") as caught:
        as_detector(3, name="l", size=2)
    assert "(N, H, W, 3)" in caught.value.hint


def test_what_a_function_raises_keeps_its_type_and_names_the_function_and_the_images():
    def fussy(images):
        if len(images) < 2:
            raise KeyError("mine")
        return images.mean(axis=(1, 2, 3))

    with pytest.raises(KeyError, match="mine") as caught:
        as_detector(fussy, name="fussy", size=4).scores(IMAGES, batch_size=2)
    (note,) = caught.value.__notes__
    assert note == (
        "raised by the function of the detector fussy on images 4 to 4, given an array of shape "
        "(1, 4, 4, 3) and dtype float32"
    )


class _Torch:
    """A real convolutional network in PyTorch, and what it gives for images at its size."""

    def __init__(self, torch):
        torch.manual_seed(0)
        self.torch = torch
        self.network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3),
            torch.nn.BatchNorm2d(4),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(4, 2),
        ).eval()

    def __call__(self, batch):
        # With gradients, as a user who forgets no_grad would call it.
        return self.network(self.torch.from_numpy(batch)).softmax(dim=1)[:, 0]


@pytest.fixture
def torch_network():
    return _Torch(pytest.importorskip("torch"))


AT_SIZE = np.random.default_rng(2).integers(0, 256, (5, 12, 10, 3), np.uint8)


def test_a_torch_module_that_says_real(torch_network):
    scorer = as_detector(
        torch_network, name="torch", size=(12, 10), channels="first", returns="real"
    )
    with torch_network.torch.no_grad():
        own = torch_network((AT_SIZE / np.float32(255)).transpose(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(scorer.scores(AT_SIZE), 1 - own, atol=1e-6)
    np.testing.assert_allclose(scorer.scores(AT_SIZE, batch_size=2), 1 - own, atol=1e-6)


def test_a_torch_module_that_has_diverged(torch_network):
    with torch_network.torch.no_grad():
        torch_network.network[5].bias.fill_(float("nan"))
    scorer = as_detector(torch_network, name="torch", size=(12, 10), channels="first")
    with pytest.raises(InputError, match="from torch, received NaN"):
        scorer.scores(AT_SIZE)


def test_a_torch_module_given_channels_last_fails_by_its_own_words(torch_network):
    scorer = as_detector(torch_network, name="torch", size=(12, 10))
    with pytest.raises(RuntimeError, match="channels"):
        scorer.scores(AT_SIZE)


@pytest.fixture
def onnx_session():
    """An ONNX session that takes (N, 3, 12, 10) and gives the sigmoid of the mean's affine map."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    numbers = {"weight": [[6.0], [-3.0], [2.0]], "bias": [-2.0]}
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["score"]),
        ],
        "network",
        [helper.make_tensor_value_info("image", kind, ["N", 3, 12, 10])],
        [helper.make_tensor_value_info("score", kind, ["N", 1])],
        [
            helper.make_tensor(name, kind, np.shape(values), np.ravel(values))
            for name, values in numbers.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_an_onnx_session(onnx_session):
    def run(batch):
        return onnx_session.run(None, {"image": batch})[0]

    scorer = as_detector(run, name="onnx", size=(12, 10), channels="first")
    means = AT_SIZE.mean(axis=(1, 2)) / 255
    expected = 1 / (1 + np.exp(-(means @ [6.0, -3.0, 2.0] - 2.0)))
    np.testing.assert_allclose(scorer.scores(AT_SIZE), expected, atol=1e-5)
    whole = as_detector(lambda batch: [run(batch)], name="onnx", size=(12, 10), channels="first")
    np.testing.assert_array_equal(whole.scores(AT_SIZE), scorer.scores(AT_SIZE))


class _Tensor:
    """What of a PyTorch tensor is asked: bfloat16 ones refuse to become arrays."""

    def __init__(self, values, dtype="torch.float32"):
        self.values, self.dtype = np.asarray(values), dtype

    def detach(self):
        return self

    cpu = detach

    def float(self):
        return _Tensor(self.values)

    def numpy(self):
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


@pytest.mark.parametrize(
    "given",
    [
        lambda: _Tensor([0.25, 0.5], "torch.bfloat16"),
        lambda: [_Tensor(0.25), _Tensor(0.5)],
        lambda: [_Tensor([0.25], "torch.bfloat16"), _Tensor([0.5], "torch.bfloat16")],
        lambda: tf.constant([0.25, 0.5], tf.bfloat16),
        lambda: list(tf.constant([0.25, 0.5], tf.float16)),
    ],
)
def test_tensors_of_any_dtype_and_lists_of_them(given):
    scorer = as_detector(lambda _: given(), name="tensors", size=4)
    assert scorer.scores(np.zeros((2, 4, 4, 3), np.uint8)).tolist() == [0.25, 0.5]


def test_what_a_function_gives_in_double_precision_stays_so():
    p = np.array([1e-13, 1e-12, 1e-9])
    images = np.zeros((3, 4, 4, 3), np.uint8)
    real = as_detector(lambda _: p, name="real", size=4, returns="real").scores(images)
    np.testing.assert_array_equal(real, 1 - p)
    fake = as_detector(lambda _: 1 - p, name="fake", size=4).scores(images)
    np.testing.assert_array_equal(fake, 1 - p)


def test_squeeze_drops_the_axis_of_a_last_batch_of_one():
    scorer = as_detector(lambda x: np.squeeze(x.mean(axis=(1, 2, 3))[:, None]), name="s", size=4)
    assert scorer.scores(np.zeros((33, 4, 4, 3), np.uint8)).shape == (33,)


def test_masked_scores_are_refused():
    masked = np.ma.array([0.1, 0.2], mask=[False, True])
    with pytest.raises(InputError, match="of m without gaps, received 1 of 2 masked"):
        as_detector(lambda _: masked, name="m", size=4).scores(np.zeros((2, 4, 4, 3), np.uint8))
